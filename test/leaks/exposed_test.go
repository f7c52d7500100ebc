package leaks_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"github.com/soda-cdm/kahu/internal/testkit/cluster"
	"github.com/soda-cdm/kahu/provider"
	"github.com/soda-cdm/kahu/provider/memory"
)

// reader is a driver that wants a claim to mount. It has no pod: it reads in the storage system what a pod would find.
type reader struct {
	*memory.Volumes

	world *world
	// later is called before the claim is read: what changes then must not be seen.
	later func()

	mutex sync.Mutex
	live  bool
	found string
}

// Info implements provider.Identity.
func (*reader) Info(context.Context) (provider.Info, error) {
	return provider.Info{Name: "reader", Version: "1"}, nil
}

// Capabilities implements provider.Identity.
func (r *reader) Capabilities(context.Context) ([]provider.Capability, error) {
	return append(provider.CapabilitiesOf(r.Volumes), provider.CapabilityNeedsVolume, provider.CapabilityVolumeState), nil
}

// StartBackup implements provider.VolumeBackups.
func (r *reader) StartBackup(ctx context.Context, request provider.StartBackupRequest) (provider.BackupIdentity, error) {
	folder, err := r.world.folder(ctx, request.Source.Namespace, request.Source.Name)
	if err != nil {
		return provider.BackupIdentity{}, errors.Join(err, provider.ErrUnavailable)
	}
	r.later()
	content, err := os.ReadFile(filepath.Join(folder, "file"))
	if err != nil {
		return provider.BackupIdentity{}, err
	}
	r.mutex.Lock()
	r.live, r.found = request.Source.Live, string(content)
	r.mutex.Unlock()
	return r.Volumes.StartBackup(ctx, request)
}

// folder returns where the data of a claim's volume is.
func (w *world) folder(ctx context.Context, namespace, name string) (string, error) {
	claim, err := w.of("", "v1", "persistentvolumeclaims", namespace).Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return "", err
	}
	volume, _, _ := unstructured.NestedString(claim.Object, "spec", "volumeName")
	if volume == "" {
		return "", fmt.Errorf("claim %s/%s has no volume", namespace, name)
	}
	bound, err := w.of("", "v1", "persistentvolumes", "").Get(ctx, volume, metav1.GetOptions{})
	if err != nil {
		return "", err
	}
	handle, _, _ := unstructured.NestedString(bound.Object, "spec", "csi", "volumeHandle")
	return filepath.Join(w.storage, "shared", "volumes", handle, "data"), nil
}

// accompany serves a driver with a sidecar until the test ends.
func (w *world) accompany(driver provider.Identity) {
	w.Helper()
	folder, err := os.MkdirTemp("", "kahu-") // That of the test is too long a path for a socket.
	if err != nil {
		w.Fatal(err)
	}
	w.Cleanup(func() { _ = os.RemoveAll(folder) })
	endpoint := "unix://" + filepath.Join(folder, "s")
	ctx, stop := context.WithCancel(w.Context())
	ended := make(chan error, 1)
	go func() { ended <- provider.NewServer(provider.Options{Driver: driver}).Serve(ctx, endpoint) }()
	w.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			w.Error(err)
		}
	})
	program, err := filepath.Abs("../../bin/kahu")
	if err != nil {
		w.Fatal(err)
	}
	command := exec.CommandContext(w.Context(), program, "volume-service", "--kubeconfig", cluster.Kubeconfig(w.T), "--driver", endpoint)
	command.WaitDelay = limit
	command.Cancel = func() error { return command.Process.Signal(syscall.SIGTERM) }
	if err := command.Start(); err != nil {
		w.Fatal(err)
	}
	w.Cleanup(func() {
		_ = command.Process.Signal(syscall.SIGTERM)
		_ = command.Wait()
	})
}

// cancelAtWork cancels a Backup while its provider is at work.
func (w *world) cancelAtWork(name string) {
	w.Helper()
	w.until("the provider is at work", func(ctx context.Context) error {
		list, err := w.kahu("volumebackupcontents").List(ctx, metav1.ListOptions{})
		if err != nil {
			return err
		}
		for i := range list.Items {
			if order := &list.Items[i]; w.text(order, "spec", "backupName") == name && w.text(order, "status", "phase") == "InProgress" {
				return nil
			}
		}
		return fmt.Errorf("there are %d orders", len(list.Items))
	})
	wish := []byte(`{"spec":{"cancel":true}}`)
	if _, err := w.kahu("backups").Patch(w.Context(), name, types.MergePatchType, wish, metav1.PatchOptions{}); err != nil {
		w.Fatal(err)
	}
	w.field(w.kahu("backups"), name, "Failed", "status", "state")
}

// readThrough backs a volume up with a driver that mounts what it reads: that is a volume of a snapshot, in Kahu's namespace,
// of which nothing is left, also where it is cancelled meanwhile.
func (w *world) readThrough(before map[string]int) {
	w.Helper()
	live, err := w.folder(w.Context(), "shop", "cash")
	if err != nil {
		w.Fatal(err)
	}
	write := func(text string) {
		if err := os.WriteFile(filepath.Join(live, "file"), []byte(text), 0o600); err != nil {
			w.Error(err)
		}
	}
	write("of the snapshot")
	var stalled atomic.Bool
	volumes, err := memory.NewVolumes(memory.VolumeOptions{
		Bytes: 15, Now: func() time.Time { return time.Unix(1, 0) }, Stall: func(string) bool { return stalled.Load() },
	})
	if err != nil {
		w.Fatal(err)
	}
	driver := &reader{Volumes: volumes, world: w, later: func() { write("later") }}
	w.accompany(driver)
	w.make(w.kahu("backuplocations"), `{"apiVersion":"kahu.io/v1beta1","kind":"BackupLocation","metadata":{"name":"far"},
		"spec":{"providerName":"reader"}}`)
	w.field(w.kahu("providers"), "reader", "Available", "status", "state")
	backup := func(name string) {
		w.make(w.kahu("backups"), `{"apiVersion":"kahu.io/v1beta1","kind":"Backup","metadata":{"name":"`+name+`"},
			"spec":{"metadataLocation":"main","deletionPolicy":"Delete","includeNamespaces":["shop"],
			"volumeRules":[{"claims":["cash"],"action":"Backup","providerName":"reader"},{"action":"Skip"}]}}`)
	}
	stalled.Store(true)
	backup("cancelled")
	w.cancelAtWork("cancelled")
	w.remove(w.kahu("backups"), "cancelled")
	w.as(before)
	stalled.Store(false)
	write("of the snapshot")
	backup("moved")
	w.field(w.kahu("backups"), "moved", "Completed", "status", "state")
	driver.mutex.Lock()
	if driver.live || driver.found != "of the snapshot" {
		w.Errorf("the driver was given a volume with %q, which is live: %t", driver.found, driver.live)
	}
	driver.mutex.Unlock()
	w.as(before, "volumebackupcontents")
	w.remove(w.kahu("backups"), "moved")
	w.as(before)
}
