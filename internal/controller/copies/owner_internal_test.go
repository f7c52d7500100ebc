package copies

import (
	"context"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/clock"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	"github.com/soda-cdm/kahu/internal/controller/place"
	"github.com/soda-cdm/kahu/internal/core/copyplan"
	enginecopies "github.com/soda-cdm/kahu/internal/engine/copies"
	"github.com/soda-cdm/kahu/internal/testkit/fakeapi"
	"github.com/soda-cdm/kahu/internal/testkit/owned"
)

// oneStore is the store of all locations.
type oneStore struct{ files place.Files }

// Files implements place.Stores.
func (o oneStore) Files(string, kahuv1.ProviderEndpoint) (place.Files, error) { //nolint:ireturn // place.Stores has it so.
	return o.files, nil
}

// runnerFunc is a Runner that abandons nothing.
type runnerFunc func(request enginecopies.Request) error

// Run implements Runner.
func (f runnerFunc) Run(_ context.Context, request enginecopies.Request, _ enginecopies.Source, _ enginecopies.Target) (enginecopies.Result, error) {
	return enginecopies.Result{}, f(request)
}

// Abandon implements Runner.
func (runnerFunc) Abandon(context.Context, enginecopies.Leaving, enginecopies.Target) error {
	return nil
}

// target returns a location whose part of this cluster somebody claimed last with a nonce, and who finds it. This cluster
// remembers the nonce "ours".
func target(t *testing.T, nonce string) (*kahuv1.BackupLocation, *place.Finder) {
	t.Helper()
	_, files := owned.Location(t, nonce)
	now := metav1.Now()
	location := &kahuv1.BackupLocation{ObjectMeta: metav1.ObjectMeta{Name: "offsite"}}
	location.Spec.ProviderName = "memory"
	location.Status.LocationID, location.Status.LastProbeTime, location.Status.Owner.Nonce = owned.ID, &now, "ours"
	meta.SetStatusCondition(&location.Status.Conditions, metav1.Condition{Type: kahuv1.ConditionReady, Status: metav1.ConditionTrue, Reason: "x"})
	provider := &kahuv1.Provider{ObjectMeta: metav1.ObjectMeta{Name: "memory"}}
	provider.Spec.Type, provider.Status.State = kahuv1.ProviderTypeMetadata, kahuv1.ProviderStateAvailable
	reader := fakeapi.New(t).WithObjects(location, provider).Build()
	return location, &place.Finder{
		Client: reader, Direct: reader, Stores: oneStore{files}, Clock: clock.RealClock{}, Fence: time.Millisecond,
	}
}

// tryWith makes one try at a copy to the location offsite.
func tryWith(t *testing.T, finder *place.Finder, runner Runner) error {
	t.Helper()
	c := &Controller{
		Direct: finder.Direct, Finder: finder, ClusterID: owned.Cluster, Clock: finder.Clock,
		NewID: func() string { return "x" }, Runner: runner,
	}
	backup := &kahuv1.Backup{ObjectMeta: metav1.ObjectMeta{Name: "b", UID: "u"}}
	backup.Spec.MetadataLocation = "offsite"
	backup.Status.Copies = []kahuv1.BackupCopyStatus{{Location: "offsite", State: kahuv1.StateProcessing, Attempt: "a"}}
	s := &scope{backup: backup, rows: []copyplan.Row{{Wish: copyplan.Wish{Location: "offsite"}, Phase: copyplan.Running, Tries: 1}}}
	work, err := c.work(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	_, err = work(t.Context(), func(enginecopies.Progress) {})
	return err
}

// TestNotOwnerAfterARestart: where somebody else owns this cluster's part of the target, a process that has never claimed it says
// what a person has to do, rather than that it waits for its claim.
func TestNotOwnerAfterARestart(t *testing.T) {
	t.Parallel()
	_, finder := target(t, "somebody-elses")
	err := tryWith(t, finder, runnerFunc(func(enginecopies.Request) error {
		t.Error("something was copied")
		return nil
	}))
	if err == nil || reasonOf(err) != kahuv1.ReasonNotOwner || !strings.Contains(err.Error(), "location own") {
		t.Errorf("reason %s: %v", reasonOf(err), err)
	}
}

// TestNotClaimedAfterARestart: a process that has not claimed the target yet copies nothing, and tries again.
func TestNotClaimedAfterARestart(t *testing.T) {
	t.Parallel()
	_, finder := target(t, "ours")
	err := tryWith(t, finder, runnerFunc(func(enginecopies.Request) error {
		t.Error("something was copied")
		return nil
	}))
	if err == nil || reasonOf(err) != kahuv1.ReasonLocationUnreachable || copyplan.IsLasting(final(err)) {
		t.Errorf("reason %s: %v", reasonOf(err), err)
	}
}

// TestNothingRemovedMeanwhile: while something is copied, nobody removes at the target what the copy may count on.
func TestNothingRemovedMeanwhile(t *testing.T) {
	t.Parallel()
	location, finder := target(t, "ours")
	finder.Claimed(owned.ID, "ours", time.Time{})
	ran := false
	err := tryWith(t, finder, runnerFunc(func(enginecopies.Request) error {
		ran = true
		if _, free := finder.Remove(location); free {
			t.Error("something could be removed")
		}
		return nil
	}))
	if err != nil || !ran {
		t.Errorf("copied %t: %v", ran, err)
	}
	if _, free := finder.Remove(location); !free {
		t.Error("nothing can be removed after the copy")
	}
}
