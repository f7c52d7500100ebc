package world

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"k8s.io/utils/clock"
	testclock "k8s.io/utils/clock/testing"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/archive"
	"github.com/soda-cdm/kahu/internal/core/selection"
	"github.com/soda-cdm/kahu/internal/core/volumeplan"
	"github.com/soda-cdm/kahu/internal/engine/backup"
	"github.com/soda-cdm/kahu/internal/engine/restore"
	"github.com/soda-cdm/kahu/internal/store"
	"github.com/soda-cdm/kahu/internal/testkit/fakecluster"
)

// RestoreID is the restore that Restore makes.
var RestoreID = archive.RestoreID{ClusterID: "99", Name: "back", UID: "uid-of-back"}

// ClusterID is the cluster that makes the backups.
const ClusterID = "11111111-2222-3333-4444-555555555555"

// Patience is short, so that a test in which something never comes ends.
const Patience = 2 * time.Second

// ErrRefused is what faults answer.
var ErrRefused = errors.New("refused")

// The kinds of the fake cluster.
var (
	Namespaces  = fakecluster.Kind("", "Namespace", "namespaces", false)
	ConfigMaps  = fakecluster.Kind("", "ConfigMap", "configmaps", true)
	Secrets     = fakecluster.Kind("", "Secret", "secrets", true)
	Claims      = fakecluster.Kind("", "PersistentVolumeClaim", "persistentvolumeclaims", true)
	Accounts    = fakecluster.Kind("", "ServiceAccount", "serviceaccounts", true)
	Deployments = fakecluster.Kind("apps", "Deployment", "deployments", true)
	Widgets     = fakecluster.Kind("example.com", "Widget", "widgets", true)
)

// AllKinds returns the kinds of the fake cluster.
func AllKinds() []core.Kind {
	return []core.Kind{Namespaces, ConfigMaps, Secrets, Claims, Accounts, Deployments, Widgets}
}

// ID returns the identity of the backup of a name.
func ID(name string) archive.BackupID {
	return archive.BackupID{ClusterID: ClusterID, Name: name, UID: "uid-of-" + name}
}

// World is a cluster and a store.
type World struct {
	T       *testing.T
	Cluster *fakecluster.Cluster
	// Driver is what faults are put into, Files the store over it.
	Driver *Driver
	Files  *store.Store
	Clock  clock.PassiveClock
	// Workers is how many kinds are listed at once, and how many segments written: 1 where a test counts calls.
	Workers int

	// Object is what backups say of their Backup object; nil: one that says nothing.
	Object json.RawMessage
	// Compression, Confirm, GiveUp, Volumes, Hooks and Held go into the requests of backups.
	Compression archive.Compression
	Confirm     func(ctx context.Context) error
	GiveUp      func(ctx context.Context, cause error) error
	Volumes     backup.Volumes
	Hooks       backup.Hooks
	Held        *backup.Held
	// VolumeSettings go into those that Try makes.
	VolumeSettings volumeplan.Settings
	// Restores deals with the volumes of restores; nil: nothing does.
	Restores restore.Volumes
}

// New returns an empty cluster and an empty store.
func New(t *testing.T) *World {
	t.Helper()
	w := &World{
		T: t, Cluster: fakecluster.New(AllKinds()...), Driver: newDriver(), Workers: 2,
		Clock: testclock.NewFakePassiveClock(time.Date(2026, time.March, 1, 2, 3, 4, 0, time.UTC)),
	}
	w.Files = store.New(w.Driver, store.Options{Attempts: 1})
	return w
}

// Shop puts a namespace with a few objects into the cluster.
func (w *World) Shop() {
	w.T.Helper()
	w.Cluster.Put(w.T, Namespaces, "", "shop", `{}`)
	for i := range 5 {
		w.Cluster.Put(w.T, ConfigMaps, "shop", fmt.Sprintf("settings-%d", i), `{"data":{"key":"value"}}`)
	}
	w.Cluster.Put(w.T, Secrets, "shop", "password", `{"data":{"key":"dmFsdWU="}}`)
}

// Backup makes a backup.
func (w *World) Backup(name string, filters selection.Filters) (backup.Result, error) {
	w.T.Helper()
	return w.Attempt(name, "attempt"+name, filters)
}

// Attempt makes a backup in an attempt of that name.
func (w *World) Attempt(name, attempt string, filters selection.Filters) (backup.Result, error) {
	w.T.Helper()
	confirm := w.Confirm
	if confirm == nil {
		confirm = func(context.Context) error { return nil }
	}
	object := w.Object
	if object == nil {
		object = json.RawMessage(`{}`)
	}
	use := &backup.Runner{
		Cluster: w.Cluster, Clock: w.Clock, Listers: w.Workers, Packers: w.Workers, Writer: "test", CheckpointEvery: time.Hour,
	}
	return use.Run(w.T.Context(), backup.Request{
		ID: ID(name), Attempt: attempt, LocationID: "location", ServerVersion: "v1", Object: object,
		Filters: filters, VolumeData: true, Confirm: confirm, GiveUp: w.GiveUp, Compression: w.Compression, Volumes: w.Volumes, Hooks: w.Hooks, Held: w.Held,
	}, w.Files)
}

// Restore restores everything of a backup into another cluster.
func (w *World) Restore(name string, to *fakecluster.Cluster) (restore.Result, error) {
	w.T.Helper()
	use := &restore.Runner{Cluster: to, Clock: w.Clock, Creators: 4, Patience: Patience}
	return use.Run(w.T.Context(), restore.Request{
		Backup: ID(name), ID: RestoreID, Attempt: "attempt1", Confirm: func(context.Context) error { return nil },
		Volumes: w.Restores,
	}, w.Files)
}

// Plain returns the store without faults.
func (w *World) Plain() *store.Store {
	return store.New(&Driver{Store: w.Driver.Store, Unlisted: w.Driver.Unlisted}, store.Options{})
}

// Put writes a file past all faults.
func (w *World) Put(name, content string) {
	w.T.Helper()
	if err := w.Plain().Replace(w.T.Context(), name, []byte(content)); err != nil {
		w.T.Fatal(err)
	}
}

// Names returns the names of all files but those of restores, past all faults.
func (w *World) Names() []string {
	w.T.Helper()
	return slices.DeleteFunc(w.AllNames(), func(name string) bool { return strings.Contains(name, "/restores/") })
}

// AllNames returns the names of all files, past all faults.
func (w *World) AllNames() []string {
	w.T.Helper()
	names := []string{}
	err := store.New(w.Driver.Store, store.Options{}).List(w.T.Context(), "", func(file core.FileInfo) error {
		names = append(names, unflattened(file.Name))
		return nil
	})
	if err != nil {
		w.T.Fatal(err)
	}
	slices.Sort(names)
	return names
}

// Content returns a file.
func (w *World) Content(name string) []byte {
	w.T.Helper()
	file, err := w.Plain().Open(w.T.Context(), name)
	if err != nil {
		w.T.Fatal(err)
	}
	defer file.Close()
	content, err := io.ReadAll(file)
	if err != nil {
		w.T.Fatal(err)
	}
	return content
}

// Has tells whether the store has a file.
func (w *World) Has(name string) bool {
	w.T.Helper()
	return slices.Contains(w.AllNames(), name)
}
