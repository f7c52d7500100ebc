package collection

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	"github.com/soda-cdm/kahu/internal/controller/place"
	"github.com/soda-cdm/kahu/internal/core/archive"
	enginelocation "github.com/soda-cdm/kahu/internal/engine/location"
	"github.com/soda-cdm/kahu/internal/engine/removal"
	"github.com/soda-cdm/kahu/internal/reconcile"
	"github.com/soda-cdm/kahu/internal/store"
	"github.com/soda-cdm/kahu/internal/testkit/fakeapi"
	"github.com/soda-cdm/kahu/internal/testkit/owned"
)

// located returns a location that this process has claimed, its files, and the controller with these and other objects.
func located(t *testing.T, others ...client.Object) (*Controller, *kahuv1.BackupLocation, *store.Store) {
	t.Helper()
	_, files := owned.Location(t, "ours")
	location := &kahuv1.BackupLocation{ObjectMeta: metav1.ObjectMeta{Name: "main", UID: "uid-of-main"}}
	location.Status.LocationID, location.Status.Owner.Nonce = owned.ID, "ours"
	reader := fakeapi.New(t).WithObjects(append(others, location)...).Build()
	finder := &place.Finder{Client: reader, Direct: reader, Clock: clock.RealClock{}}
	finder.Claimed(owned.ID, "ours", time.Time{})
	return &Controller{
		Direct: reader, Finder: finder, ClusterID: owned.Cluster, Clock: clock.RealClock{}, Tasks: reconcile.NewTasks[struct{}, removal.Collected](1),
	}, location, files
}

// TestLookAtWhatIsAnothers: nothing is looked through on the word of a process that has lost the location since.
func TestLookAtWhatIsAnothers(t *testing.T) {
	t.Parallel()
	c, location, files := located(t)
	if _, err := c.look(t.Context(), location, files); err != nil {
		t.Errorf("at its own: %v", err)
	}
	owned.Claim(t, &enginelocation.Location{Files: files, Clock: clock.RealClock{}}, "somebody-elses")
	if _, err := c.look(t.Context(), location, files); !errors.Is(err, enginelocation.ErrNotOwner) {
		t.Errorf("at another's: %v", err)
	}
}

// TestBeginWhileACopyGoesOn: nothing is removed while a copy counts on what is there, and it is tried again soon; after it is.
func TestBeginWhileACopyGoesOn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c, location, files := located(t)
		go c.Tasks.Start(t.Context())
		synctest.Wait()
		leave, err := c.Finder.Use(t.Context(), location)
		if err != nil {
			t.Fatal(err)
		}
		s := &scope{location: location, files: files}
		if err := c.begin(t.Context(), s); err == nil || errors.Is(err, reconcile.ErrDone) {
			t.Errorf("it has begun: %v", err)
		}
		leave()
		if err := c.begin(t.Context(), s); !errors.Is(err, reconcile.ErrDone) {
			t.Errorf("it has not begun: %v", err)
		}
		synctest.Wait()
		if snapshot, _ := c.Tasks.Look(location.UID); !snapshot.Ended || snapshot.Err != nil {
			t.Errorf("got %+v", snapshot)
		}
	})
}

// TestRunning: what a run, a deletion or a copy of this cluster counts on is kept however old it is.
func TestRunning(t *testing.T) {
	t.Parallel()
	backup := func(name string, change func(b *kahuv1.Backup)) client.Object {
		made := &kahuv1.Backup{ObjectMeta: metav1.ObjectMeta{Name: name, UID: types.UID("uid-of-" + name)}}
		made.Status.Stage = kahuv1.StageFinished
		change(made)
		return made
	}
	copying := func(row kahuv1.BackupCopyStatus) func(b *kahuv1.Backup) {
		row.Location = "offsite"
		return func(b *kahuv1.Backup) { b.Status.Copies = []kahuv1.BackupCopyStatus{row} }
	}
	c, _, _ := located(t,
		backup("finished", func(*kahuv1.Backup) {}),
		backup("running", func(b *kahuv1.Backup) { b.Status.Stage = kahuv1.StageResources }),
		backup("going", func(b *kahuv1.Backup) {
			b.DeletionTimestamp, b.Finalizers = &metav1.Time{Time: time.Unix(1e9, 0)}, []string{"kahu.io/test"}
		}),
		backup("copying", copying(kahuv1.BackupCopyStatus{State: kahuv1.StateProcessing})),
		backup("leaving", copying(kahuv1.BackupCopyStatus{State: kahuv1.StateDeleting})),
		backup("waiting", copying(kahuv1.BackupCopyStatus{State: kahuv1.StateNew})),
		backup("tried", copying(kahuv1.BackupCopyStatus{State: kahuv1.StateNew, Tries: 1})),
		backup("copied", copying(kahuv1.BackupCopyStatus{State: kahuv1.StateCompleted, Tries: 1})),
	)
	runs, err := c.running(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	got, want := map[string]bool{}, map[string]bool{
		"finished": false, "running": true, "going": true, "copying": true, "leaving": true, "waiting": false, "tried": true, "copied": false,
	}
	for name := range want {
		got[name] = runs(archive.BackupID{ClusterID: owned.Cluster, Name: name, UID: "uid-of-" + name})
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
