package backup

import (
	"context"
	"errors"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	clocktesting "k8s.io/utils/clock/testing"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	"github.com/soda-cdm/kahu/internal/controller/place"
	"github.com/soda-cdm/kahu/internal/core"
	enginelocation "github.com/soda-cdm/kahu/internal/engine/location"
	"github.com/soda-cdm/kahu/internal/reconcile"
	"github.com/soda-cdm/kahu/internal/store"
	"github.com/soda-cdm/kahu/internal/testkit/fakeapi"
	"github.com/soda-cdm/kahu/provider/memory"
)

// overtaken is the store of all locations, in which somebody else takes the part of this cluster when files are looked for.
type overtaken struct {
	*store.Store

	take func()
}

// Files implements place.Stores.
func (o *overtaken) Files(string, kahuv1.ProviderEndpoint) (place.Files, error) { //nolint:ireturn // place.Stores has it so.
	return o, nil
}

// List is that of the store, after something happened.
func (o *overtaken) List(ctx context.Context, prefix string, each func(core.FileInfo) error) error {
	if o.take != nil {
		o.take()
	}
	return o.Store.List(ctx, prefix, each)
}

// removing returns a controller that has claimed the location of a backup that left a file there.
func removing(t *testing.T) (*Controller, *scope, *overtaken) {
	t.Helper()
	clock := clocktesting.NewFakePassiveClock(startTime)
	files := &overtaken{Store: store.New(memory.New(memory.Options{}), store.Options{})}
	at := &enginelocation.Location{Files: files, Clock: clock, NewID: func() string { return "here" }}
	if _, err := at.Open(t.Context(), ""); err != nil {
		t.Fatal(err)
	}
	if err := at.TakeOwner(t.Context(), thisCluster, "ours"); err != nil {
		t.Fatal(err)
	}
	now := metav1.NewTime(startTime)
	location := &kahuv1.BackupLocation{ObjectMeta: metav1.ObjectMeta{Name: "main"}}
	location.Spec.ProviderName = "memory"
	location.Status.LocationID, location.Status.LastProbeTime, location.Status.Owner.Nonce = "here", &now, "ours"
	meta.SetStatusCondition(&location.Status.Conditions, metav1.Condition{Type: kahuv1.ConditionReady, Status: metav1.ConditionTrue, Reason: "x"})
	provider := &kahuv1.Provider{ObjectMeta: metav1.ObjectMeta{Name: "memory"}}
	provider.Spec.Type, provider.Status.State = kahuv1.ProviderTypeMetadata, kahuv1.ProviderStateAvailable
	definition := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": map[string]any{"name": definitionName},
	}}
	reader := fakeapi.New(t).WithObjects(location, provider, definition).Build()
	finder := &place.Finder{Client: reader, Direct: reader, Stores: files, Clock: clock}
	finder.Claimed("here", "ours", time.Time{})
	c := &Controller{
		Client: reader, Direct: reader, Finder: finder, Gate: reconcile.NewGate(1), ClusterID: thisCluster, Clock: clock, Fence: time.Minute,
		runs: map[types.UID]*holding{},
	}
	s := &scope{backup: completed("old", func(*kahuv1.Backup) {})}
	if err := files.Replace(t.Context(), c.id(s).IntentName(), []byte("x")); err != nil {
		t.Fatal(err)
	}
	return c, s, files
}

// isThere tells whether the file that the backup left is there.
func isThere(t *testing.T, c *Controller, s *scope, files *overtaken) bool {
	t.Helper()
	file, err := files.Open(t.Context(), c.id(s).IntentName())
	if err != nil {
		return false
	}
	return file.Close() == nil
}

// TestRemovingWhatBecomesAnothers: a manager that loses the location while it looks for what it would remove removes nothing
// of it.
func TestRemovingWhatBecomesAnothers(t *testing.T) {
	t.Parallel()
	for name, remove := range map[string]func(c *Controller, ctx context.Context, s *scope) error{
		"Deletion": (*Controller).deleteData, "Debris": (*Controller).removeDebris,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, s, files := removing(t)
			files.take = func() {
				at := &enginelocation.Location{Files: files.Store, Clock: c.Clock}
				if err := at.TakeOwner(t.Context(), thisCluster, "somebody-elses"); err != nil {
					t.Error(err)
				}
			}
			if err := remove(c, t.Context(), s); !errors.Is(err, enginelocation.ErrNotOwner) {
				t.Errorf("got %v", err)
			}
			if !isThere(t, c, s, files) {
				t.Error("what is another's was removed")
			}

			c, s, files = removing(t)
			if err := remove(c, t.Context(), s); err != nil || isThere(t, c, s, files) {
				t.Errorf("its own: removed %t, %v", !isThere(t, c, s, files), err)
			}
		})
	}
}

// TestDeletingWhileACopyGoesOn: a backup is not deleted at a location while a copy to it counts on what is there.
func TestDeletingWhileACopyGoesOn(t *testing.T) {
	t.Parallel()
	c, s, files := removing(t)
	location := &kahuv1.BackupLocation{}
	location.Status.LocationID = "here"
	leave, err := c.Finder.Use(t.Context(), location)
	if err != nil {
		t.Fatal(err)
	}
	err = c.deleteData(t.Context(), s)
	if _, waits := errors.AsType[*reconcile.WaitingError](err); !waits || !isThere(t, c, s, files) {
		t.Errorf("got %v", err)
	}
	leave()
	if err := c.deleteData(t.Context(), s); err != nil || isThere(t, c, s, files) {
		t.Errorf("got %v", err)
	}
}
