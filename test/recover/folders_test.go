package recover_test

import (
	"context"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	testcluster "github.com/soda-cdm/kahu/internal/testkit/cluster"
)

// TestRecoverFolders recovers from folders of a disk, of which the lost cluster had several. The locations come back while
// nobody knows whether their folders are reached from here: none of them is taken for a new one, and nothing is written.
func TestRecoverFolders(t *testing.T) {
	root := t.TempDir()
	l := &lost{}
	end := l.runKahu(t, "--store", root)
	cluster := newClient(t, testcluster.Config(t))
	deploy(t, cluster, application()[:3])
	ids := map[string]string{}
	for _, name := range []string{"main", "other"} {
		l.kahu(t, "location", "create", name, "--provider", "filesystem", "--config", "path="+name, "--wait")
		ids[name] = locationIDs(t, testcluster.Kubeconfig(t))[name]
	}
	l.kahu(t, "backup", "create", "of-folders", "--location", "main", "--volume-data=false", "--wait")
	end()
	before := contentsOf(t, root)
	for address, home := range map[string]string{root + "?path=main": "main", filepath.Join(root, "main"): ""} {
		fresh := testcluster.Start(t)
		ctx, cancel := context.WithTimeout(t.Context(), waitLimit)
		defer cancel()
		command := exec.CommandContext(ctx, program(t, "kahu"), "recover", "--kubeconfig", fresh.Kubeconfig(),
			"--log", filepath.Join(t.TempDir(), "log"), "--location", address)
		command.Env = append(os.Environ(), "TMPDIR="+shortFolder(t))
		told, err := command.CombinedOutput()
		if err != nil {
			t.Fatalf("recovering from %s: %v\n%s", address, err, told)
		}
		settings := &corev1.ConfigMapList{}
		check(t, newClient(t, fresh.Config()).List(t.Context(), settings, client.InNamespace("shop")))
		if len(settings.Items) < 2 { //nolint:mnd // That of the cluster is one.
			t.Errorf("from %s, %d config maps are back", address, len(settings.Items))
		}
		if diff := cmp.Diff(before, contentsOf(t, root)); diff != "" {
			t.Errorf("from %s, the place was changed (-before +after):\n%s", address, diff)
		}
		if home != "" && !strings.Contains(string(told), "BackupLocation "+home+" is back and is this place") {
			t.Errorf("from %s, it says:\n%s", address, told)
		}
		for name, id := range locationIDs(t, fresh.Kubeconfig()) {
			if id != "" && ids[name] != "" && id != ids[name] {
				t.Errorf("from %s, location %s is taken for %s; it was %s", address, name, id, ids[name])
			}
		}
	}
}

// locationIDs returns what the locations of a cluster are known as.
func locationIDs(t *testing.T, kubeconfig string) map[string]string {
	t.Helper()
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	check(t, err)
	list := &kahuv1.BackupLocationList{}
	check(t, newClient(t, config).List(t.Context(), list))
	found := map[string]string{}
	for _, one := range list.Items {
		found[one.Name] = one.Status.LocationID
	}
	return found
}

// contentsOf returns the sizes of all files below a folder.
func contentsOf(t *testing.T, root string) map[string]int64 {
	t.Helper()
	found := map[string]int64{}
	check(t, filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		info, err := entry.Info()
		if err == nil {
			found[path] = info.Size()
		}
		return err
	}))
	return found
}
