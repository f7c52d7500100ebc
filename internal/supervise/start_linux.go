package supervise

import (
	"os/exec"
	"runtime"
	"syscall"
)

// start runs the command with the parent-death signal set. The kernel ties that signal to the thread that started the
// child, so the goroutine keeps its thread until the child has ended.
func start(command *exec.Cmd, started func()) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	if err := command.Start(); err != nil {
		return err
	}
	started()
	return command.Wait()
}
