package restore_test

import (
	"fmt"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/selection"
	"github.com/soda-cdm/kahu/internal/testkit/fakecluster"
	"github.com/soda-cdm/kahu/internal/testkit/world"
)

// created returns how often the object was sent.
func created(cluster *fakecluster.Cluster, name string) int {
	calls := slices.DeleteFunc(cluster.Calls("create"), func(call fakecluster.Call) bool { return call.Key.Name != name })
	return len(calls)
}

// An object that is refused is sent a second time when all others are there, and a third time only if whoever refused
// it was away: for these the restore has patience.
func TestRefusedObjectsAreTriedAgain(t *testing.T) {
	cases := map[string]struct {
		class  error
		heals  int64 // after how many refusals; 0 means never
		sent   int
		failed int64
	}{
		"refused for good":           {class: core.ErrInvalid, sent: 2, failed: 1},
		"denied until others came":   {class: core.ErrDenied, heals: 1, sent: 2},
		"its webhook is away":        {class: core.ErrUnavailable, heals: 4, sent: 5},
		"its namespace is going":     {class: core.ErrConflict, heals: 2, sent: 3},
		"its kind is not served yet": {class: core.ErrUnsupported, heals: 3, sent: 4},
	}
	for name, test := range cases {
		t.Run(name, func(t *testing.T) {
			w := world.New(t)
			w.Shop()
			if _, err := w.Backup("first", selection.Filters{}); err != nil {
				t.Fatal(err)
			}
			to := fakecluster.New(world.AllKinds()...)
			var refusals atomic.Int64
			to.Intercept = func(call fakecluster.Call) error {
				if call.Verb != "create" || call.Key.Name != "settings-3" {
					return nil
				}
				if n := refusals.Add(1); test.heals == 0 || n <= test.heals {
					return fmt.Errorf("%w: %d", test.class, n)
				}
				return nil
			}
			result, err := w.Restore("first", to)
			if err != nil {
				t.Fatal(err)
			}
			if result.FailedTotal != test.failed || created(to, "settings-3") != test.sent {
				t.Errorf("failed are %d after %d creations: %v", result.FailedTotal, created(to, "settings-3"), result.Failed)
			}
			if want := result.Counts.Total - test.failed; result.Counts.Created != want {
				t.Errorf("created are %d, want %d", result.Counts.Created, want)
			}
		})
	}
}

// What belongs to an object that could not be created yet waits for it, and belongs to it in the end.
func TestWhatIsOwnedWaitsForItsOwner(t *testing.T) {
	w := world.New(t)
	w.Cluster.Put(t, world.Namespaces, "", "shop", `{}`)
	w.Cluster.Put(t, world.Widgets, "shop", "owner", `{}`)
	owner, err := w.Cluster.Get(t.Context(), world.Widgets, "shop", "owner")
	if err != nil {
		t.Fatal(err)
	}
	reference := `{"metadata": {"ownerReferences": [{"apiVersion": "example.com/v1", "kind": "Widget", "name": "owner", "uid": "` +
		string(owner.UID) + `"}]}}`
	w.Cluster.Put(t, world.Widgets, "shop", "owned", reference)
	if _, err := w.Backup("first", selection.Filters{}); err != nil {
		t.Fatal(err)
	}
	to := fakecluster.New(world.AllKinds()...)
	var refusals atomic.Int64
	to.Intercept = func(call fakecluster.Call) error {
		if call.Verb == "create" && call.Key.Name == "owner" && refusals.Add(1) <= 3 {
			return core.ErrUnavailable
		}
		return nil
	}
	result, err := w.Restore("first", to)
	if err != nil || result.FailedTotal > 0 || len(result.Warnings) > 0 {
		t.Fatalf("got %v, failed %v, warnings %v", err, result.Failed, result.Warnings)
	}
	living, err := to.Living(t.Context(), world.Widgets, "shop", "owner")
	if err != nil {
		t.Fatal(err)
	}
	owned, err := to.Living(t.Context(), world.Widgets, "shop", "owned")
	if err != nil {
		t.Fatal(err)
	}
	want := []core.Owner{{APIVersion: "example.com/v1", Kind: "Widget", Name: "owner", UID: living.UID}}
	if diff := cmp.Diff(want, owned.Owners); diff != "" {
		t.Errorf("owners (-want +got):\n%s", diff)
	}
}
