// Package engine_test runs the use cases against a real API server and a store in memory.
package engine_test

import (
	"context"
	"encoding/json"
	"os"
	"testing"

	"k8s.io/utils/clock"

	"github.com/soda-cdm/kahu/internal/cluster"
	"github.com/soda-cdm/kahu/internal/core/archive"
	"github.com/soda-cdm/kahu/internal/core/selection"
	"github.com/soda-cdm/kahu/internal/core/transform"
	"github.com/soda-cdm/kahu/internal/engine/backup"
	"github.com/soda-cdm/kahu/internal/engine/restore"
	"github.com/soda-cdm/kahu/internal/store"
	testcluster "github.com/soda-cdm/kahu/internal/testkit/cluster"
	"github.com/soda-cdm/kahu/provider/memory"
)

func TestMain(m *testing.M) { os.Exit(testcluster.Main(m)) } //nolint:forbidigo // This is the main of the tests.

// clusterID is any identity: here no cluster is told from another one.
const clusterID = "11111111-2222-3333-4444-555555555555"

// world is a cluster and a store.
type world struct {
	t       *testing.T
	adapter *cluster.Client
	files   *store.Store
}

func newWorld(t *testing.T) *world {
	t.Helper()
	adapter, err := cluster.New(testcluster.Config(t), cluster.Options{Version: "test"})
	if err != nil {
		t.Fatal(err)
	}
	return &world{t: t, adapter: adapter, files: store.New(memory.New(memory.Options{}), store.Options{})}
}

func (w *world) backup(name string, change func(request *backup.Request)) (backup.Result, error) {
	w.t.Helper()
	request := backup.Request{
		ID: id(name), Attempt: "attempt" + name, LocationID: "location", ServerVersion: "v1", Object: json.RawMessage(`{}`),
		Confirm: func(context.Context) error { return nil },
	}
	if change != nil {
		change(&request)
	}
	use := &backup.Runner{Cluster: w.adapter, Clock: clock.RealClock{}, Listers: 4, Packers: 2, Writer: "test"}
	return use.Run(w.t.Context(), request, w.files)
}

func (w *world) restore(name string, filters selection.Filters, options transform.Options) (restore.Result, error) {
	w.t.Helper()
	use := &restore.Runner{Cluster: w.adapter, Clock: clock.RealClock{}, Creators: 8}
	return use.Run(w.t.Context(), restore.Request{Backup: id(name), Filters: filters, Transform: options}, w.files)
}

func id(name string) archive.BackupID {
	return archive.BackupID{ClusterID: clusterID, Name: name, UID: "uid-of-" + name}
}
