// Package process names processes so that they can be found again, signalled
// and waited for without ever meeting another one: the kernel uses process
// numbers again, and a record on disk may be older than the last boot.
package process

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// ErrGone says that a process has ended, even if its number is in use again.
var ErrGone = errors.New("the process has ended")

// Identity is one process, told apart from every other of this machine.
type Identity struct {
	// PID is the process number.
	PID int `json:"pid"`
	// StartTicks is when it started, in clock ticks since the boot.
	StartTicks uint64 `json:"startTicks"`
	// Boot is the kernel's random id of the boot that it started in.
	Boot string `json:"boot"`
}

// Identify names the living process of a number. Fails with ErrGone if there is none.
func Identify(pid int) (Identity, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return Identity{}, fmt.Errorf("process %d: %w", pid, ErrGone)
	}
	ticks, err := startTicks(stat)
	if err != nil {
		return Identity{}, fmt.Errorf("process %d: %w", pid, err)
	}
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return Identity{}, fmt.Errorf("reading the id of the boot: %w", err)
	}
	return Identity{PID: pid, StartTicks: ticks, Boot: string(bytes.TrimSpace(boot))}, nil
}

// Alive reports whether this very process still runs.
func (id Identity) Alive() bool {
	if id.PID <= 0 {
		return false
	}
	now, err := Identify(id.PID)
	return err == nil && now == id
}

// Signal sends a signal to this very process. Fails with ErrGone if it has ended.
func (id Identity) Signal(signal unix.Signal) error {
	return id.with(func(handle int) error {
		err := unix.PidfdSendSignal(handle, signal, nil, 0)
		if errors.Is(err, unix.ESRCH) {
			return ErrGone
		}
		return err
	})
}

// Wait waits until the process has ended, at most for the limit, and reports whether it has.
func (id Identity) Wait(limit time.Duration) (bool, error) {
	ended := false
	err := id.with(func(handle int) error {
		var err error
		ended, err = poll(handle, limit)
		return err
	})
	if errors.Is(err, ErrGone) {
		return true, nil
	}
	return ended, err
}

// with gives a handle that stays with the process when its number is used again.
func (id Identity) with(use func(handle int) error) error {
	if id.PID <= 0 {
		return ErrGone
	}
	handle, err := unix.PidfdOpen(id.PID, 0)
	if errors.Is(err, unix.ESRCH) {
		return ErrGone
	}
	if err != nil {
		return fmt.Errorf("opening process %d: %w", id.PID, err)
	}
	// Asked after the handle is open, so that both are about the same process.
	if !id.Alive() {
		return errors.Join(ErrGone, unix.Close(handle))
	}
	return errors.Join(use(handle), unix.Close(handle))
}

// poll waits for a process handle to become readable, which it does at the
// process's end. It waits in steps, so that signals which interrupt it can
// make the wait shorter and never longer.
func poll(handle int, limit time.Duration) (bool, error) {
	const step = 100 * time.Millisecond
	fds := []unix.PollFd{{Fd: int32(handle), Events: unix.POLLIN}} //nolint:gosec // descriptors are small
	for left := limit; left >= 0; left -= step {
		n, err := unix.Poll(fds, int(min(left, step).Milliseconds()))
		if err != nil && !errors.Is(err, unix.EINTR) {
			return false, err
		}
		if n > 0 {
			return true, nil
		}
	}
	return false, nil
}

// startTicks reads the start time out of /proc/PID/stat. A zombie counts as ended.
func startTicks(stat []byte) (uint64, error) {
	// The second field is the program's name in brackets, and may hold anything.
	end := bytes.LastIndexByte(stat, ')')
	if end < 0 {
		return 0, errors.New("reading stat: no program name in it")
	}
	const state, start = 0, 19 // counted after the name, proc(5) fields 3 and 22
	fields := bytes.Fields(stat[end+1:])
	if len(fields) <= start {
		return 0, errors.New("reading stat: too few fields")
	}
	if s := string(fields[state]); s == "Z" || s == "X" {
		return 0, ErrGone
	}
	return strconv.ParseUint(string(fields[start]), 10, 64)
}
