// Package leaks_test counts what is left of volumes, in the cluster and in the storage system, with the real sidecars of CSI.
package leaks_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"

	"github.com/soda-cdm/kahu/internal/testkit/cluster"
)

func TestMain(m *testing.M) {
	os.Exit(cluster.Main(m, cluster.Volumes())) //nolint:forbidigo // The exit code is Main's.
}

// limit bounds every wait.
const limit = 90 * time.Second

// world is a cluster with storage, and Kahu beside it.
type world struct {
	*testing.T

	client  dynamic.Interface
	storage string // that of the CSI drivers
	store   string // the folder of the locations
}

func newWorld(t *testing.T) *world {
	t.Helper()
	return newWorldIn(t, cluster.Config(t), cluster.Kubeconfig(t))
}

// newWorldIn is newWorld for any cluster with storage.
func newWorldIn(t *testing.T, config *rest.Config, kubeconfig string) *world {
	t.Helper()
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	w := &world{T: t, client: client, storage: filepath.Join(filepath.Dir(kubeconfig), "csi"), store: t.TempDir()}
	w.runKahu(kubeconfig, "--volumes")
	return w
}

// runKahu runs Kahu beside a cluster, over the store of the world, until the test ends.
func (w *world) runKahu(kubeconfig string, more ...string) {
	w.Helper()
	program, err := filepath.Abs("../../bin/kahu")
	if err != nil {
		w.Fatal(err)
	}
	state, err := os.MkdirTemp("", "kahu-") // That of the test is too long a path for a socket.
	if err != nil {
		w.Fatal(err)
	}
	w.Cleanup(func() { _ = os.RemoveAll(state) })
	said, err := os.Create(filepath.Join(state, "log"))
	if err != nil {
		w.Fatal(err)
	}
	command := exec.CommandContext(w.Context(), program, append([]string{
		"standalone", "--install-crds", "--kubeconfig", kubeconfig, "--store", w.store, "--state", state, "--location-interval", "2s",
	}, more...)...)
	command.Stdout, command.Stderr, command.WaitDelay = said, said, limit
	command.Cancel = func() error { return command.Process.Signal(syscall.SIGTERM) }
	if err := command.Start(); err != nil {
		w.Fatalf("run \"make build\" first: %v", err)
	}
	w.Cleanup(func() {
		_ = command.Process.Signal(syscall.SIGTERM)
		_ = command.Wait()
		if w.Failed() {
			text, _ := os.ReadFile(said.Name())
			w.Logf("Kahu said:\n%s", text)
		}
	})
}

func (w *world) of(group, version, resource, namespace string) dynamic.ResourceInterface {
	return w.client.Resource(schema.GroupVersionResource{Group: group, Version: version, Resource: resource}).Namespace(namespace)
}

func (w *world) kahu(resource string) dynamic.ResourceInterface {
	return w.of("kahu.io", "v1beta1", resource, "")
}

// make creates an object, as soon as its kind is served.
func (w *world) make(to dynamic.ResourceInterface, text string) {
	w.Helper()
	object := &unstructured.Unstructured{}
	if err := json.Unmarshal([]byte(text), &object.Object); err != nil {
		w.Fatal(err)
	}
	w.until("creating "+object.GetName(), func(ctx context.Context) error {
		_, err := to.Create(ctx, object, metav1.CreateOptions{})
		return err
	})
}

func (w *world) remove(from dynamic.ResourceInterface, name string) {
	w.Helper()
	if err := from.Delete(w.Context(), name, metav1.DeleteOptions{}); err != nil {
		w.Fatal(err)
	}
	w.until(name+" is gone", func(ctx context.Context) error {
		_, err := from.Get(ctx, name, metav1.GetOptions{})
		if err == nil {
			return fmt.Errorf("%s is there", name)
		}
		return nil
	})
}

func (w *world) until(what string, do func(ctx context.Context) error) {
	w.Helper()
	w.untilWithin(limit, what, do)
}

func (w *world) untilWithin(bound time.Duration, what string, do func(ctx context.Context) error) {
	w.Helper()
	ctx, cancel := context.WithTimeout(w.Context(), bound)
	defer cancel()
	var last error // That the time is over says less.
	for {
		err := do(ctx)
		if err == nil {
			return
		}
		if ctx.Err() == nil {
			last = err
		}
		select {
		case <-ctx.Done():
			w.Fatalf("%s: %v", what, last)
		case <-clock.RealClock{}.After(100 * time.Millisecond):
		}
	}
}

// field waits until a field of an object has a value.
func (w *world) field(of dynamic.ResourceInterface, name, want string, path ...string) {
	w.Helper()
	w.until(name+" is "+want, func(ctx context.Context) error {
		found, err := of.Get(ctx, name, metav1.GetOptions{})
		if err != nil {
			return err
		}
		if got, _, _ := unstructured.NestedString(found.Object, path...); got != want {
			return fmt.Errorf("it is %q: %v", got, found.Object["status"])
		}
		return nil
	})
}

// count counts everything that can be left.
func (w *world) count(ctx context.Context) (map[string]int, error) {
	found := map[string]int{}
	for _, kind := range []schema.GroupVersionResource{
		{Group: "snapshot.storage.k8s.io", Version: "v1", Resource: "volumesnapshots"},
		{Group: "snapshot.storage.k8s.io", Version: "v1", Resource: "volumesnapshotcontents"},
		{Group: "groupsnapshot.storage.k8s.io", Version: "v1", Resource: "volumegroupsnapshotcontents"},
		{Version: "v1", Resource: "persistentvolumeclaims"},
		{Version: "v1", Resource: "persistentvolumes"},
		{Group: "kahu.io", Version: "v1beta1", Resource: "volumebackupcontents"},
		{Group: "kahu.io", Version: "v1beta1", Resource: "volumerestorecontents"},
	} {
		list, err := w.client.Resource(kind).List(ctx, metav1.ListOptions{})
		if err != nil {
			return nil, err
		}
		found[kind.Resource] = len(list.Items)
	}
	for _, what := range []string{"volumes", "snapshots", "groups"} {
		stored, err := filepath.Glob(filepath.Join(w.storage, "*", what, "*"))
		if err != nil {
			return nil, err
		}
		found["stored "+what] = len(stored)
	}
	return found, nil
}

// as waits until there is as much as there was, whatever there is of some kinds.
func (w *world) as(before map[string]int, but ...string) {
	w.Helper()
	w.until("everything is gone", func(ctx context.Context) error {
		now, err := w.count(ctx)
		if err != nil {
			return err
		}
		for _, kind := range but {
			now[kind] = before[kind]
		}
		if diff := cmp.Diff(before, now); diff != "" {
			return fmt.Errorf("before and after: %s", diff)
		}
		return nil
	})
}

// claims makes claims in a namespace of their own, and waits until they are bound.
func (w *world) claims(namespace string, names ...string) {
	w.Helper()
	w.make(w.of("", "v1", "namespaces", ""), `{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"`+namespace+`"}}`)
	for _, name := range names {
		w.make(w.of("", "v1", "persistentvolumeclaims", namespace), `{"apiVersion":"v1","kind":"PersistentVolumeClaim","metadata":{"name":"`+name+`"},
			"spec":{"accessModes":["ReadWriteOnce"],"storageClassName":"shared","resources":{"requests":{"storage":"1M"}}}}`) // The driver rounds up.
	}
	for _, name := range names {
		w.field(w.of("", "v1", "persistentvolumeclaims", namespace), name, "Bound", "status", "phase")
	}
}

// TestNothingIsLeft counts before a backup, and after it and its restores are deleted.
func TestNothingIsLeft(t *testing.T) {
	w := newWorld(t)
	w.make(w.kahu("backuplocations"), `{"apiVersion":"kahu.io/v1beta1","kind":"BackupLocation","metadata":{"name":"main"},
		"spec":{"providerName":"filesystem"}}`)
	w.field(w.kahu("providers"), "csi", "Available", "status", "state")
	w.claims("shop", "cash", "books")
	before, err := w.count(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	w.make(w.kahu("backups"), `{"apiVersion":"kahu.io/v1beta1","kind":"Backup","metadata":{"name":"whole"},
		"spec":{"metadataLocation":"main","deletionPolicy":"Delete","includeNamespaces":["shop"]}}`)
	w.field(w.kahu("backups"), "whole", "Completed", "status", "state")
	backedUp, err := w.count(t.Context())
	if kept := backedUp; err != nil || kept["stored snapshots"] != before["stored snapshots"]+2 || kept["volumesnapshots"] != before["volumesnapshots"] {
		t.Errorf("while the backup is there: %v, before: %v, %v", kept, before, err)
	}
	if backedUp["stored groups"] != before["stored groups"]+1 || backedUp["volumegroupsnapshotcontents"] != before["volumegroupsnapshotcontents"] {
		t.Errorf("both were not cut together: %v, before: %v", backedUp, before)
	}
	w.make(w.kahu("restores"), `{"apiVersion":"kahu.io/v1beta1","kind":"Restore","metadata":{"name":"beside"},
		"spec":{"backupName":"whole","metadataLocation":"main","namespaceMapping":{"shop":"other"}}}`)
	w.field(w.kahu("restores"), "beside", "Completed", "status", "state")
	w.remove(w.kahu("restores"), "beside")
	w.remove(w.of("", "v1", "namespaces", ""), "other")
	w.endEarly(backedUp)
	w.remove(w.kahu("backups"), "whole")
	w.as(before)

	w.readThrough(before)
}

// endEarly begins restores whose claims wait for pods that never come, and cancels one and deletes the other: what the provider
// kept ready for them goes, and the backup stays as it is.
func (w *world) endEarly(before map[string]int) {
	w.Helper()
	for name, end := range map[string]func(name string){
		"cancelled": func(name string) {
			if _, err := w.kahu("restores").Patch(w.Context(), name, types.MergePatchType, []byte(`{"spec":{"cancel":true}}`), metav1.PatchOptions{}); err != nil {
				w.Fatal(err)
			}
			w.field(w.kahu("restores"), name, "Failed", "status", "state")
		},
		"deleted": func(name string) { w.remove(w.kahu("restores"), name) },
	} {
		w.make(w.kahu("restores"), `{"apiVersion":"kahu.io/v1beta1","kind":"Restore","metadata":{"name":"`+name+`"},
			"spec":{"backupName":"whole","metadataLocation":"main","namespaceMapping":{"shop":"`+name+`"},"storageClassMapping":{"shared":"shared-wait"}}}`)
		w.until("the provider has made what it can", func(ctx context.Context) error {
			list, err := w.of("snapshot.storage.k8s.io", "v1", "volumesnapshots", name).List(ctx, metav1.ListOptions{})
			if err == nil && len(list.Items) != 2 {
				err = fmt.Errorf("there are %d VolumeSnapshots", len(list.Items))
			}
			return err
		})
		end(name)
		w.until("what was kept ready is gone", func(ctx context.Context) error {
			list, err := w.of("snapshot.storage.k8s.io", "v1", "volumesnapshots", name).List(ctx, metav1.ListOptions{})
			if err == nil && len(list.Items) > 0 {
				err = fmt.Errorf("there are %d VolumeSnapshots", len(list.Items))
			}
			return err
		})
		w.remove(w.of("", "v1", "namespaces", ""), name)
	}
	w.remove(w.kahu("restores"), "cancelled")
	w.as(before)
}
