package e2e_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	testcluster "github.com/soda-cdm/kahu/internal/testkit/cluster"
	"github.com/soda-cdm/kahu/internal/testkit/nfsserver"
)

// TestNFS backs up to an NFS server and restores from it, with the real processes, over an outage of the server.
func TestNFS(t *testing.T) {
	server := nfsserver.Start(t, nfsserver.Options{})
	w, running := newFileWorld(t)
	driver := "unix://" + filepath.Join(running.state, "nfs.sock")
	startBeside(t, "kahu-provider-nfs", "--endpoint", driver, "--patience", "2s")
	startBeside(t, "kahu", "meta-service", "--kubeconfig", testcluster.Kubeconfig(t), "--driver", driver,
		"--listen", "127.0.0.1:0", "--pki", filepath.Join(running.state, "meta-service"),
		"--server-name", "filesystem.kahu.local", "--client-name", "kahu-manager", "--lease-duration", leaseTime.String())
	w.newLocation("shelf", "nfs", map[string]string{
		"server": server.Address, "export": server.Root, "path": "shelf",
		"port": strconv.Itoa(server.Port), "mountPort": strconv.Itoa(server.MountPort),
	})
	w.location = "shelf"
	namespace := testcluster.Namespace(t)
	w.create(&corev1.ConfigMap{ObjectMeta: in(namespace, "settings"), Data: map[string]string{"a": "b"}})
	w.completedBackup("over-nfs", only(namespace))
	if found, err := filepath.Glob(filepath.Join(server.Root, "shelf/clusters/*/backups/over-nfs/*/manifest.json")); err != nil || len(found) != 1 {
		t.Errorf("on the server there are the manifests %v, %v", found, err)
	}
	w.remove(&corev1.Namespace{ObjectMeta: named(namespace)})

	server.Stop()
	w.awaitLocation("shelf", metav1.ConditionFalse)
	server.Run()
	w.awaitLocation("shelf", metav1.ConditionTrue)
	w.completedRestore("over-nfs", "over-nfs", nil)
	found := &corev1.ConfigMap{ObjectMeta: in(namespace, "settings")}
	if !w.get(found) || found.Data["a"] != "b" {
		t.Errorf("the config map is not as it was: %v", found.Data)
	}
	expectNoPartial(t, filepath.Join(server.Root, "shelf/.kahu-partial"))
}

// expectNoPartial reports what has been left in a hidden folder.
func expectNoPartial(t *testing.T, folder string) {
	t.Helper()
	entries, err := os.ReadDir(folder)
	if err != nil || len(entries) > 0 {
		t.Errorf("in %s there are %v, %v", folder, entries, err)
	}
}

// startBeside runs a program until the end of the test.
func startBeside(t *testing.T, name string, arguments ...string) {
	t.Helper()
	output := newLines()
	command := exec.CommandContext(t.Context(), program(t, name), arguments...)
	command.Stdout, command.Stderr = output, output
	command.Cancel = func() error { return command.Process.Signal(syscall.SIGTERM) }
	command.WaitDelay = endLimit
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = command.Process.Signal(syscall.SIGTERM) // It fails if it has ended, which is as good.
		_ = command.Wait()
		if t.Failed() {
			t.Logf("%s said:\n%s", name, output)
		}
	})
}
