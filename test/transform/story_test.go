package transform_test

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"

	"github.com/soda-cdm/kahu/internal/cluster"
	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/archive"
	"github.com/soda-cdm/kahu/internal/core/selection"
	"github.com/soda-cdm/kahu/internal/engine/backup"
	"github.com/soda-cdm/kahu/internal/engine/restore"
	"github.com/soda-cdm/kahu/internal/store"
	testcluster "github.com/soda-cdm/kahu/internal/testkit/cluster"
	"github.com/soda-cdm/kahu/provider/memory"
)

// story is a namespace of a real cluster, and a store: what is in the namespace is backed up, lost and restored.
type story struct {
	*world

	adapter *cluster.Client
	files   *store.Store
	// waits gets a value when a restore waits until something is gone.
	waits chan struct{}
	// restores counts the restores, each of which is one of its own.
	restores int
}

func newStory(t *testing.T) *story {
	t.Helper()
	adapter, err := cluster.New(testcluster.Config(t), cluster.Options{Version: "test"})
	if err != nil {
		t.Fatal(err)
	}
	return &story{
		world: newWorld(t), adapter: adapter, files: store.New(memory.New(memory.Options{}), store.Options{}),
		waits: make(chan struct{}, 1),
	}
}

// watched is the cluster, and tells when somebody waits until something is gone.
type watched struct {
	*cluster.Client

	waits chan<- struct{}
}

// WaitGone tells, and waits.
func (w watched) WaitGone(ctx context.Context, kind core.Kind, namespace, name string, uid types.UID) error {
	select {
	case w.waits <- struct{}{}:
	default:
	}
	return w.Client.WaitGone(ctx, kind, namespace, name, uid)
}

var backupID = archive.BackupID{ClusterID: "11111111-2222-3333-4444-555555555555", Name: "story", UID: "uid-of-story"}

func agree(context.Context) error { return nil }

// backup backs up the namespace, or those that are given.
func (s *story) backup(namespaces ...string) {
	s.t.Helper()
	if len(namespaces) == 0 {
		namespaces = []string{s.namespace}
	}
	use := &backup.Runner{Cluster: s.adapter, Clock: clock.RealClock{}, Listers: 4, Packers: 2, Writer: "test"}
	result, err := use.Run(s.t.Context(), backup.Request{
		ID: backupID, Attempt: "attempt", LocationID: "location", ServerVersion: "v1", Object: json.RawMessage(`{}`),
		Confirm: agree, Filters: selection.Filters{IncludeNamespaces: namespaces},
	}, s.files)
	if err != nil || !result.Manifest.Complete {
		s.t.Fatalf("backing up: %v, missing %v", err, result.Missing)
	}
}

// restore restores what the request asks for; nil asks for everything.
func (s *story) restore(change func(request *restore.Request)) (restore.Result, error) {
	s.t.Helper()
	s.restores++
	uid := s.namespace + "-" + string(rune('a'+s.restores))
	request := restore.Request{
		ID: archive.RestoreID{ClusterID: backupID.ClusterID, Name: uid, UID: uid}, Attempt: "attempt", Confirm: agree, Backup: backupID,
	}
	if change != nil {
		change(&request)
	}
	use := &restore.Runner{Cluster: watched{s.adapter, s.waits}, Clock: clock.RealClock{}, Creators: 8, Patience: 20 * time.Second}
	return use.Run(s.t.Context(), request, s.files)
}

// restored restores, and fails the test where an object is refused.
func (s *story) restored(change func(request *restore.Request)) restore.Result {
	s.t.Helper()
	result, err := s.restore(change)
	if err != nil || result.FailedTotal > 0 {
		s.t.Fatalf("restoring: %v, failed %+v", err, result.Failed)
	}
	return result
}

// lose deletes the namespace with all that it has, and returns when it is gone.
func (s *story) lose() {
	s.t.Helper()
	s.delete(s.namespace)
	s.gone(kindOf("namespaces", false), s.namespace)
}

// delete asks for the deletion of a namespace.
func (s *story) delete(namespace string) {
	s.t.Helper()
	if err := s.of(kindOf("namespaces", false)).Delete(s.t.Context(), namespace, metav1.DeleteOptions{}); err != nil {
		s.t.Fatal(err)
	}
}
