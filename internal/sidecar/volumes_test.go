package sidecar_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr/funcr"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
	"k8s.io/utils/clock"

	"github.com/soda-cdm/kahu/internal/sidecar"
	"github.com/soda-cdm/kahu/internal/sidecar/orders"
	"github.com/soda-cdm/kahu/internal/testkit/cluster"
	"github.com/soda-cdm/kahu/provider"
	"github.com/soda-cdm/kahu/provider/memory"
)

// finalizer is that of orders.
const finalizer = "kahu.io/volume-data"

// volumeWorld is a world with orders for volumes.
type volumeWorld struct {
	*world
}

func newVolumeWorld(t *testing.T) *volumeWorld {
	t.Helper()
	return &volumeWorld{newWorld(t)}
}

// volumes returns a driver of volumes.
func (w *volumeWorld) volumes(options memory.VolumeOptions) *memory.Volumes {
	w.t.Helper()
	options.Name, options.Bytes, options.Now = w.name, 1000, clock.RealClock{}.Now
	made, err := memory.NewVolumes(options)
	must(w.t, err)
	return made
}

// runVolumes runs a sidecar until the function that it returns is called, or the test ends.
func (w *volumeWorld) runVolumes(limits orders.Limits, holder string) (stop func()) {
	w.t.Helper()
	return w.runVolumesWith(w.volumeOptions(holder), limits)
}

// volumeOptions are those of a sidecar that works.
func (w *volumeWorld) volumeOptions(holder string) sidecar.Options {
	w.t.Helper()
	return sidecar.Options{
		Driver: "unix://" + w.socket, Config: cluster.Config(w.t), Namespace: w.namespace, Holder: holder, LeaseDuration: lease,
		Logger: funcr.New(w.log.add, funcr.Options{Verbosity: 5}),
	}
}

// runVolumesWith is runVolumes with other options.
func (w *volumeWorld) runVolumesWith(options sidecar.Options, limits orders.Limits) (stop func()) {
	w.t.Helper()
	ctx, cancel := context.WithCancel(w.t.Context())
	var running sync.WaitGroup
	running.Go(func() {
		err := sidecar.RunVolumes(ctx, options, limits)
		if err != nil {
			w.t.Errorf("running the sidecar: %v", err)
		}
	})
	stop = sync.OnceFunc(func() { cancel(); running.Wait() })
	w.t.Cleanup(stop)
	return stop
}

func (w *volumeWorld) contents(kind string) dynamic.ResourceInterface {
	return w.client.Resource(schema.GroupVersionResource{Group: "kahu.io", Version: "v1beta1", Resource: kind})
}

func (w *volumeWorld) backups() dynamic.ResourceInterface { return w.contents("volumebackupcontents") }

func (w *volumeWorld) restores() dynamic.ResourceInterface {
	return w.contents("volumerestorecontents")
}

// volume creates a PersistentVolume of this suffix, and returns its name.
func (w *volumeWorld) volume(suffix string) string {
	w.t.Helper()
	volumes := w.client.Resource(schema.GroupVersionResource{Version: "v1", Resource: "persistentvolumes"})
	name := w.namespace + "-" + suffix
	_, err := volumes.Create(w.t.Context(), &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1", "kind": "PersistentVolume", "metadata": map[string]any{"name": name},
		"spec": map[string]any{
			"capacity": map[string]any{"storage": "1Mi"}, "accessModes": []any{"ReadWriteOnce"},
			"csi": map[string]any{"driver": "test", "volumeHandle": suffix},
		},
	}}, metav1.CreateOptions{})
	must(w.t, err)
	w.t.Cleanup(func() {
		must(w.t, volumes.Delete(context.WithoutCancel(w.t.Context()), name, metav1.DeleteOptions{}))
	})
	return name
}

// order creates an order for the backup of a volume of this suffix, changed by the spec, and returns its name.
func (w *volumeWorld) order(suffix string, changes map[string]any) string {
	w.t.Helper()
	spec := map[string]any{
		"backupName": "b", "backupUID": "u", "providerName": w.name, "way": "Offload",
		"claim": map[string]any{"namespace": w.namespace, "name": suffix}, "persistentVolume": w.volume(suffix),
	}
	maps.Copy(spec, changes)
	return w.create(w.backups(), "VolumeBackupContent", suffix, spec)
}

// create creates an order.
func (w *volumeWorld) create(at dynamic.ResourceInterface, kind, suffix string, spec map[string]any) string {
	w.t.Helper()
	name := w.namespace + "-" + suffix
	_, err := at.Create(w.t.Context(), &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "kahu.io/v1beta1", "kind": kind,
		"metadata": map[string]any{"name": name, "finalizers": []any{finalizer}}, "spec": spec,
	}}, metav1.CreateOptions{})
	must(w.t, err)
	w.t.Cleanup(func() {
		ctx := context.WithoutCancel(w.t.Context())
		_ = at.Delete(ctx, name, metav1.DeleteOptions{}) // It may be gone.
		_, _ = at.Patch(ctx, name, types.MergePatchType, []byte(`{"metadata":{"finalizers":null}}`), metav1.PatchOptions{})
	})
	return name
}

// patch changes an order.
func (w *volumeWorld) patch(at dynamic.ResourceInterface, name, patch string) {
	w.t.Helper()
	_, err := at.Patch(w.t.Context(), name, types.MergePatchType, []byte(patch), metav1.PatchOptions{})
	must(w.t, err)
}

// inPhase waits until an order is in a phase.
func (w *volumeWorld) inPhase(at dynamic.ResourceInterface, name, phase string) *unstructured.Unstructured {
	w.t.Helper()
	return w.await(at, name, func(object *unstructured.Unstructured) bool {
		now := text(object, "status", "phase")
		if now != phase && (now == "Completed" || now == "Failed") {
			w.t.Fatalf("%s is %s, want %s: %v", name, now, phase, object.Object["status"])
		}
		return now == phase
	})
}

// gone waits until an order is gone.
func (w *volumeWorld) gone(at dynamic.ResourceInterface, name string) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), patience)
	defer cancel()
	watcher, err := at.Watch(ctx, metav1.ListOptions{FieldSelector: "metadata.name=" + name, ResourceVersion: "0"})
	must(w.t, err)
	defer watcher.Stop()
	if _, err := at.Get(ctx, name, metav1.GetOptions{}); err != nil {
		return
	}
	for event := range watcher.ResultChan() {
		if event.Type == "DELETED" {
			return
		}
	}
	w.t.Fatalf("%s is not gone in time; the log:\n%s", name, w.log)
}

// delete deletes an order and waits until it is gone.
func (w *volumeWorld) delete(at dynamic.ResourceInterface, name string) {
	w.t.Helper()
	must(w.t, at.Delete(w.t.Context(), name, metav1.DeleteOptions{}))
	w.gone(at, name)
}

// number returns a number in an object, -1 for none.
func number(object *unstructured.Unstructured, path ...string) int64 {
	found, there, _ := unstructured.NestedInt64(object.Object, path...)
	if !there {
		return -1
	}
	return found
}

func TestVolumeOrders(t *testing.T) {
	w := newVolumeWorld(t)
	driver := w.volumes(memory.VolumeOptions{Duration: 4 * time.Second})
	w.serve(driver)
	w.runVolumes(orders.Limits{}, "one")
	name := w.order("data", nil)

	w.await(w.backups(), name, func(object *unstructured.Unstructured) bool {
		done := number(object, "status", "progress", "bytesDone")
		return text(object, "status", "phase") == "InProgress" && done > 0 && done < 1000 &&
			number(object, "status", "progress", "bytesTotal") == 1000
	})
	ended := w.inPhase(w.backups(), name, "Completed")
	handle := text(ended, "status", "backup", "handle")
	if handle == "" || number(ended, "status", "progress", "bytesDone") != 1000 || text(ended, "status", "completionTimestamp") == "" {
		t.Errorf("the status is %v", ended.Object["status"])
	}
	registered, err := w.providers().Get(t.Context(), w.name, metav1.GetOptions{})
	must(t, err)
	if text(registered, "spec", "type") != "VolumeProvider" || text(registered, "status", "leaseName") == "" {
		t.Errorf("the provider is %v", registered.Object)
	}

	back := w.create(w.restores(), "VolumeRestoreContent", "back", map[string]any{
		"restoreName": "r", "restoreUID": "u", "providerName": w.name, "backup": map[string]any{"handle": handle},
		"claim": map[string]any{"namespace": w.namespace, "name": "data"},
		"claimTemplate": map[string]any{
			"apiVersion": "v1", "kind": "PersistentVolumeClaim",
			"spec": map[string]any{"accessModes": []any{"ReadWriteOnce"}, "resources": map[string]any{"requests": map[string]any{"storage": "1Mi"}}},
		},
	})
	restored := w.inPhase(w.restores(), back, "Completed")
	if text(restored, "status", "volume", "handle") == "" {
		t.Errorf("the status is %v", restored.Object["status"])
	}
	w.delete(w.restores(), back)
	w.patch(w.backups(), name, `{"spec":{"deletionPolicy":"Delete"}}`)
	w.delete(w.backups(), name)
	if _, err := driver.BackupStat(t.Context(), provider.BackupIdentity{Handle: handle}, nil); !errors.Is(err, provider.ErrNotFound) {
		t.Errorf("the driver still has the backup: %v", err)
	}
}

// TestVolumeOrdersThatFail: an order that comes to nothing says why, and the others go on.
func TestVolumeOrdersThatFail(t *testing.T) {
	w := newVolumeWorld(t)
	is := func(suffix string, err error) func(string) error {
		return func(name string) error {
			if strings.HasSuffix(name, suffix) {
				return err
			}
			return nil
		}
	}
	driver := w.volumes(memory.VolumeOptions{
		Duration: time.Second,
		Refuse:   is("refused", fmt.Errorf("the pool is full: %w", provider.ErrResourceExhausted)),
		Break:    is("broken", fmt.Errorf("sector 7 cannot be read: %w", provider.ErrDataLoss)),
		Stall: func(name string) bool {
			return is("stalled", errors.New(""))(name) != nil || is("slow", errors.New(""))(name) != nil
		},
	})
	w.serve(driver)
	w.runVolumes(orders.Limits{Patience: 3 * time.Second}, "one")
	good := w.order("good", nil)
	for suffix, want := range map[string]struct{ reason, message string }{
		"refused": {"ResourceExhausted", "the pool is full"},
		"broken":  {"DataLoss", "sector 7 cannot be read"},
		"stalled": {"NoProgress", "no progress for 3s"},
		"slow":    {"Timeout", "1.5s"},
	} {
		changes := map[string]any{}
		if suffix == "slow" {
			changes["timeout"] = "1.5s"
		}
		failed := w.inPhase(w.backups(), w.order(suffix, changes), "Failed")
		if reason, message := text(failed, "status", "reason"), text(failed, "status", "failureReason"); reason != want.reason || !strings.Contains(message, want.message) {
			t.Errorf("%s: got %q, %q, want %q, %q", suffix, reason, message, want.reason, want.message)
		}
	}
	w.inPhase(w.backups(), good, "Completed")
}

func TestCancelledVolumeOrders(t *testing.T) {
	w := newVolumeWorld(t)
	driver := w.volumes(memory.VolumeOptions{Duration: time.Hour})
	w.serve(driver)
	w.runVolumes(orders.Limits{Parallel: 2}, "one")
	first, second := w.order("first", nil), w.order("second", map[string]any{"deletionPolicy": "Delete"})
	w.inPhase(w.backups(), first, "InProgress")
	begun := w.inPhase(w.backups(), second, "InProgress")
	third := w.order("third", nil)
	w.patch(w.backups(), third, `{"spec":{"cancel":true}}`)
	w.inPhase(w.backups(), third, "Failed")
	fourth := w.order("fourth", nil)

	w.patch(w.backups(), first, `{"spec":{"cancel":true}}`)
	failed := w.inPhase(w.backups(), first, "Failed")
	if text(failed, "status", "reason") != "Cancelled" {
		t.Errorf("the status is %v", failed.Object["status"])
	}
	cancelled := provider.BackupIdentity{Handle: text(failed, "status", "backup", "handle")}
	if stat, err := driver.BackupStat(t.Context(), cancelled, nil); err != nil || stat.State != provider.VolumeCancelled {
		t.Errorf("the driver says %+v, %v", stat, err)
	}
	w.inPhase(w.backups(), fourth, "InProgress") // It had to wait until there was a place.
	w.delete(w.backups(), second)
	removed := provider.BackupIdentity{Handle: text(begun, "status", "backup", "handle")}
	if _, err := driver.BackupStat(t.Context(), removed, nil); !errors.Is(err, provider.ErrNotFound) {
		t.Errorf("the driver still has what was deleted while it was made: %v", err)
	}
	w.delete(w.backups(), fourth) // Retained: the work is ended, and what there is stays.
	if driver.Handles() != 2 {
		t.Errorf("the driver has %d handles, want those of the first and the fourth", driver.Handles())
	}
}

// TestVolumeOrdersGoOn: an order goes on when the driver is away for a while and when another process takes the sidecar's
// place, and is begun once.
func TestVolumeOrdersGoOn(t *testing.T) {
	w := newVolumeWorld(t)
	file := filepath.Join(t.TempDir(), "works")
	begun := func() *memory.Volumes { return w.volumes(memory.VolumeOptions{Duration: 6 * time.Second, File: file}) }
	stop := w.serve(begun())
	stopFirst := w.runVolumes(orders.Limits{}, "first")
	name := w.order("data", nil)
	w.inPhase(w.backups(), name, "InProgress")

	stop()
	w.await(w.backups(), name, func(object *unstructured.Unstructured) bool {
		return text(object, "status", "reason") == "ProviderUnavailable" && text(object, "status", "phase") == "InProgress"
	})
	waiting := w.order("waiting", nil)
	w.await(w.backups(), waiting, func(object *unstructured.Unstructured) bool {
		return text(object, "status", "reason") == "ProviderUnavailable" && text(object, "status", "startTimestamp") == ""
	})
	driver := begun()
	w.serve(driver)
	w.await(w.backups(), name, func(object *unstructured.Unstructured) bool { return text(object, "status", "reason") == "" })
	must(t, w.log.await(t.Context(), healthy, 2))

	w.runVolumes(orders.Limits{}, "second")
	must(t, w.log.await(t.Context(), "another sidecar serves the provider", 1))
	stopFirst()
	ended := w.inPhase(w.backups(), name, "Completed")
	w.inPhase(w.backups(), waiting, "Completed")
	if driver.Handles() != 2 || text(ended, "status", "reason") != "" {
		t.Errorf("the driver has %d handles, and the status is %v", driver.Handles(), ended.Object["status"])
	}

	lost := w.order("lost", nil)
	w.inPhase(w.backups(), lost, "InProgress")
	must(t, driver.Lose())
	if failed := w.inPhase(w.backups(), lost, "Failed"); text(failed, "status", "reason") != "Lost" {
		t.Errorf("the status is %v", failed.Object["status"])
	}
}

// leaking is a driver that tells the attributes that it was given wherever it can.
type leaking struct {
	*memory.Volumes

	intoHandle bool
}

func (l leaking) StartBackup(_ context.Context, request provider.StartBackupRequest) (provider.BackupIdentity, error) {
	if l.intoHandle {
		return provider.BackupIdentity{Handle: "at " + request.Attributes["password"]}, nil
	}
	return provider.BackupIdentity{}, fmt.Errorf("no luck at %s with %s: %w",
		request.Attributes["path"], request.Attributes["password"], provider.ErrPermissionDenied)
}

// TestVolumeOrdersAtLocation: the driver is given what the location says, and no credential comes into a status.
func TestVolumeOrdersAtLocation(t *testing.T) {
	for name, intoHandle := range map[string]bool{"in an error": false, "in a handle": true} {
		t.Run(name, func(t *testing.T) {
			w := newVolumeWorld(t)
			w.serve(leaking{w.volumes(memory.VolumeOptions{}), intoHandle})
			w.secret(w.namespace, "s", map[string]any{"password": canary})
			location := w.locationNamed("at", map[string]any{
				"providerName": w.name, "config": map[string]any{"path": "team"}, "credentialsSecretRef": map[string]any{"name": "s"},
			})
			w.runVolumes(orders.Limits{}, "one")
			failed := w.inPhase(w.backups(), w.order("data", map[string]any{"location": location}), "Failed")
			if message := text(failed, "status", "failureReason"); !intoHandle && !strings.Contains(message, "no luck at team") {
				t.Errorf("the status is %v", failed.Object["status"])
			}
			if strings.Contains(fmt.Sprint(failed.Object), canary) || strings.Contains(w.log.String(), canary) {
				t.Errorf("a credential is in %v or in the log", failed.Object["status"])
			}
		})
	}
}
