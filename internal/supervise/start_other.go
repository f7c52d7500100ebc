//go:build !linux

package supervise

import "os/exec"

// start runs the command. Only Linux can tie a child's life to that of its parent.
func start(command *exec.Cmd, started func()) error {
	if err := command.Start(); err != nil {
		return err
	}
	started()
	return command.Wait()
}
