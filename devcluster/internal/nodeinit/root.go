package nodeinit

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/soda-cdm/kahu/devcluster/internal/node"
)

// enter makes the node's file system and makes it the root of this process.
//
// It is a small one in memory, with the machine's programs in it to read, its
// devices and cgroups, and the node's own folder at /var. What is mounted in it
// is seen by its containers as far as they ask for it, and never by the machine.
func enter(config node.Config, files map[string]string) error {
	if err := mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return err
	}
	root := filepath.Join(config.Folder, "root")
	if err := os.MkdirAll(root, 0o700); err != nil {
		return err
	}
	if err := mount("tmpfs", root, "tmpfs", 0, "mode=755"); err != nil {
		return err
	}
	steps := []func(root string, config node.Config) error{makeFolders, bindMachine, bindOwn, mountProc}
	for _, step := range steps {
		if err := step(root, config); err != nil {
			return err
		}
	}
	for path, content := range files {
		if err := write(filepath.Join(root, path), content); err != nil {
			return err
		}
	}
	return pivot(root)
}

func makeFolders(root string, _ node.Config) error {
	for _, folder := range []string{"dev", "etc", "home", "images", "mnt", "opt", "proc", "root", "run", "srv", "sys", "usr", "var"} {
		if err := os.Mkdir(filepath.Join(root, folder), 0o755); err != nil { //nolint:gosec // as in every system
			return err
		}
	}
	return errors.Join(
		os.Mkdir(filepath.Join(root, "tmp"), 0o700),
		os.Chmod(filepath.Join(root, "tmp"), 0o777|fs.ModeSticky),
		os.Symlink("/proc/mounts", filepath.Join(root, "etc/mtab")),
	)
}

// bindMachine shows the machine's programs, devices and cgroups.
func bindMachine(root string, _ node.Config) error {
	if err := show("/usr", filepath.Join(root, "usr")); err != nil {
		return err
	}
	for _, name := range []string{"bin", "sbin", "lib", "lib32", "lib64", "libx32", "etc/alternatives"} {
		if err := sameAs("/"+name, filepath.Join(root, name)); err != nil {
			return err
		}
	}
	for _, name := range []string{"dev", "sys"} {
		if err := bind("/"+name, filepath.Join(root, name)); err != nil {
			return err
		}
	}
	return nil
}

// sameAs makes what the machine has under a name: a link, or a folder to read, or nothing.
func sameAs(machine, here string) error {
	info, err := os.Lstat(machine)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if info.Mode()&fs.ModeSymlink != 0 {
		target, err := os.Readlink(machine)
		if err != nil {
			return err
		}
		return os.Symlink(target, here)
	}
	if err := os.Mkdir(here, 0o755); err != nil { //nolint:gosec // as in every system
		return err
	}
	return show(machine, here)
}

// bindOwn gives the node its folder, where all that is large lies, and the images.
func bindOwn(root string, config node.Config) error {
	own := filepath.Join(config.Folder, "var")
	for _, folder := range []string{"lib/kubelet", "lib/containerd", "log/pods", "log/containers", "tmp"} {
		if err := os.MkdirAll(filepath.Join(own, folder), 0o755); err != nil { //nolint:gosec // as in every system
			return err
		}
	}
	err := os.Symlink("/run", filepath.Join(own, "run"))
	if err != nil && !errors.Is(err, fs.ErrExist) { // it is there in the node's second life
		return err
	}
	if err := bind(own, filepath.Join(root, "var")); err != nil {
		return err
	}
	if config.Storage != "" {
		storage := filepath.Join(root, node.StorageFolder)
		if err := errors.Join(os.Mkdir(storage, 0o755), bind(config.Storage, storage)); err != nil { //nolint:gosec // as in every system
			return err
		}
	}
	return show(config.Images, filepath.Join(root, node.ImageFolder))
}

// mountProc mounts the processes of the node, with the settings that a kubelet wants to see.
func mountProc(root string, _ node.Config) error {
	proc := filepath.Join(root, "proc")
	if err := mount("proc", proc, "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""); err != nil {
		return err
	}
	number := 0
	for name, value := range node.Sysctls() {
		setting := filepath.Join(proc, "sys", name)
		if _, err := os.Stat(setting); errors.Is(err, fs.ErrNotExist) {
			continue
		}
		number++
		shown := filepath.Join(root, "run", "sysctl", strconv.Itoa(number))
		if err := write(shown, value+"\n"); err != nil {
			return err
		}
		if err := bind(shown, setting); err != nil {
			return err
		}
	}
	return nil
}

// pivot makes the folder the root, and lets go of the machine's. What is
// mounted from then on reaches the containers that ask for it.
func pivot(root string) error {
	if err := os.Chdir(root); err != nil {
		return err
	}
	// The old root comes to lie upon the new one, pivot_root(2).
	if err := unix.PivotRoot(".", "."); err != nil {
		return fmt.Errorf("changing the root: %w", err)
	}
	if err := unix.Unmount(".", unix.MNT_DETACH); err != nil {
		return fmt.Errorf("leaving the machine's root: %w", err)
	}
	if err := os.Chdir("/"); err != nil {
		return err
	}
	return mount("", "/", "", unix.MS_REC|unix.MS_SHARED, "")
}

// bind shows what lies at one place at another one, too.
func bind(from, to string) error {
	return mount(from, to, "", unix.MS_BIND|unix.MS_REC, "")
}

// show is bind to look at only.
func show(from, to string) error {
	if err := bind(from, to); err != nil {
		return err
	}
	return mount("", to, "", unix.MS_BIND|unix.MS_REMOUNT|unix.MS_RDONLY, "")
}

func mount(from, to, kind string, flags uintptr, data string) error {
	if err := unix.Mount(from, to, kind, flags, data); err != nil {
		return fmt.Errorf("mounting %s: %w", to, err)
	}
	return nil
}

func write(path, content string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil { //nolint:gosec // as in every system
		return err
	}
	mode := fs.FileMode(0o644)
	if filepath.Ext(path) == ".key" || filepath.Ext(path) == ".kubeconfig" {
		mode = 0o600
	}
	return os.WriteFile(path, []byte(content), mode)
}
