package restore_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/selection"
	"github.com/soda-cdm/kahu/internal/engine/restore"
	"github.com/soda-cdm/kahu/internal/testkit/fakecluster"
	"github.com/soda-cdm/kahu/internal/testkit/world"
)

// TestGoneBeforeItsStatus: an object that an earlier attempt made, and that somebody deletes between the list and its
// last step, is created again. What the API server says then is what it says of a kind without a status.
func TestGoneBeforeItsStatus(t *testing.T) {
	w := world.New(t)
	w.Cluster.Put(t, world.Namespaces, "", "shop", `{}`)
	w.Cluster.Put(t, world.Widgets, "shop", "filled", `{"spec":{"find":"it"},"status":{"found":"there"}}`)
	if _, err := w.Backup("one", selection.Filters{}); err != nil {
		t.Fatal(err)
	}
	wish := func(attempt string, resumed bool) restore.Request {
		return restore.Request{Attempt: attempt, Resumed: resumed, Status: &selection.Filters{
			IncludeResources: []selection.ResourceFilter{{Kind: "Widget"}},
		}}
	}
	to := fakecluster.New(world.AllKinds()...)
	killedAt(to, func(call fakecluster.Call) bool { return call.Verb == "merge" })
	if _, err := attemptWish(w, to, wish("first", false)); err != nil {
		t.Fatal(err)
	}
	deleted := false
	to.Intercept = func(call fakecluster.Call) error {
		if call.Verb == "merge" && !deleted {
			deleted = true
			to.Remove(world.Widgets, "shop", "filled")
			return core.ErrNotFound // as the API server says of a status of what is not there
		}
		return nil
	}
	got, err := attemptWish(w, to, wish("second", true))
	if err != nil || !deleted {
		t.Fatal(err, deleted)
	}
	if got.Counts.Created != 2 || got.FailedTotal != 0 || got.WarningsTotal != 0 {
		t.Errorf("got %+v, failed %d, warns %q", got.Counts, got.FailedTotal, got.Warnings)
	}
	if diff := cmp.Diff(w.Cluster.Contents(), to.Contents()); diff != "" {
		t.Error(diff)
	}
}
