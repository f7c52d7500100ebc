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

// TestOwnerRefusedFirst: an attempt creates an object without the owner that was refused, and its manager dies before that is
// in the status. The next attempt can create the owner, and the object gets it; what somebody else has changed meanwhile is
// left alone, and warned of.
func TestOwnerRefusedFirst(t *testing.T) {
	for name, changed := range map[string]bool{"untouched": false, "changed": true} {
		t.Run(name, func(t *testing.T) {
			w := world.New(t)
			w.Cluster.Put(t, world.Namespaces, "", "shop", `{}`)
			w.Cluster.Put(t, world.ConfigMaps, "shop", "owner", `{"data":{"a":"b"}}`)
			old, err := w.Cluster.Living(t.Context(), world.ConfigMaps, "shop", "owner")
			if err != nil {
				t.Fatal(err)
			}
			w.Cluster.Put(t, world.Secrets, "shop", "owned", fmt.Sprintf(
				`{"data":{"a":"Yg=="},"metadata":{"ownerReferences":[{"apiVersion":"v1","kind":"ConfigMap","name":"owner","uid":%q}]}}`, old.UID))
			if _, err := w.Backup("one", selection.Filters{}); err != nil {
				t.Fatal(err)
			}
			to := fakecluster.New(world.AllKinds()...)
			to.Intercept = func(call fakecluster.Call) error {
				if call.Verb == "create" && call.Key.Name == "owner" {
					return core.ErrDenied
				}
				return nil
			}
			if first, err := attemptRestore(w, "first", to); err != nil || first.FailedTotal != 1 || first.WarningsTotal != 1 {
				t.Fatalf("got %+v %v", first, err)
			}
			to.Intercept = nil
			if changed {
				change := core.MergePatch{Kind: world.Secrets, Namespace: "shop", Name: "owned", Content: map[string]any{"data": map[string]any{"c": "ZA=="}}}
				if err := to.Merge(t.Context(), change, "somebody"); err != nil {
					t.Fatal(err)
				}
			}
			got, err := attemptWish(w, to, restore.Request{Attempt: "second", Resumed: true})
			if err != nil || got.Counts.Created != 3 || got.FailedTotal != 0 {
				t.Errorf("got %+v %v", got, err)
			}
			owner, err := to.Living(t.Context(), world.ConfigMaps, "shop", "owner")
			if err != nil {
				t.Fatal(err)
			}
			owned, err := to.Living(t.Context(), world.Secrets, "shop", "owned")
			if err != nil {
				t.Fatal(err)
			}
			has := len(owned.Owners) == 1 && owned.Owners[0].UID == owner.UID
			if has == changed || changed != (got.WarningsTotal == 1) {
				t.Errorf("it belongs to %+v, and not to %s; warnings %q", owned.Owners, owner.UID, got.Warnings)
			}
			before := askedSince(to, asked{})
			if _, err := attemptWish(w, to, restore.Request{Attempt: "third", Resumed: true}); err != nil {
				t.Error(err)
			}
			if diff := cmp.Diff(asked{}, askedSince(to, before)); diff != "" {
				t.Error(diff)
			}
		})
	}
}
