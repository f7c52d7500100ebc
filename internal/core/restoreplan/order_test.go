package restoreplan_test

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/archive"
	"github.com/soda-cdm/kahu/internal/core/restoreplan"
)

func TestOrder(t *testing.T) {
	t.Parallel()
	const definition = "customresourcedefinitions.apiextensions.k8s.io "
	cases := map[string]struct {
		reason string
		things []thing
		want   [][]string
	}{
		"nothing": {},
		"kinds": {
			reason: "one row after the other",
			things: []thing{
				{what: "mutatingwebhookconfigurations.admissionregistration.k8s.io m"},
				{what: "apiservices.apiregistration.k8s.io v1.y.org"},
				{what: "flows.y.org shop/y", custom: true},
				{what: "resourcequotas shop/q"},
				{what: "horizontalpodautoscalers.autoscaling shop/h"},
				{what: "deployments.apps shop/d"},
				{what: "pods shop/p"},
				{what: "wells.x.org shop/x", custom: true},
				{what: "events shop/e"},
				{what: "services shop/s"},
				{what: "secrets shop/s"},
				{what: "networkpolicies.networking.k8s.io shop/n"},
				{what: "serviceaccounts shop/a"},
				{what: "persistentvolumes v"},
				{what: "storageclasses.storage.k8s.io c"},
				{what: "namespaces shop"},
				{what: definition + "wells.x.org"},
			},
			want: [][]string{
				{definition + "wells.x.org"},
				{"namespaces shop"},
				{"storageclasses.storage.k8s.io c"},
				{"persistentvolumes v"},
				{"serviceaccounts shop/a", "networkpolicies.networking.k8s.io shop/n"},
				{"secrets shop/s"},
				{"services shop/s"},
				{"events shop/e", "wells.x.org shop/x"},
				{"pods shop/p", "deployments.apps shop/d"},
				{"horizontalpodautoscalers.autoscaling shop/h"},
				{"resourcequotas shop/q"},
				{"apiservices.apiregistration.k8s.io v1.y.org"},
				{"flows.y.org shop/y"},
				{"mutatingwebhookconfigurations.admissionregistration.k8s.io m"},
			},
		},
		"owners before what they own": {
			reason: "whatever the order of their kinds, and within one kind",
			things: []thing{
				{what: "configmaps shop/1", owners: []string{"deployments.apps shop/d"}},
				{what: "configmaps shop/2", owners: []string{"configmaps shop/1"}},
				{what: "configmaps shop/3", owners: []string{"configmaps shop/4"}},
				{what: "configmaps shop/4"},
				{what: "deployments.apps shop/d"},
			},
			want: [][]string{
				{"configmaps shop/4"},
				{"configmaps shop/3"},
				{"deployments.apps shop/d"},
				{"configmaps shop/1"},
				{"configmaps shop/2"},
			},
		},
		"several owners": {
			reason: "after the last of them",
			things: []thing{
				{what: "secrets shop/a", owners: []string{"services shop/s", "pods shop/p", "namespaces shop"}},
				{what: "services shop/s"},
				{what: "pods shop/p"},
				{what: "namespaces shop"},
			},
			want: [][]string{{"namespaces shop"}, {"services shop/s"}, {"pods shop/p"}, {"secrets shop/a"}},
		},
		"owner that is skipped": {
			reason: "what it owns comes after where it would be",
			things: []thing{
				{what: "deployments.apps shop/d"},
				{what: "replicasets.apps shop/r", owners: []string{"!deployments.apps shop/d"}},
				{what: "configmaps shop/c", owners: []string{"replicasets.apps shop/r"}},
			},
			want: [][]string{{"deployments.apps shop/d"}, {"configmaps shop/c"}},
		},
		"owner outside the plan": {
			things: []thing{{what: "configmaps shop/a", owners: []string{"deployments.apps shop/d"}}},
			want:   [][]string{{"configmaps shop/a"}},
		},
		"namespace with an owner": {
			reason: "what is in it waits for it",
			things: []thing{
				{what: "tenants.x.org t", custom: true},
				{what: "namespaces shop", owners: []string{"!tenants.x.org t"}},
				{what: "namespaces other"},
				{what: "configmaps shop/a"},
				{what: "configmaps other/a"},
				{what: definition + "tenants.x.org"},
			},
			want: [][]string{
				{definition + "tenants.x.org"},
				{"namespaces other"},
				{"configmaps other/a"},
				{"tenants.x.org t"},
				{"namespaces shop"},
				{"configmaps shop/a"},
			},
		},
		"definition with an owner": {
			reason: "its objects wait for it; other objects of the step do not wait for it to be established",
			things: []thing{
				{what: definition + "tenants.x.org"},
				{what: "tenants.x.org t", custom: true},
				{what: definition + "rooms.x.org", owners: []string{"!tenants.x.org t"}},
				{what: "configmaps shop/c", owners: []string{"tenants.x.org t"}},
				{what: "rooms.x.org shop/r", custom: true},
			},
			want: [][]string{
				{definition + "tenants.x.org"},
				{"tenants.x.org t"},
				{definition + "rooms.x.org"},
				{"configmaps shop/c"},
				{"rooms.x.org shop/r"},
			},
		},
		"definition that its own object owns": {
			reason: "the definition comes first all the same",
			things: []thing{
				{what: "tenants.x.org t", custom: true},
				{what: "clusterroles.rbac.authorization.k8s.io r", owners: []string{"tenants.x.org t"}},
				{what: definition + "tenants.x.org", owners: []string{"clusterroles.rbac.authorization.k8s.io r"}},
			},
			want: [][]string{
				{definition + "tenants.x.org"},
				{"tenants.x.org t"},
				{"clusterroles.rbac.authorization.k8s.io r"},
			},
		},
		"cycle": {
			reason: "it is broken at the reference that closes it on the way from the first key",
			things: []thing{
				{what: "configmaps shop/b", owners: []string{"configmaps shop/c"}},
				{what: "configmaps shop/c", owners: []string{"configmaps shop/a"}},
				{what: "configmaps shop/a", owners: []string{"configmaps shop/b"}},
			},
			want: [][]string{{"configmaps shop/c"}, {"configmaps shop/b"}, {"configmaps shop/a"}},
		},
		"object that owns itself": {
			things: []thing{{what: "configmaps shop/a", owners: []string{"configmaps shop/a"}}},
			want:   [][]string{{"configmaps shop/a"}},
		},
		"claim of a stateful set": {
			reason: "the stateful set would make an empty one first",
			things: []thing{
				{what: "statefulsets.apps shop/db"},
				{what: "persistentvolumeclaims shop/data-db-0", owners: []string{"!statefulsets.apps shop/db"}},
			},
			want: [][]string{{"persistentvolumeclaims shop/data-db-0"}, {"statefulsets.apps shop/db"}},
		},
		"objects behind an API service that Kubernetes registers": {
			reason: "they are those of a definition",
			things: []thing{
				{what: "flows.y.org shop/y", custom: true},
				{what: "pods shop/p"},
				{
					what:   "apiservices.apiregistration.k8s.io v1.y.org",
					labels: map[string]string{"kube-aggregator.kubernetes.io/automanaged": "true"},
				},
			},
			want: [][]string{{"flows.y.org shop/y"}, {"pods shop/p"}},
		},
		"reading": {
			reason: "within a wave, objects are in the order of their frames",
			things: []thing{
				{what: "configmaps shop/a", frame: 30},
				{what: "configmaps shop/b", frame: 10},
				{what: "secrets shop/c", frame: 20},
			},
			want: [][]string{{"configmaps shop/b", "secrets shop/c", "configmaps shop/a"}},
		},
	}
	for name, test := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			plan := planOf(t, test.things...)
			if diff := cmp.Diff(test.want, waves(plan)); diff != "" {
				t.Errorf("%s: waves (-want +got):\n%s", test.reason, diff)
			}
			for _, wave := range plan.Waves {
				if wave.Name == "" || wave.Why == "" {
					t.Errorf("wave %q has its place because %q", wave.Name, wave.Why)
				}
				isDefinition := wave.Items[0].Kind.Resource == "customresourcedefinitions"
				if wave.Definitions != isDefinition {
					t.Errorf("wave of %s: definitions is %t", wave.Items[0].Key(), wave.Definitions)
				}
			}
		})
	}
}

func TestItems(t *testing.T) {
	t.Parallel()
	plan := planOf(t,
		thing{what: "namespaces shop"},
		thing{what: "serviceaccounts shop/default"},
		thing{what: "serviceaccounts shop/mine"},
		thing{what: "deployments.apps shop/d"},
		thing{what: "replicasets.apps shop/r", owners: []string{"!deployments.apps shop/d"}},
		thing{what: "statefulsets.apps other/s", frame: 7},
		thing{what: "configmaps other/c", owners: []string{"statefulsets.apps other/s"}},
	)
	found := map[string]*restoreplan.Item{}
	for _, wave := range plan.Waves {
		for _, item := range wave.Items {
			found[item.Kind.Resource+" "+item.Name] = item
		}
	}
	if diff := cmp.Diff([]string{"other", "shop"}, plan.Namespaces); diff != "" {
		t.Errorf("namespaces (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"other"}, plan.Awaited); diff != "" {
		t.Errorf("namespaces that must be there (-want +got):\n%s", diff)
	}
	for name, want := range map[string][2]bool{
		"namespaces shop": {}, "serviceaccounts default": {false, true}, "serviceaccounts mine": {},
		"deployments d": {}, "statefulsets s": {true, false}, "configmaps c": {},
	} {
		if got := [2]bool{found[name].Owns, found[name].ClusterMade}; got != want {
			t.Errorf("%s: owns and cluster-made are %v, want %v", name, got, want)
		}
	}
	thing := thing{what: "statefulsets.apps other/s", frame: 7}
	want := thing.record()
	want.UID, want.Owners = "", nil
	if diff := cmp.Diff(want, found["statefulsets s"].Record()); diff != "" {
		t.Errorf("record (-want +got):\n%s", diff)
	}
	if found["statefulsets s"].ID != restoreplan.IDOf("statefulsets.apps other/s") {
		t.Error("the item has another ID than its UID")
	}
	if found["statefulsets s"].SameFrame(found["configmaps c"]) || !found["deployments d"].SameFrame(found["configmaps c"]) {
		t.Error("frames are confused")
	}
}

// The page about restores has the order of kinds as it is.
func TestOrderIsDocumented(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../../docs/restore.md")
	if err != nil {
		t.Fatal(err)
	}
	plan := planOf(t,
		thing{what: "customresourcedefinitions.apiextensions.k8s.io wells.x.org"}, thing{what: "namespaces shop"},
		thing{what: "storageclasses.storage.k8s.io c"}, thing{what: "persistentvolumes v"},
		thing{what: "serviceaccounts shop/a"}, thing{what: "secrets shop/s"}, thing{what: "services shop/s"},
		thing{what: "wells.x.org shop/w", custom: true}, thing{what: "pods shop/p"}, thing{what: "ingresses.networking.k8s.io shop/i"},
		thing{what: "resourcequotas shop/q"}, thing{what: "apiservices.apiregistration.k8s.io v1.y.org"},
		thing{what: "flows.y.org shop/f", custom: true},
		thing{what: "validatingwebhookconfigurations.admissionregistration.k8s.io v"},
	)
	from := 0
	for number, wave := range plan.Waves {
		begin := strings.Index(string(page[from:]), fmt.Sprintf("| %d. %s |", number+1, wave.Name))
		if begin < 0 {
			t.Fatalf("the page has no row %d for %s after those before it", number+1, wave.Name)
		}
		line, _, _ := strings.Cut(string(page[from+begin:]), "\n")
		if !strings.Contains(line, wave.Why) {
			t.Errorf("the page does not say of %s that %s", wave.Name, wave.Why)
		}
		from += begin
	}
}

func TestBadInput(t *testing.T) {
	t.Parallel()
	good := thing{what: "configmaps shop/a"}.record()
	for name, digest := range map[string]archive.Digest{
		"none": "", "short": "sha256:00", "no digits": good.Digest[:len(good.Digest)-1] + "x",
	} {
		bad := good
		bad.Digest = digest
		if err := restoreplan.NewPlanner().Add(&bad); !errors.Is(err, core.ErrInvalid) {
			t.Errorf("digest %s: error is %v", name, err)
		}
	}
	planner := restoreplan.NewPlanner()
	for range 2 {
		if err := planner.Add(&good); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := planner.Plan(); !errors.Is(err, core.ErrInvalid) {
		t.Errorf("an object that comes twice: error is %v", err)
	}
}

func TestOwnerFinder(t *testing.T) {
	t.Parallel()
	deployment := core.Kind{Group: "apps", Version: "v1", Name: "Deployment", Resource: "deployments", Namespaced: true}
	namespace := core.Kind{Version: "v1", Name: "Namespace", Resource: "namespaces"}
	finder := restoreplan.NewOwnerFinder([]core.Kind{deployment, namespace})
	type answer struct {
		Kind      core.Kind
		Namespace string
		Found     bool
	}
	cases := map[string]struct {
		namespace string
		owner     core.Owner
		want      answer
	}{
		"namespaced":         {"shop", core.Owner{APIVersion: "apps/v1", Kind: "Deployment"}, answer{deployment, "shop", true}},
		"other version":      {"shop", core.Owner{APIVersion: "apps/v1beta2", Kind: "Deployment"}, answer{deployment, "shop", true}},
		"cluster scope":      {"shop", core.Owner{APIVersion: "v1", Kind: "Namespace"}, answer{namespace, "", true}},
		"both cluster scope": {"", core.Owner{APIVersion: "v1", Kind: "Namespace"}, answer{namespace, "", true}},
		"against the rules":  {"", core.Owner{APIVersion: "apps/v1", Kind: "Deployment"}, answer{}},
		"not served":         {"shop", core.Owner{APIVersion: "x.org/v1", Kind: "Deployment"}, answer{}},
		"no version":         {"shop", core.Owner{APIVersion: "a/b/c", Kind: "Deployment"}, answer{}},
	}
	for name, test := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			kind, at, found := finder.Find(test.namespace, test.owner)
			if diff := cmp.Diff(test.want, answer{kind, at, found}); diff != "" {
				t.Errorf("found (-want +got):\n%s", diff)
			}
		})
	}
}
