package backup_test

import (
	"strings"
	"testing"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/selection"
	"github.com/soda-cdm/kahu/internal/engine"
	"github.com/soda-cdm/kahu/internal/testkit/fakecluster"
	"github.com/soda-cdm/kahu/internal/testkit/world"
)

const needy = `{"spec":{"template":{"spec":{
	"containers":[{"name":"a","image":"a","envFrom":[{"configMapRef":{"name":"settings-0"}},{"secretRef":{"name":"password"}}]}]}}}}`

// TestNeeded: what two chosen objects need is read once and comes along; what is gone by then is a warning.
func TestNeeded(t *testing.T) {
	only := selection.Filters{
		IncludeNamespaces: []string{"shop"}, IncludeResources: []selection.ResourceFilter{{Kind: "Deployment"}},
	}
	t.Run("once", func(t *testing.T) {
		w := world.New(t)
		w.Shop()
		w.Cluster.Put(t, world.Deployments, "shop", "web", needy)
		w.Cluster.Put(t, world.Deployments, "shop", "worker", needy)
		result, err := w.Backup("one", only)
		if err != nil || !result.Manifest.Complete {
			t.Fatalf("got %v, missing %+v", err, result.Missing)
		}
		gets := map[core.Key]int{}
		for _, call := range w.Cluster.Calls("get") {
			if gets[call.Key]++; gets[call.Key] > 1 {
				t.Errorf("%s was read again", call.Key)
			}
		}
		found := w.Restored()
		for _, name := range []string{"configmaps shop/settings-0", "secrets shop/password", "deployments.apps shop/web", "namespaces shop"} {
			if found[name] == "" || found[name] != w.Cluster.Contents()[name] {
				t.Errorf("%s is not as it was: %q", name, found[name])
			}
		}
		if found["configmaps shop/settings-1"] != "" {
			t.Error("what nobody needs came along")
		}
		if counts := result.Manifest.Counts; counts.Objects-counts.Selected != int64(len(found)-2) {
			t.Errorf("counts %+v of %d objects", counts, len(found))
		}
	})
	t.Run("gone", func(t *testing.T) {
		w := world.New(t)
		w.Shop()
		w.Cluster.Put(t, world.Deployments, "shop", "web", needy)
		w.Cluster.Intercept = func(call fakecluster.Call) error {
			if call.Verb == "get" {
				w.Cluster.Remove(world.Secrets, "shop", "password")
			}
			return nil
		}
		result, err := w.Backup("one", only)
		if err != nil || !result.Manifest.Complete {
			t.Fatalf("got %v, missing %+v", err, result.Missing)
		}
		if text := strings.Join(result.Warnings, "\n"); !strings.Contains(text, "shop/password") || !strings.Contains(text, "Deployment shop/web") {
			t.Errorf("warnings: %s", text)
		}
	})
	t.Run("unreadable", func(t *testing.T) {
		w := world.New(t)
		w.Shop()
		w.Cluster.Put(t, world.Deployments, "shop", "web", needy)
		w.Cluster.Intercept = func(call fakecluster.Call) error {
			if call.Verb == "get" && call.Key.Resource == "secrets" {
				return core.ErrDenied
			}
			return nil
		}
		result, err := w.Backup("one", only)
		if err != nil || result.Manifest.Complete || len(result.Missing) != 1 || result.Missing[0].Key.Name != "password" ||
			result.Missing[0].Reason != engine.ReasonObjectUnreadable {
			t.Errorf("got %v, missing %+v", err, result.Missing)
		}
	})
}
