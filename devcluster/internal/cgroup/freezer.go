package cgroup

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"k8s.io/utils/clock"
)

// freezeLimit bounds the wait for the last process to stand still.
const freezeLimit = 5 * time.Second

// Freezer holds all the processes of a group and below: none of them runs
// between two instructions, and no call to the kernel is half done.
type Freezer struct {
	tree  Tree
	group string
}

// Freezer gives that of a group, like kahu1.
func (t Tree) Freezer(group string) Freezer { return Freezer{tree: t, group: group} }

// Freeze returns when all of them are held. The thaw that it gives has them go on.
func (f Freezer) Freeze(ctx context.Context) (thaw func() error, err error) {
	control, found := f.control()
	if !found {
		return nil, fmt.Errorf("the cgroup %s cannot be frozen", f.group)
	}
	if err := write(control.file, control.freeze); err != nil {
		return nil, errors.Join(err, f.Thaw())
	}
	if err := control.untilFrozen(ctx, f.tree.Clock); err != nil {
		return nil, errors.Join(err, f.Thaw())
	}
	return f.Thaw, nil
}

// Thaw lets them go on, and is nil where they are not held, or there is no such group.
func (f Freezer) Thaw() error {
	control, found := f.control()
	if !found {
		return nil
	}
	if err := write(control.file, control.thaw); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// control is the files by which a group is frozen.
type control struct {
	file, freeze, thaw string
	// says is the file that has the word when all are held.
	says, word string
}

// control finds the hierarchy in which the group's processes are frozen: that
// of version 1, if there is one, as the pods are in it then.
func (f Freezer) control() (control, bool) {
	for _, root := range f.tree.Roots {
		state := filepath.Join(root, f.group, "freezer.state")
		if _, err := os.Stat(state); err == nil {
			return control{file: state, freeze: "FROZEN", thaw: "THAWED", says: state, word: "FROZEN"}, true
		}
	}
	for _, root := range f.tree.Roots {
		group := filepath.Join(root, f.group)
		if _, err := os.Stat(filepath.Join(group, "cgroup.freeze")); err == nil {
			return control{
				file: filepath.Join(group, "cgroup.freeze"), freeze: "1", thaw: "0",
				says: filepath.Join(group, "cgroup.events"), word: "frozen 1",
			}, true
		}
	}
	return control{}, false
}

// untilFrozen asks again and again, as the kernel tells nobody.
func (c control) untilFrozen(ctx context.Context, timers clock.Clock) error {
	deadline := timers.Now().Add(freezeLimit)
	for {
		content, err := os.ReadFile(c.says)
		if err != nil {
			return fmt.Errorf("freezing: %w", err)
		}
		if strings.Contains(string(content), c.word) {
			return nil
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if timers.Now().After(deadline) {
			return fmt.Errorf("freezing: processes still run after %s", freezeLimit)
		}
		timers.Sleep(time.Millisecond)
	}
}

func write(file, word string) error {
	if err := os.WriteFile(file, []byte(word), 0); err != nil {
		return fmt.Errorf("writing %s: %w", file, err)
	}
	return nil
}
