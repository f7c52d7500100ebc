package engine_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/selection"
	"github.com/soda-cdm/kahu/internal/engine"
	"github.com/soda-cdm/kahu/internal/engine/restore"
	"github.com/soda-cdm/kahu/internal/testkit/fakecluster"
	"github.com/soda-cdm/kahu/internal/testkit/world"
)

// street is a world with Services, bindings, and an application in two namespaces.
func street(t *testing.T) (*world.World, core.Kind) {
	t.Helper()
	services := fakecluster.Kind("", "Service", "services", true)
	bindings := fakecluster.Kind("rbac.authorization.k8s.io", "ClusterRoleBinding", "clusterrolebindings", false)
	w := world.New(t)
	w.Cluster = fakecluster.New(append(world.AllKinds(), services, bindings)...)
	for _, namespace := range []string{"shop", "bank"} {
		w.Cluster.Put(t, world.Namespaces, "", namespace, `{}`)
		w.Cluster.Put(t, world.Accounts, namespace, "web", `{}`)
		w.Cluster.Put(t, world.Deployments, namespace, "web",
			`{"spec":{"template":{"metadata":{"labels":{"app":"web"}},"spec":{"serviceAccountName":"web"}}}}`)
		for i := range 5 {
			w.Cluster.Put(t, services, namespace, fmt.Sprintf("other-%d", i), `{"spec":{"selector":{"app":"other"}}}`)
		}
		w.Cluster.Put(t, services, namespace, "web", `{"spec":{"selector":{"app":"web"}}}`)
		w.Cluster.Put(t, bindings, "", namespace, fmt.Sprintf(
			`{"subjects":[{"kind":"ServiceAccount","namespace":%q,"name":"web"}]}`, namespace))
	}
	return w, services
}

// deploymentsOfShop asks for the Deployments of one namespace.
func deploymentsOfShop() selection.Filters {
	return selection.Filters{
		IncludeNamespaces: []string{"shop"}, IncludeResources: []selection.ResourceFilter{{Kind: "Deployment"}},
	}
}

// inStreet is what is in when the Deployments of a namespace are asked for, each with its reason.
func inStreet() map[string]core.Reason {
	return map[string]core.Reason{
		"deployments.apps shop/web":                          core.Selected,
		"namespaces shop":                                    "needed by Deployment shop/web",
		"serviceaccounts shop/web":                           "needed by Deployment shop/web",
		"services shop/web":                                  "needed by Deployment shop/web",
		"clusterrolebindings.rbac.authorization.k8s.io shop": "needed by ServiceAccount shop/web",
	}
}

// TestWhatPointsToChosenObjects: a partial backup goes through the lists of the namespaces that matter, and of none
// else, and takes what points to the chosen objects, with the reason.
func TestWhatPointsToChosenObjects(t *testing.T) {
	w, _ := street(t)
	result, err := w.Backup("one", deploymentsOfShop())
	if err != nil || !result.Manifest.Complete {
		t.Fatalf("got %v, missing %+v", err, result.Missing)
	}
	got := w.Reasons(result.Manifest)
	want := inStreet()
	for name, reason := range want {
		if got[name] != reason {
			t.Errorf("%s is in because %q, want %q", name, got[name], reason)
		}
	}
	if len(got) != len(want) {
		t.Errorf("in are %v", got)
	}
	var lists []string
	for _, call := range w.Cluster.Calls("list") {
		lists = append(lists, call.Key.Resource+" "+call.Key.Namespace)
	}
	slices.Sort(lists)
	if want := []string{"clusterrolebindings ", "deployments shop", "namespaces ", "services shop"}; !slices.Equal(lists, want) {
		t.Errorf("lists %q, want %q", lists, want)
	}
}

// TestNothingIsSearchedForWhereAllIsIn: a backup of everything lists each kind once.
func TestNothingIsSearchedForWhereAllIsIn(t *testing.T) {
	w, _ := street(t)
	if _, err := w.Backup("all", selection.Filters{}); err != nil {
		t.Fatal(err)
	}
	if lists := len(w.Cluster.Calls("list")); lists != len(world.AllKinds())+2 {
		t.Errorf("%d lists of %d kinds", lists, len(world.AllKinds())+2)
	}
}

// TestSearchesThatFail: a list that begins again takes nothing twice; one that cannot be read makes the backup
// incomplete, unless all that could be found there is excluded.
func TestSearchesThatFail(t *testing.T) {
	t.Run("expired", func(t *testing.T) {
		w, _ := street(t)
		tries := 0
		w.Cluster.Intercept = func(call fakecluster.Call) error {
			if call.Verb == "page" && call.Key.Resource == "services" && call.Page == 2 {
				if tries++; tries == 1 {
					return core.ErrExpired
				}
			}
			return nil
		}
		result, err := w.Backup("one", deploymentsOfShop())
		if err != nil || !result.Manifest.Complete || tries != 2 || result.Manifest.Counts.Objects != int64(len(inStreet())) {
			t.Errorf("got %v, missing %+v, %d tries, counts %+v", err, result.Missing, tries, result.Manifest.Counts)
		}
	})
	denied := func(call fakecluster.Call) error {
		if call.Verb == "list" && call.Key.Resource == "services" {
			return core.ErrDenied
		}
		return nil
	}
	t.Run("denied", func(t *testing.T) {
		w, _ := street(t)
		w.Cluster.Intercept = denied
		result, err := w.Backup("one", deploymentsOfShop())
		if err != nil || result.Manifest.Complete || len(result.Missing) != 1 || result.Missing[0].Reason != engine.ReasonKindUnlistable ||
			!strings.Contains(result.Missing[0].Message, "points to") {
			t.Errorf("got %v, missing %+v", err, result.Missing)
		}
	})
	t.Run("denied and excluded", func(t *testing.T) {
		w, _ := street(t)
		w.Cluster.Intercept = denied
		filters := deploymentsOfShop()
		filters.ExcludeResources = []selection.ResourceFilter{{Kind: "Service"}}
		if result, err := w.Backup("one", filters); err != nil || !result.Manifest.Complete {
			t.Errorf("got %v, missing %+v", err, result.Missing)
		}
	})
}

// TestPartialRestoreTakesWhatPointsToIt: the same holds for what is chosen from a backup of everything.
func TestPartialRestoreTakesWhatPointsToIt(t *testing.T) {
	w, services := street(t)
	if _, err := w.Backup("all", selection.Filters{}); err != nil {
		t.Fatal(err)
	}
	to := fakecluster.New(append(world.AllKinds(), services, fakecluster.Kind("rbac.authorization.k8s.io", "ClusterRoleBinding", "clusterrolebindings", false))...)
	use := &restore.Runner{Cluster: to, Clock: w.Clock, Creators: 4, Patience: world.Patience}
	result, err := use.Run(t.Context(), restore.Request{Backup: world.ID("all"), Filters: deploymentsOfShop()}, w.Files)
	if err != nil || result.FailedTotal > 0 {
		t.Fatalf("got %v, failed %+v", err, result.Failed)
	}
	restored := to.Contents()
	for name := range inStreet() {
		if restored[name] == "" {
			t.Errorf("%s was not restored", name)
		}
	}
	if len(restored) != len(inStreet()) {
		t.Errorf("restored were %v", slices.Sorted(maps.Keys(restored)))
	}
}

// TestResumeSearchesAgain: what points to the chosen objects comes with them, with the reason, also where these were copied
// by an attempt that was killed, before or after any of its calls to the store.
func TestResumeSearchesAgain(t *testing.T) {
	for n := 0; ; n++ {
		dead := false
		for _, at := range []world.Moment{world.Before, world.After} {
			w, _ := street(t)
			if !w.Killed(0, n, at, deploymentsOfShop()) {
				continue
			}
			dead = true
			result, err := w.Try(t.Context(), 1, deploymentsOfShop())
			if err != nil || !result.Manifest.Complete {
				t.Fatalf("killed %s call %d: %v, missing %+v", at, n, err, result.Missing)
			}
			if diff := cmp.Diff(inStreet(), w.Reasons(result.Manifest)); diff != "" {
				t.Errorf("killed %s call %d: %s", at, n, diff)
			}
		}
		if !dead {
			if n < 5 {
				t.Errorf("only %d calls", n)
			}
			return
		}
	}
}
