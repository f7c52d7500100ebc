package engine_test

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
	"github.com/soda-cdm/kahu/internal/engine"
	"github.com/soda-cdm/kahu/internal/store"
	"github.com/soda-cdm/kahu/internal/testkit/fakecluster"
)

var restoreID = archive.RestoreID{ClusterID: "99", Name: "back", UID: "uid-of-back"}

const clusterID = "11111111-2222-3333-4444-555555555555"

// patience is short, so that a test in which something never comes ends.
const patience = 2 * time.Second

var errRefused = errors.New("refused")

// The kinds of the fake cluster.
var (
	namespaces  = fakecluster.Kind("", "Namespace", "namespaces", false)
	configMaps  = fakecluster.Kind("", "ConfigMap", "configmaps", true)
	secrets     = fakecluster.Kind("", "Secret", "secrets", true)
	claims      = fakecluster.Kind("", "PersistentVolumeClaim", "persistentvolumeclaims", true)
	accounts    = fakecluster.Kind("", "ServiceAccount", "serviceaccounts", true)
	deployments = fakecluster.Kind("apps", "Deployment", "deployments", true)
	widgets     = fakecluster.Kind("example.com", "Widget", "widgets", true)
)

func allKinds() []core.Kind {
	return []core.Kind{namespaces, configMaps, secrets, claims, accounts, deployments, widgets}
}

func id(name string) archive.BackupID {
	return archive.BackupID{ClusterID: clusterID, Name: name, UID: "uid-of-" + name}
}

// world is a cluster and a store.
type world struct {
	t       *testing.T
	cluster *fakecluster.Cluster
	driver  *driver
	files   *store.Store
	clock   clock.PassiveClock
	// listers and packers are 1 where a test counts calls.
	workers int

	compression archive.Compression

	confirm func(ctx context.Context) error
	giveUp  func(ctx context.Context, cause error) error
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{
		t: t, cluster: fakecluster.New(allKinds()...), driver: newDriver(), workers: 2,
		clock: testclock.NewFakePassiveClock(time.Date(2026, time.March, 1, 2, 3, 4, 0, time.UTC)),
	}
	w.files = store.New(w.driver, store.Options{Attempts: 1})
	return w
}

// shop puts a namespace with a few objects into the cluster.
func (w *world) shop() {
	w.t.Helper()
	w.cluster.Put(w.t, namespaces, "", "shop", `{}`)
	for i := range 5 {
		w.cluster.Put(w.t, configMaps, "shop", fmt.Sprintf("settings-%d", i), `{"data":{"key":"value"}}`)
	}
	w.cluster.Put(w.t, secrets, "shop", "password", `{"data":{"key":"dmFsdWU="}}`)
}

func (w *world) backup(name string, filters selection.Filters) (engine.BackupResult, error) {
	w.t.Helper()
	return w.attempt(name, "attempt"+name, filters)
}

func (w *world) attempt(name, attempt string, filters selection.Filters) (engine.BackupResult, error) {
	w.t.Helper()
	confirm := w.confirm
	if confirm == nil {
		confirm = func(context.Context) error { return nil }
	}
	use := &engine.Backup{
		Cluster: w.cluster, Clock: w.clock, Listers: w.workers, Packers: w.workers, Writer: "test", CheckpointEvery: time.Hour,
	}
	return use.Run(w.t.Context(), engine.BackupRequest{
		ID: id(name), Attempt: attempt, LocationID: "location", ServerVersion: "v1", Object: json.RawMessage(`{}`),
		Filters: filters, VolumeData: true, Confirm: confirm, GiveUp: w.giveUp, Compression: w.compression,
	}, w.files)
}

// restore restores everything of a backup into another cluster.
func (w *world) restore(name string, to *fakecluster.Cluster) (engine.RestoreResult, error) {
	w.t.Helper()
	use := &engine.Restore{Cluster: to, Clock: w.clock, Creators: 4, Patience: patience}
	return use.Run(w.t.Context(), engine.RestoreRequest{
		Backup: id(name), ID: restoreID, Attempt: "attempt1", Confirm: func(context.Context) error { return nil },
	}, w.files)
}

// plain returns the store without faults.
func (w *world) plain() *store.Store {
	return store.New(&driver{Store: w.driver.Store, unlisted: w.driver.unlisted}, store.Options{})
}

// put writes a file past all faults.
func (w *world) put(name, content string) {
	w.t.Helper()
	if err := w.plain().Replace(w.t.Context(), name, []byte(content)); err != nil {
		w.t.Fatal(err)
	}
}

// names returns the names of all files but those of restores, past all faults.
func (w *world) names() []string {
	w.t.Helper()
	return slices.DeleteFunc(w.allNames(), func(name string) bool { return strings.Contains(name, "/restores/") })
}

// allNames returns the names of all files, past all faults.
func (w *world) allNames() []string {
	w.t.Helper()
	names := []string{}
	err := store.New(w.driver.Store, store.Options{}).List(w.t.Context(), "", func(file core.FileInfo) error {
		names = append(names, unflattened(file.Name))
		return nil
	})
	if err != nil {
		w.t.Fatal(err)
	}
	slices.Sort(names)
	return names
}

// content returns a file.
func (w *world) content(name string) []byte {
	w.t.Helper()
	file, err := w.plain().Open(w.t.Context(), name)
	if err != nil {
		w.t.Fatal(err)
	}
	defer file.Close()
	content, err := io.ReadAll(file)
	if err != nil {
		w.t.Fatal(err)
	}
	return content
}

func (w *world) has(name string) bool {
	w.t.Helper()
	return slices.Contains(w.allNames(), name)
}
