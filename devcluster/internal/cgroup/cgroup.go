// Package cgroup makes and removes the cgroups of a cluster: one of its name in
// every hierarchy of the machine, be there one (version 2) or many (version 1,
// and both at once), below which the kubelets keep their pods.
package cgroup

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
	"k8s.io/utils/clock"
)

// removeLimit bounds the wait for the last processes to leave: the kernel lets
// go of ended ones a little later than it tells of their end.
const removeLimit = 10 * time.Second

// Tree is all the hierarchies of a machine.
type Tree struct {
	// Roots are where they are mounted.
	Roots []string
	Clock clock.Clock
}

// Machine gives the hierarchies that are mounted now.
func Machine(timers clock.Clock) (Tree, error) {
	mounts, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return Tree{}, fmt.Errorf("finding the cgroups: %w", err)
	}
	defer func() { _ = mounts.Close() }() // was only read
	roots, err := hierarchies(mounts)
	if err != nil {
		return Tree{}, fmt.Errorf("finding the cgroups: %w", err)
	}
	return Tree{Roots: roots, Clock: timers}, nil
}

// hierarchies reads mountinfo, proc_pid_mountinfo(5).
func hierarchies(mountinfo io.Reader) ([]string, error) {
	var roots []string
	lines := bufio.NewScanner(mountinfo)
	for lines.Scan() {
		before, after, found := strings.Cut(lines.Text(), " - ")
		fields := strings.Fields(before)
		const mountPoint = 4
		if !found || len(fields) <= mountPoint {
			continue
		}
		if kind, _, _ := strings.Cut(after, " "); kind == "cgroup" || kind == "cgroup2" {
			roots = append(roots, fields[mountPoint])
		}
	}
	return roots, lines.Err()
}

// Make makes a group, like kahu1/node-1, in every hierarchy.
func (t Tree) Make(name string) error {
	if len(t.Roots) == 0 {
		return errors.New("no cgroups are mounted")
	}
	for _, root := range t.Roots {
		if err := os.MkdirAll(filepath.Join(root, name), 0o755); err != nil { //nolint:gosec // like all of them
			return fmt.Errorf("making a cgroup: %w", err)
		}
		if err := delegate(root, filepath.Dir(name)); err != nil {
			return err
		}
	}
	return nil
}

// delegate has the groups on the way down use the controllers that the root
// has. Only version 2 asks for that, and only there is the file.
func delegate(root, way string) error {
	available, err := os.ReadFile(filepath.Join(root, "cgroup.controllers")) //nolint:gosec // the kernel's own
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("reading the controllers: %w", err)
	}
	controllers := strings.Fields(string(available))
	if len(controllers) == 0 {
		return nil
	}
	wanted := "+" + strings.Join(controllers, " +")
	for _, group := range []string{root, filepath.Join(root, way)} {
		if err := os.WriteFile(filepath.Join(group, "cgroup.subtree_control"), []byte(wanted), 0); err != nil { //nolint:gosec // the kernel's own
			return fmt.Errorf("delegating controllers: %w", err)
		}
	}
	return nil
}

// Remove removes a group with all below it, whose processes have ended, from
// every hierarchy. It is nil where there is none.
func (t Tree) Remove(name string) error {
	deadline := t.Clock.Now().Add(removeLimit)
	for _, root := range t.Roots {
		for {
			err := removeAll(filepath.Join(root, name))
			if err == nil {
				break
			}
			if !errors.Is(err, unix.EBUSY) || t.Clock.Now().After(deadline) {
				return fmt.Errorf("removing a cgroup: %w", err)
			}
			t.Clock.Sleep(20 * time.Millisecond)
		}
	}
	return nil
}

// removeAll removes folders from the deepest on. The files in them are the kernel's, and go with them.
func removeAll(group string) error {
	var folders []string
	err := filepath.WalkDir(group, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.IsDir() {
			folders = append(folders, path)
		}
		return err
	})
	if errors.Is(err, fs.ErrNotExist) {
		err = nil // none at all, or one that has gone meanwhile
	}
	for _, folder := range slices.Backward(folders) {
		if gone := unix.Rmdir(folder); gone != nil && !errors.Is(gone, unix.ENOENT) {
			return fmt.Errorf("%s: %w", folder, gone)
		}
	}
	return err
}
