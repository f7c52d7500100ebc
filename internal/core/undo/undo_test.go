package undo_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/types"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/undo"
)

const uid = "11-22"

// ours is an entry of the restore in an object's account.
var ours = core.Manager{Name: "kahu-restore-" + uid}

// object makes an object out of plural.group, namespace/name and who wrote it; its UID is plural/namespace/name.
func object(kind, name string, managers ...core.Manager) core.Living {
	resource, group, _ := strings.Cut(kind, ".")
	namespace, plain, namespaced := strings.Cut(name, "/")
	if !namespaced {
		namespace, plain = "", name
	}
	return core.Living{
		Kind:      core.Kind{Group: group, Resource: resource, Namespaced: namespaced},
		Namespace: namespace, Name: plain, UID: types.UID(resource + "/" + name), Managers: managers,
	}
}

// generation makes an object of the kind that has been changed so often.
func generation(living core.Living, kind string, number int64) core.Living {
	made := object(kind, living.Namespace+"/"+living.Name, living.Managers...)
	made.Generation = number
	return made
}

func ownedBy(living core.Living, kind string, owners ...core.Living) core.Living {
	for _, owner := range owners {
		living.Owners = append(living.Owners, core.Owner{Kind: kind, UID: owner.UID})
	}
	return living
}

func bound(living core.Living) core.Living {
	living.Bound = true
	return living
}

func finalized(living core.Living, names ...string) core.Living {
	living.Finalizers = names
	return living
}

func TestJudge(t *testing.T) {
	by := func(names ...string) core.Living {
		managers := []core.Manager{ours}
		for _, name := range names {
			name, subresource, _ := strings.Cut(name, ":")
			managers = append(managers, core.Manager{Name: name, Subresource: subresource})
		}
		return object("configmaps", "shop/a", managers...)
	}
	cases := map[string]struct {
		reason string
		living core.Living
		made   bool
		want   string
	}{
		"Plain":        {"as it was created", by(), true, ""},
		"Foreign":      {"nobody of ours wrote it", object("configmaps", "shop/a", core.Manager{Name: "kubectl"}), false, ""},
		"Unaccounted":  {"what has no account is not ours", object("configmaps", "shop/a"), false, ""},
		"OtherRestore": {"another restore's is not ours", object("configmaps", "shop/a", core.Manager{Name: "kahu-restore-33"}), false, ""},
		"Updated":      {"one that was there and updated is not ours", object("configmaps", "shop/a", core.Manager{Name: "kahu-restore-update-" + uid}), false, ""},
		"OursInStatus": {"our status alone does not make it ours", object("pods", "shop/a", core.Manager{Name: ours.Name, Subresource: "status"}), false, ""},
		"Changed":      {"a person changed it", by("kubectl-edit"), true, undo.ReasonChanged},
		"ThenUpdated":  {"another restore wrote over it", by("kahu-restore-update-33"), true, undo.ReasonChanged},
		"Controllers":  {"controllers of Kubernetes did their work", by("kube-controller-manager", "kubelet"), true, ""},
		"Status":       {"anybody may report a status", by("operator:status"), true, ""},
		"ScaledByOne":  {"a person has scaled it", by("kubectl:scale"), true, undo.ReasonChanged},
		"Autoscaled":   {"an autoscaler has scaled it", by("kube-controller-manager:scale"), true, ""},
		"Subresource":  {"another subresource is a change", by("operator:token"), true, undo.ReasonChanged},
		"Made":         {"a new object is in its first generation", generation(by(), "deployments.apps", 1), true, ""},
		"Trimmed":      {"somebody took a field away", generation(by(), "deployments.apps", 2), true, undo.ReasonChanged},
		"StatusOnly":   {"who reports a status changes no generation", generation(by("kube-controller-manager:status"), "deployments.apps", 2), true, undo.ReasonChanged},
		"Scaled":       {"a scaling is harmless, and changes it", generation(by("kube-controller-manager:scale"), "deployments.apps", 2), true, ""},
		"ByController": {"a controller of Kubernetes changed it", generation(by("kube-controller-manager"), "endpointslices.discovery.k8s.io", 3), true, ""},
		"Released":     {"the restore itself released the Job", generation(by(), "jobs.batch", 2), true, ""},
		"TrimmedJob":   {"more than that is a change", generation(by(), "jobs.batch", 3), true, undo.ReasonChanged},
		"Pod":          {"a node was found for the Pod", generation(by("kubelet:status"), "pods", 2), true, ""},
		"Volume":       {"a volume is data", object("persistentvolumes", "v", ours), true, undo.ReasonHoldsData},
		"Bound":        {"a claim that was bound may hold data", bound(object("persistentvolumeclaims", "shop/c", ours)), true, undo.ReasonHoldsData},
		"Unbound":      {"one that was not holds none", object("persistentvolumeclaims", "shop/c", ours), true, ""},
		"Finalizer": {
			"a finalizer of an operator stands for something",
			finalized(object("buckets.example.com", "shop/b", ours), "example.com/bucket"), true, undo.ReasonHasFinalizers,
		},
		"OwnFinalizers": {
			"those of Kubernetes do not",
			finalized(object("services", "shop/b", ours), "service.kubernetes.io/load-balancer-cleanup", "kubernetes.io/pvc-protection"), true, "",
		},
		"FalseFriend": {
			"a domain below Kubernetes' own is another one",
			finalized(object("services", "shop/b", ours), "external.kubernetes.io/x"), true, undo.ReasonHasFinalizers,
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			got := undo.Judge(tc.living, uid)
			if got.Made != tc.made || got.Reason != tc.want || (got.Message == "") != (tc.want == "") {
				t.Errorf("%s: got %+v", tc.reason, got)
			}
		})
	}
}

// shown returns a plan as text: the steps, and what stays.
func shown(plan *undo.Plan) (steps, kept []string) {
	for _, step := range plan.Steps {
		var names []string
		for _, row := range step {
			names = append(names, string(row.Living.UID))
		}
		steps = append(steps, strings.Join(names, " "))
	}
	for _, row := range plan.Kept {
		kept = append(kept, fmt.Sprintf("%s: %s", row.Living.UID, row.Reason))
	}
	return steps, kept
}

func TestPlan(t *testing.T) {
	const definition = "customresourcedefinitions.apiextensions.k8s.io"
	person, kubernetes := core.Manager{Name: "kubectl"}, core.Manager{Name: "kube-controller-manager"}
	space := object("namespaces", "shop", ours)
	web := object("deployments.apps", "shop/web", ours)
	database := object("databases.example.com", "shop/main", ours)
	databases := object(definition, "databases.example.com", ours)
	set := object("statefulsets.apps", "shop/db", ours)
	operators := core.Manager{Name: "operator"}
	inner := ownedBy(object("deployments.apps", "shop/made", operators), "Database", database)
	cases := map[string]struct {
		reason  string
		objects []core.Living
		steps   []string
		kept    []string
	}{
		"Order": {
			"owned objects before their owners, then against the order of a restore, namespaces and definitions last",
			[]core.Living{
				databases, space, object("configmaps", "shop/a", ours), web, database,
				ownedBy(object("secrets", "shop/password", ours), "Database", database),
			},
			[]string{
				"secrets/shop/password", "deployments/shop/web", "databases/shop/main", "configmaps/shop/a", "namespaces/shop",
				"customresourcedefinitions/databases.example.com",
			},
			nil,
		},
		"ChangedKeepsOwner": {
			"what was changed would go with its owner",
			[]core.Living{
				database, ownedBy(object("secrets", "shop/password", ours, person), "Database", database), object("secrets", "shop/other", ours),
			},
			[]string{"secrets/shop/other"},
			[]string{"databases/shop/main: OwnsKept", "secrets/shop/password: Changed"},
		},
		"ForeignInNamespace": {
			"what others put into a namespace keeps it",
			[]core.Living{space, web, object("configmaps", "shop/theirs", person)},
			[]string{"deployments/shop/web"},
			[]string{"namespaces/shop: NotEmpty"},
		},
		"ChangedInNamespace": {
			"what was changed keeps its namespace",
			[]core.Living{space, web, object("configmaps", "shop/a", ours, person)},
			[]string{"deployments/shop/web"},
			[]string{"configmaps/shop/a: Changed", "namespaces/shop: NotEmpty"},
		},
		"ClusterInNamespace": {
			"what Kubernetes makes in every namespace does not",
			[]core.Living{
				space, object("configmaps", "shop/kube-root-ca.crt", kubernetes), object("serviceaccounts", "shop/default"),
				object("events", "shop/e", operators),
			},
			[]string{"namespaces/shop"},
			nil,
		},
		"DefaultAccountStays": {
			"whatever is left in the namespace needs the account of every namespace",
			[]core.Living{
				object("serviceaccounts", "shop/default", ours), object("serviceaccounts", "shop/web", ours),
			},
			[]string{"serviceaccounts/shop/web"},
			nil,
		},
		"Dependents": {
			"what operators made for an object of the restore goes with it",
			[]core.Living{
				space, database, ownedBy(object("configmaps", "shop/inner", operators), "Deployment", inner), inner,
			},
			[]string{"databases/shop/main", "namespaces/shop"},
			nil,
		},
		"TwoOwners": {
			"what has another owner does not",
			[]core.Living{
				space, web, ownedBy(object("configmaps", "shop/shared", operators), "Any", web, object("x", "shop/theirs")),
			},
			[]string{"deployments/shop/web"},
			[]string{"namespaces/shop: NotEmpty"},
		},
		"ForeignOfDefinition": {
			"other custom resources keep their definition",
			[]core.Living{databases, database, object("databases.example.com", "other/theirs", person)},
			[]string{"databases/shop/main"},
			[]string{"customresourcedefinitions/databases.example.com: NotEmpty"},
		},
		"ClaimOfSet": {
			"a claim with data that would go with its StatefulSet keeps it, and the namespace",
			[]core.Living{
				space, set, bound(ownedBy(object("persistentvolumeclaims", "shop/data-db-0", kubernetes), "StatefulSet", set)),
			},
			nil,
			[]string{"namespaces/shop: NotEmpty", "statefulsets/shop/db: OwnsKept"},
		},
		"ClaimOfPod": {
			"the claim of a Pod lives as long as that",
			[]core.Living{
				object("pods", "shop/p", ours),
				bound(ownedBy(object("persistentvolumeclaims", "shop/p-cache", kubernetes), "Pod", object("pods", "shop/p"))),
			},
			[]string{"pods/shop/p"},
			nil,
		},
		"OwnerOfContainer": {
			"the owner of a namespace that stays is kept",
			[]core.Living{
				ownedBy(space, "Tenant", object("tenants.example.com", "t")), object("configmaps", "shop/theirs", person),
				object("tenants.example.com", "t", ours),
			},
			nil,
			[]string{"namespaces/shop: NotEmpty", "tenants/t: OwnsKept"},
		},
		"Circle": {
			"owners in a circle go together",
			[]core.Living{
				ownedBy(object("configmaps", "shop/a", ours), "ConfigMap", object("configmaps", "shop/b")),
				ownedBy(object("configmaps", "shop/b", ours), "ConfigMap", object("configmaps", "shop/a")),
			},
			[]string{"configmaps/shop/a", "configmaps/shop/b"},
			nil,
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			survey := undo.NewSurvey(uid, nil)
			for _, living := range tc.objects {
				survey.Add(living)
				survey.Add(living) // A list that is begun again shows it twice.
			}
			steps, kept := shown(survey.Plan())
			slices.Sort(kept)
			if diff := cmp.Diff(tc.steps, steps); diff != "" {
				t.Errorf("%s: steps %s", tc.reason, diff)
			}
			if diff := cmp.Diff(tc.kept, kept); diff != "" {
				t.Errorf("%s: kept %s", tc.reason, diff)
			}
		})
	}
}

func TestTerminatingAndBlind(t *testing.T) {
	going := object("configmaps", "shop/going", ours)
	going.Terminating = true
	survey := undo.NewSurvey(uid, nil)
	survey.Blind("metrics.k8s.io is away")
	for _, living := range []core.Living{object("namespaces", "shop", ours), going, object("configmaps", "shop/a", ours)} {
		survey.Add(living)
	}
	plan := survey.Plan()
	steps, kept := shown(plan)
	if diff := cmp.Diff([]string{"configmaps/shop/a"}, steps); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"namespaces/shop: NotEmpty"}, kept); diff != "" {
		t.Error(diff)
	}
	if plan.Deleted() != 1 || plan.Inside("namespaces/shop") != "metrics.k8s.io is away" {
		t.Errorf("%d go, and in the namespace is %q", plan.Deleted(), plan.Inside("namespaces/shop"))
	}
}

// TestWhyNotEmpty: what keeps a namespace is named, and why that stays where nobody can say who made it.
func TestWhyNotEmpty(t *testing.T) {
	for message, inside := range map[string]core.Living{
		"configmaps shop/a is in it, and stays":                                                  object("configmaps", "shop/a", core.Manager{Name: "kubectl"}),
		"configmaps shop/a is in it, and stays: nobody can say who made it, as it has no fields": object("configmaps", "shop/a"),
	} {
		survey := undo.NewSurvey(uid, nil)
		survey.Add(object("namespaces", "shop", ours))
		survey.Add(inside)
		kept := survey.Plan().Kept
		if len(kept) != 1 || kept[0].Message != message {
			t.Errorf("kept %+v, want: %s", kept, message)
		}
	}
}
