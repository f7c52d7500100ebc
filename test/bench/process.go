package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The processes whose work is measured, by the names under which they are shown.
const (
	apiServer   = "apiserver"
	etcd        = "etcd"
	controllers = "kcm"
	manager     = "manager"
	metaService = "meta-service"
	driver      = "driver"
	itself      = "bench"
)

// family is a process and all that it started, by name.
type family map[string]int

// familyOf looks for the known processes below some others. Those that are not there yet are left out.
func familyOf(roots ...int) (family, error) {
	parents, err := parentsOf()
	if err != nil {
		return nil, err
	}
	found := family{itself: os.Getpid()}
	for pid := range parents {
		if !descends(pid, roots, parents) {
			continue
		}
		if name := nameOf(pid); name != "" {
			found[name] = pid
		}
	}
	return found, nil
}

// descends tells whether a process is one of the roots or below one.
func descends(pid int, roots []int, parents map[int]int) bool {
	for range len(parents) {
		if slices.Contains(roots, pid) {
			return true
		}
		parent, known := parents[pid]
		if !known {
			return false
		}
		pid = parent
	}
	return false
}

// parentsOf returns the parent of each process of the machine.
func parentsOf() (map[int]int, error) {
	folders, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return nil, fmt.Errorf("listing the processes: %w", err)
	}
	parents := map[int]int{}
	for _, folder := range folders {
		pid, err := strconv.Atoi(filepath.Base(folder))
		if err != nil {
			continue
		}
		if fields := statOf(pid); len(fields) > 1 {
			parents[pid], _ = strconv.Atoi(fields[1])
		}
	}
	return parents, nil
}

// statOf returns the fields of /proc/PID/stat from the state on; none for a process that has ended.
func statOf(pid int) []string {
	content, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return nil
	}
	return strings.Fields(string(content[bytes.LastIndexByte(content, ')')+1:]))
}

// nameOf returns the name under which a process is shown, or nothing.
func nameOf(pid int) string {
	content, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	if err != nil {
		return ""
	}
	args := strings.Split(string(content), "\x00")
	switch filepath.Base(args[0]) {
	case "kube-apiserver":
		return apiServer
	case "etcd":
		return etcd
	case "kube-controller-manager":
		return controllers
	}
	if len(args) < 2 {
		return ""
	}
	switch role := args[1]; role {
	case manager, metaService:
		return role
	case "provider":
		return driver
	}
	return ""
}

// ticks is how many parts /proc divides a second of a processor into, on every Linux.
const ticks = 100

// used is how much time of the processors each process has taken since its start.
func (f family) used() map[string]time.Duration {
	const user, system = 11, 12 // fields behind the state
	spent := map[string]time.Duration{}
	for name, pid := range f {
		fields := statOf(pid)
		if len(fields) <= system {
			continue
		}
		for _, field := range []int{user, system} {
			count, _ := strconv.Atoi(fields[field])
			spent[name] += time.Duration(count) * time.Second / ticks
		}
	}
	return spent
}

// peak returns the greatest amount of memory that a process has held, in bytes; 0 for one that has ended.
func (f family) peak(name string) int64 {
	content, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", f[name]))
	if err != nil {
		return 0
	}
	_, after, _ := strings.Cut(string(content), "VmHWM:")
	fields := strings.Fields(after)
	if len(fields) == 0 {
		return 0
	}
	kilobytes, _ := strconv.ParseInt(fields[0], 10, 64)
	return kilobytes << 10
}

// load returns the machine's load average of the last minute, which says how much others take of it.
func load() string {
	content, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "?"
	}
	first, _, _ := strings.Cut(string(content), " ")
	return first
}
