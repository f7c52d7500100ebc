package restore_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/selection"
	"github.com/soda-cdm/kahu/internal/engine/restore"
	"github.com/soda-cdm/kahu/internal/testkit/fakecluster"
	"github.com/soda-cdm/kahu/internal/testkit/world"
)

// TestChangedStays: what somebody changed between two attempts stays as it is, also where the last steps of it are done again or
// were not done yet; and that a Job may still be held is said.
func TestChangedStays(t *testing.T) {
	kinds := append(world.AllKinds(), jobs)
	w := world.New(t)
	w.Cluster = fakecluster.New(kinds...)
	w.Cluster.Put(t, world.Namespaces, "", "shop", `{}`)
	w.Cluster.Put(t, jobs, "shop", "done", `{"spec":{"parallelism":1},"status":{"conditions":[{"type":"Complete","status":"True"}]}}`)
	w.Cluster.Put(t, world.Widgets, "shop", "filled", `{"spec":{"find":"it"},"status":{"found":"there"}}`)
	if _, err := w.Backup("one", selection.Filters{}); err != nil {
		t.Fatal(err)
	}
	inSpec := func(suspend bool) core.MergePatch {
		return core.MergePatch{Kind: jobs, Namespace: "shop", Name: "done", Content: map[string]any{"spec": map[string]any{"suspend": suspend}}}
	}
	cases := map[string]struct {
		steps  int // after the creation of the Job, before the attempt is interrupted
		change core.MergePatch
		warned int64
	}{
		"suspended when all was done": {2, inSpec(true), 0},
		"suspended with its status":   {1, inSpec(true), 0},
		"let go without its status":   {0, inSpec(false), 1},
		"another status when all was done": {2, core.MergePatch{
			Kind: world.Widgets, Namespace: "shop", Name: "filled", Subresource: "status", Content: map[string]any{"status": map[string]any{"found": "elsewhere"}},
		}, 0},
	}
	for name, test := range cases {
		t.Run(name, func(t *testing.T) {
			wish := restore.Request{Attempt: "first " + name, Status: &selection.Filters{IncludeResources: []selection.ResourceFilter{{Kind: "Widget"}}}}
			to := fakecluster.New(kinds...)
			to.Accounts = true
			steps := 0
			killedAt(to, func(call fakecluster.Call) bool {
				if call.Verb == "merge" && call.Key.Resource == "jobs" {
					steps++
				}
				return steps > test.steps
			})
			if _, err := attemptWish(w, to, wish); err != nil {
				t.Fatal(err)
			}
			to.Intercept = nil
			if err := to.Merge(t.Context(), test.change, "somebody"); err != nil {
				t.Fatal(err)
			}
			before := to.Contents()
			key := fmt.Sprintf("%s shop/%s", test.change.Kind.GroupResource(), test.change.Name)
			wish.Attempt, wish.Resumed = "second "+name, true
			got, err := attemptWish(w, to, wish)
			if err != nil || got.Counts.Created != 3 || got.FailedTotal != 0 || got.WarningsTotal != test.warned {
				t.Errorf("got %+v %v", got, err)
			}
			if diff := cmp.Diff(before[key], to.Contents()[key]); diff != "" {
				t.Error(diff)
			}
		})
	}
}
