package e2e_test

import (
	"bytes"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/soda-cdm/kahu/devcluster/internal/node"
)

// census is what of the machine a cluster could leave behind or change, by the
// kind of it. What has nothing to do with clusters is left out, as others use
// the machine as well.
type census map[string][]string

func takeCensus(t *testing.T, folder string) census {
	t.Helper()
	return census{
		"processes":   processes(t, folder),
		"namespaces":  namespaces(t),
		"mounts":      mounts(t, folder),
		"loops":       loops(t, folder),
		"links":       links(t),
		"cgroups":     cgroups(t),
		"settings":    settings(),
		"directories": directories(t),
	}
}

// wantSame wants the machine as it was.
func wantSame(t *testing.T, before census, folder string) {
	t.Helper()
	if diff := cmp.Diff(before, takeCensus(t, folder)); diff != "" {
		t.Errorf("the machine is not as it was before (-before +after):\n%s", diff)
	}
}

// processes are those of clusters: of the binary under test, of containerd's
// programs, and what has the folder in its arguments.
func processes(t *testing.T, folder string) []string {
	t.Helper()
	under, err := filepath.EvalSymlinks(program)
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, path := range glob(t, "/proc/[0-9]*") {
		program, err := os.Readlink(path + "/exe")
		arguments, readErr := os.ReadFile(path + "/cmdline")
		if err != nil || readErr != nil {
			continue // has ended, or is the kernel's
		}
		ours := program == under || strings.HasPrefix(filepath.Base(program), "containerd") ||
			filepath.Base(program) == "devcluster-workload" || bytes.Contains(arguments, []byte(folder))
		if ours && !bytes.Contains(arguments, []byte(os.Args[0])) {
			found = append(found, filepath.Base(path)+" "+string(bytes.ReplaceAll(arguments, []byte{0}, []byte{' '})))
		}
	}
	return sorted(found)
}

// namespaces are all that some process is in, each with the first process that was found in it.
func namespaces(t *testing.T) []string {
	t.Helper()
	seen := map[string]bool{}
	var found []string
	for _, path := range glob(t, "/proc/[0-9]*/ns/*") {
		// A process that has ended and was not waited for has a namespace still, and no program.
		_, ended := os.Readlink(filepath.Join(path, "../../exe"))
		name, err := os.Readlink(path)
		kind := filepath.Base(path)
		if ended != nil || err != nil || seen[name] || !slices.Contains([]string{"net", "mnt", "pid", "uts", "ipc"}, kind) {
			continue
		}
		seen[name] = true
		program, _ := os.ReadFile(filepath.Join(path, "../../comm")) // has ended meanwhile
		found = append(found, name+" "+strings.TrimSpace(string(program)))
	}
	return sorted(found)
}

func mounts(t *testing.T, folder string) []string {
	t.Helper()
	content, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for line := range strings.Lines(string(content)) {
		for _, word := range []string{folder, "containerd", "kubelet", "nsfs", "netns", "kahu"} {
			if strings.Contains(line, word) {
				found = append(found, line)
				break
			}
		}
	}
	return sorted(found)
}

func loops(t *testing.T, folder string) []string {
	t.Helper()
	var found []string
	for _, path := range glob(t, "/sys/block/loop*/loop/backing_file") {
		if content, err := os.ReadFile(path); err == nil && strings.Contains(string(content), folder) {
			found = append(found, path+" "+string(content))
		}
	}
	return sorted(found)
}

func links(t *testing.T) []string {
	t.Helper()
	all, err := net.Interfaces()
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, link := range all {
		found = append(found, link.Name)
	}
	return sorted(found)
}

// cgroups are the topmost ones of every hierarchy.
func cgroups(t *testing.T) []string {
	t.Helper()
	content, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for line := range strings.Lines(string(content)) {
		const mountPoint = 4
		if fields := strings.Fields(line); strings.Contains(line, " - cgroup") {
			found = append(found, glob(t, fields[mountPoint]+"/*/")...)
		}
	}
	return sorted(found)
}

// settings are those of the kernel that a kubelet, kube-proxy or network plug-in would change.
func settings() []string {
	var found []string
	names := []string{"net/ipv4/ip_forward", "net/netfilter/nf_conntrack_max", "net/ipv4/conf/all/route_localnet"}
	for name := range node.Sysctls() {
		names = append(names, name)
	}
	for _, name := range names {
		if content, err := os.ReadFile(filepath.Join("/proc/sys", name)); err == nil {
			found = append(found, name+" = "+strings.TrimSpace(string(content)))
		}
	}
	return sorted(found)
}

// directories are those in which programs of nodes usually write.
func directories(t *testing.T) []string {
	t.Helper()
	var found []string
	for _, folder := range []string{"/var/lib/kubelet", "/var/lib/containerd", "/var/lib/cni", "/run/containerd", "/run/netns", "/run/flannel", "/var/log/pods", "/var/log/containers", "/etc/cni", "/etc/kubernetes", "/opt/cni"} {
		found = append(found, glob(t, folder)...)
		found = append(found, glob(t, folder+"/*")...)
	}
	return sorted(found)
}

func glob(t *testing.T, pattern string) []string {
	t.Helper()
	paths, err := filepath.Glob(pattern)
	if err != nil {
		t.Fatal(err)
	}
	return paths
}

func sorted(names []string) []string {
	slices.Sort(names)
	return slices.Compact(names)
}
