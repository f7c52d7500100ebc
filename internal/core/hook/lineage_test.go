package hook_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/types"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/hook"
)

func familyKinds() []core.Kind {
	return []core.Kind{
		hook.PodKind(),
		{Group: "apps", Version: "v1", Name: "Deployment", Resource: "deployments", Namespaced: true},
		{Group: "apps", Version: "v1", Name: "ReplicaSet", Resource: "replicasets", Namespaced: true},
		{Group: "batch", Version: "v1", Name: "CronJob", Resource: "cronjobs", Namespaced: true},
		{Group: "batch", Version: "v1", Name: "Job", Resource: "jobs", Namespaced: true},
	}
}

// member is an object of shop; its UID is its name.
func member(resource, name, hash string, owner *core.Owner) core.Object {
	at := slices.IndexFunc(familyKinds(), func(kind core.Kind) bool { return kind.Resource == resource })
	made := core.Object{Kind: familyKinds()[at], Namespace: "shop", Name: name, UID: types.UID(name)}
	if hash != "" {
		made.Labels = map[string]string{"pod-template-hash": hash}
	}
	if owner != nil {
		made.Owners = []core.Owner{{APIVersion: "v1", Kind: "Other", Name: "other", UID: "other"}, *owner}
	}
	return made
}

func controller(apiVersion, kind, name string) *core.Owner {
	return &core.Owner{APIVersion: apiVersion, Kind: kind, Name: name, UID: types.UID(name), Controller: true}
}

func TestLineage(t *testing.T) {
	t.Parallel()
	deployment := member("deployments", "web", "", nil)
	replicaSet := member("replicasets", "web-5d8", "5d8", controller("apps/v1", "Deployment", "web"))
	pod := member("pods", "web-5d8-abc", "5d8", controller("apps/v1", "ReplicaSet", "web-5d8"))
	of := func(name, owner, apiVersion, kind, hash string) core.Object {
		return member("pods", name, hash, controller(apiVersion, kind, owner))
	}
	unlike, nightly := of("x", "web-5d8", "apps/v1", "ReplicaSet", "zzz"), of("x", "nightly-29384756", "batch/v1", "Job", "")
	imports, sailing := of("x", "import-2", "batch/v1", "Job", ""), of("x", "a", "example.com/v1", "Sail", "")
	circle := []core.Object{
		member("jobs", "a", "", controller("batch/v1", "Job", "b")), member("jobs", "b", "", controller("batch/v1", "Job", "a")),
	}
	cases := map[string]struct {
		backup []core.Object
		of     core.Object
		want   []string
		passes int
	}{
		"in the order of the index":          {[]core.Object{pod, replicaSet, deployment}, pod, []string{"ReplicaSet web-5d8", "Deployment web"}, 2},
		"owners come first":                  {[]core.Object{deployment, replicaSet, pod}, pod, []string{"ReplicaSet web-5d8", "Deployment web"}, 4},
		"without the ReplicaSet":             {[]core.Object{deployment, pod}, pod, []string{"ReplicaSet web-5d8", "Deployment web"}, 2},
		"without both":                       {[]core.Object{pod}, pod, []string{"ReplicaSet web-5d8", "Deployment web"}, 2},
		"of a ReplicaSet":                    {[]core.Object{deployment, replicaSet}, replicaSet, []string{"Deployment web"}, 2},
		"no controller":                      {[]core.Object{deployment, member("pods", "lone", "", nil)}, member("pods", "lone", "", nil), nil, 1},
		"a hash that is no part of the name": {[]core.Object{unlike}, unlike, []string{"ReplicaSet web-5d8"}, 2},
		"of a CronJob":                       {[]core.Object{nightly}, nightly, []string{"Job nightly-29384756", "CronJob nightly"}, 2},
		"a Job with a number":                {[]core.Object{imports}, imports, []string{"Job import-2"}, 2},
		"a kind that nobody knows":           {[]core.Object{sailing}, sailing, nil, 2},
		"two that own one another":           {circle, circle[0], slices.Repeat([]string{"Job b", "Job a"}, 4), 2},
		"not in the backup":                  {nil, pod, nil, 1},
	}
	for name, test := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			lineage := hook.NewLineage(familyKinds(), []core.Key{test.of.Key()})
			passes := 0
			for ; lineage.Next(); passes++ {
				for _, object := range test.backup {
					lineage.See(object)
				}
				if passes > 10 {
					t.Fatal("it does not end")
				}
			}
			var got []string
			for _, owner := range lineage.Owners(test.of.Key()) {
				got = append(got, owner.Kind.Name+" "+owner.Name)
				if owner.UID != "" {
					t.Errorf("%s has the UID %s", owner.Name, owner.UID)
				}
			}
			if diff := cmp.Diff(test.want, got); diff != "" || passes > test.passes {
				t.Errorf("%d passes (-want +got):\n%s", passes, diff)
			}
		})
	}
}

// TestNoLineage: nobody asks about anything.
func TestNoLineage(t *testing.T) {
	t.Parallel()
	var none *hook.Lineage
	if none.Owners(core.Key{}) != nil || hook.NewLineage(nil, nil).Next() {
		t.Error("there is one")
	}
}
