package backup_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/selection"
	"github.com/soda-cdm/kahu/internal/testkit/fakecluster"
	"github.com/soda-cdm/kahu/internal/testkit/world"
)

// TestParametersOfPolicies: a binding of an admission policy brings its parameters, of which only the policy says what
// they are, whichever of the two is read first; one that names none, or in no one namespace, brings none.
func TestParametersOfPolicies(t *testing.T) {
	const group = "admissionregistration.k8s.io"
	w := world.New(t)
	w.Cluster = fakecluster.New(append(world.AllKinds(),
		fakecluster.Kind(group, "ValidatingAdmissionPolicy", "validatingadmissionpolicies", false),
		fakecluster.Kind(group, "ValidatingAdmissionPolicyBinding", "validatingadmissionpolicybindings", false))...)
	policy := fakecluster.Kind(group, "ValidatingAdmissionPolicy", "validatingadmissionpolicies", false)
	binding := fakecluster.Kind(group, "ValidatingAdmissionPolicyBinding", "validatingadmissionpolicybindings", false)
	w.Cluster.Put(t, policy, "", "limits", `{"spec":{"paramKind":{"apiVersion":"v1","kind":"ConfigMap"}}}`)
	w.Cluster.Put(t, policy, "", "plain", `{"spec":{}}`)
	for name, spec := range map[string]string{
		"strict":   `{"policyName":"limits","paramRef":{"name":"strict","namespace":"rules","parameterNotFoundAction":"Deny"}}`,
		"any":      `{"policyName":"limits","paramRef":{"name":"strict","parameterNotFoundAction":"Deny"}}`,
		"chosen":   `{"policyName":"limits","paramRef":{"selector":{"matchLabels":{"a":"b"}},"namespace":"rules"}}`,
		"plain":    `{"policyName":"plain","paramRef":{"name":"other","namespace":"rules"}}`,
		"nobody's": `{"policyName":"gone","paramRef":{"name":"other","namespace":"rules"}}`,
	} {
		w.Cluster.Put(t, binding, "", name, `{"spec":`+spec+`}`)
	}
	w.Cluster.Put(t, world.Namespaces, "", "rules", `{}`)
	for _, name := range []string{"strict", "other"} {
		w.Cluster.Put(t, world.ConfigMaps, "rules", name, `{}`)
	}
	for name, kinds := range map[string][]string{
		"the bindings bring the policies": {"ValidatingAdmissionPolicyBinding"},
		"both are selected":               {"ValidatingAdmissionPolicyBinding", "ValidatingAdmissionPolicy"},
	} {
		t.Run(name, func(t *testing.T) {
			filters := selection.Filters{}
			for _, kind := range kinds {
				filters.IncludeResources = append(filters.IncludeResources, selection.ResourceFilter{Kind: kind})
			}
			result, err := w.Backup(fmt.Sprint("policies", len(kinds)), filters)
			if err != nil || !result.Manifest.Complete {
				t.Fatalf("got %v, missing %+v", err, result.Missing)
			}
			got := map[string]core.Reason{}
			for key, reason := range w.Reasons(result.Manifest) {
				if reason != core.Selected && key != "validatingadmissionpolicies."+group+" limits" &&
					key != "validatingadmissionpolicies."+group+" plain" {
					got[key] = reason
				}
			}
			want := map[string]core.Reason{
				"configmaps rules/strict": "needed by ValidatingAdmissionPolicyBinding strict",
				"namespaces rules":        "needed by ConfigMap rules/strict",
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}
