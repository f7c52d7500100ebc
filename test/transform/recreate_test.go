package transform_test

import (
	"context"
	"errors"
	"maps"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"

	"github.com/soda-cdm/kahu/internal/cluster"
	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/archive"
	"github.com/soda-cdm/kahu/internal/core/restoreplan"
	"github.com/soda-cdm/kahu/internal/engine/restore"
	engineundo "github.com/soda-cdm/kahu/internal/engine/undo"
)

// patch changes an object as a person would.
func (s *story) patch(kind core.Kind, name, content string) {
	s.t.Helper()
	if _, err := s.of(kind).Patch(s.t.Context(), name, types.MergePatchType, []byte(content), metav1.PatchOptions{}); err != nil {
		s.t.Fatal(err)
	}
}

// mortal is the cluster for a restore that dies when an object has been deleted, or when one has been created.
type mortal struct {
	*cluster.Client

	afterGone, afterCreate bool
	die                    context.CancelFunc
}

var errDied = errors.New("died")

// AwaitGone waits, and may be the last that is done.
func (m mortal) AwaitGone(ctx context.Context, living core.Living) error {
	err := m.Client.AwaitGone(ctx, living)
	if !m.afterGone || err != nil {
		return err
	}
	m.die()
	return errDied
}

// Merge may not be done any more.
func (m mortal) Merge(ctx context.Context, patch core.MergePatch, manager string) error {
	if m.afterCreate {
		m.die()
		return errDied
	}
	return m.Client.Merge(ctx, patch, manager)
}

// recreate restores with the policy Recreate in two attempts, of which the first dies, and returns the UID of the restore.
func (s *story) recreate(first mortal) (uid string, counts restore.Counts) {
	s.t.Helper()
	ctx, die := context.WithCancel(s.t.Context())
	defer die()
	first.Client, first.die = s.adapter, die
	request := restore.Request{
		ID:      archive.RestoreID{ClusterID: backupID.ClusterID, Name: "recreate", UID: s.namespace + "-recreate"},
		Attempt: "first", Confirm: agree, Backup: backupID, Existing: restoreplan.Recreate,
	}
	use := &restore.Runner{Cluster: first, Clock: clock.RealClock{}, Creators: 1}
	if _, err := use.Run(ctx, request, s.files); err == nil {
		s.t.Fatal("the first attempt did not die")
	}
	request.Attempt, request.Resumed = "second", true
	use = &restore.Runner{Cluster: s.adapter, Clock: clock.RealClock{}, Creators: 1}
	result, err := use.Run(s.t.Context(), request, s.files)
	if err != nil || result.FailedTotal > 0 {
		s.t.Fatalf("restoring: %v, failed %+v", err, result.Failed)
	}
	return request.ID.UID, result.Counts
}

// stayed makes sure that an undo of a restore deletes nothing.
func (s *story) stayed(uid string) {
	s.t.Helper()
	undo := &engineundo.Runner{Cluster: s.adapter, Clock: clock.RealClock{}, Deleters: 2}
	undone, err := undo.Run(s.t.Context(), engineundo.Request{RestoreUID: uid})
	if err != nil || undone.Deleted > 0 {
		s.t.Errorf("the undo deleted %+v, %v", undone.DeletedRows, err)
	}
}

// What the restore deleted to create it again was there before the restore, and an undo leaves it, although the attempt that
// deleted it died before it could create it.
func TestRecreatedIsNotUndone(t *testing.T) {
	t.Parallel()
	s := newStory(t)
	configMaps := kindOf("configmaps", true)
	s.create(configMaps, s.object(settings), nil)
	s.backup()
	s.patch(configMaps, "settings", `{"data": {"mine": "precious"}}`)
	uid, counts := s.recreate(mortal{afterGone: true})
	if counts.Updated != 1 || counts.Created != 0 {
		t.Errorf("counted are %+v; want one that was there before", counts)
	}
	s.stayed(uid)
	s.read(configMaps, "settings", anything)
}

// In a namespace that the restore made nothing was there before it: an undo deletes what a later attempt created.
func TestResumedRecreateIsUndone(t *testing.T) {
	t.Parallel()
	s := newStory(t)
	configMaps := kindOf("configmaps", true)
	s.create(configMaps, s.object(settings), nil)
	later := s.object(settings)
	later.SetName("zettings")
	s.create(configMaps, later, nil)
	s.backup()
	s.lose()
	request := func(request *restore.Request) {
		request.ID.UID, request.Existing = s.namespace+"-own", restoreplan.Recreate
	}
	s.restored(request)
	s.remove(configMaps, "zettings") // As if the first attempt had not come to it.
	result := s.restored(func(r *restore.Request) { request(r); r.Resumed = true })
	if result.Counts.Updated > 1 { // The account that every namespace has.
		t.Errorf("counted are %+v", result.Counts)
	}
	undo := &engineundo.Runner{Cluster: s.adapter, Clock: clock.RealClock{}, Deleters: 2}
	undone, err := undo.Run(t.Context(), engineundo.Request{RestoreUID: s.namespace + "-own"})
	if err != nil || undone.Kept > 0 {
		t.Errorf("the undo kept %+v, %v", undone.KeptRows, err)
	}
	s.gone(kindOf("namespaces", false), s.namespace)
}

// A Job that had finished and is deleted to be created again comes back finished, also where the attempt that created it died
// before it gave it its status; and an undo leaves it.
func TestRecreatedJobStaysFinished(t *testing.T) {
	t.Parallel()
	for name, interrupted := range map[string]bool{"at once": false, "in two attempts": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStory(t)
			jobs, pods := kindOf("jobs.batch.v1", true), kindOf("pods", true)
			active := func(job *unstructured.Unstructured) bool {
				active, _, _ := unstructured.NestedInt64(job.Object, "status", "active")
				return active == 1
			}
			s.create(jobs, s.object(migrate), active)
			old := s.pods()[0]
			s.finish(old)
			before := s.read(jobs, "migrate", complete)
			s.backup()
			s.patch(jobs, "migrate", `{"metadata": {"annotations": {"x": "y"}}}`)
			var uid string
			var counts restore.Counts
			if interrupted {
				uid, counts = s.recreate(mortal{afterCreate: true})
			} else {
				counts = s.restored(func(request *restore.Request) {
					request.Existing = restoreplan.Recreate
					uid = request.ID.UID
				}).Counts
			}
			if after := s.read(jobs, "migrate", complete); after.GetUID() == before.GetUID() || counts.Updated != 1 {
				t.Errorf("it was not created again, or counted otherwise: %+v", counts)
			}
			s.gone(pods, old)
			// The controller has seen the Job by the time it deals with one that was made after it.
			later := s.object(migrate)
			later.SetName("later")
			s.create(jobs, later, active)
			if pods := s.pods(); len(pods) != 1 || pods[0][:5] != "later" {
				t.Errorf("pods are %v; want those of the later job alone", pods)
			}
			s.stayed(uid)
			s.read(jobs, "migrate", complete)
		})
	}
}

// A Job that has the labels of its template is as in the backup only where it still has these and no others.
func TestLabelsOfAJobAreSeen(t *testing.T) {
	t.Parallel()
	s := newStory(t)
	jobs := kindOf("jobs.batch.v1", true)
	job := s.object(migrate)
	if err := unstructured.SetNestedField(job.Object, "batch", "spec", "template", "metadata", "labels", "tier"); err != nil {
		t.Fatal(err)
	}
	s.create(jobs, job, nil)
	before := s.read(jobs, "migrate", anything).GetLabels()
	s.backup()
	s.patch(jobs, "migrate", `{"metadata": {"labels": {"tier": "theirs", "mine": "yes"}}}`)
	for _, want := range []int64{1, 0} {
		counts := s.restored(func(request *restore.Request) { request.Existing = restoreplan.Update }).Counts
		if after := s.read(jobs, "migrate", anything).GetLabels(); !maps.Equal(before, after) || counts.Updated != want {
			t.Errorf("the labels are %v and were %v; counted are %+v", after, before, counts)
		}
	}
}
