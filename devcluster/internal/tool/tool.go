// Package tool knows the programs of the machine that a node needs, and the
// Debian packages that they come in. devcluster/packages.sh installs these.
package tool

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
)

// needed are the programs by name, each with its package. A path is one of a plug-in.
func needed() []program {
	return []program{
		{"ip", "iproute2"},
		{"mount", "mount"},
		{"nft", "nftables"},
		{"containerd", "containerd"},
		{"containerd-shim-runc-v2", "containerd"},
		{"ctr", "containerd"},
		{"runc", "runc"},
		{Plugins + "/ptp", "containernetworking-plugins"},
		{Plugins + "/host-local", "containernetworking-plugins"},
		{Plugins + "/loopback", "containernetworking-plugins"},
	}
}

type program struct{ name, pkg string }

// Plugins is the folder of the network plug-ins.
const Plugins = "/usr/lib/cni"

// Path is where programs are looked for, as a node's own PATH has it.
const Path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// Find gives the path of a program.
func Find(name string) (string, error) {
	return find(name, filepath.SplitList(Path))
}

func find(name string, folders []string) (string, error) {
	if filepath.IsAbs(name) {
		folders = []string{""}
	}
	for _, folder := range folders {
		path := filepath.Join(folder, name)
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 {
			return path, nil
		}
	}
	return "", fmt.Errorf("%s is not installed", name)
}

// namespaces fails where root may make none, as in many containers.
func namespaces() error {
	path, err := Find("true")
	if err != nil {
		return err
	}
	command := &exec.Cmd{Path: path, SysProcAttr: &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWNET | syscall.CLONE_NEWPID | syscall.CLONE_NEWNS | syscall.CLONE_NEWUTS | syscall.CLONE_NEWIPC,
	}}
	if err := command.Run(); err != nil {
		return fmt.Errorf("making namespaces: %w", err)
	}
	return nil
}

// Check fails unless this process can make nodes: it names everything that is missing.
func Check() error {
	return check(os.Geteuid(), filepath.SplitList(Path))
}

func check(user int, folders []string) error {
	var err error
	if user != 0 {
		err = errors.New("a node takes root")
	}
	var missing []string
	for _, program := range needed() {
		if _, err := find(program.name, folders); err != nil {
			missing = append(missing, fmt.Sprintf("%s (package %s)", program.name, program.pkg))
		}
	}
	if err == nil {
		err = namespaces()
	}
	if len(missing) > 0 {
		err = errors.Join(err, fmt.Errorf("not installed: %s; devcluster/packages.sh installs it", strings.Join(missing, ", ")))
	}
	return err
}
