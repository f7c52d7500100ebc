package restoreplan_test

import (
	"testing"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/restoreplan"
)

func TestInterchangeable(t *testing.T) {
	cases := map[string]struct {
		group, resource, from, to, definition string
		want                                  bool
	}{
		"CronJob":          {"batch", "cronjobs", "v1beta1", "v1", "", true},
		"CronJobBack":      {"batch", "cronjobs", "v1", "v1beta1", "", true},
		"OldCronJob":       {"batch", "cronjobs", "v2alpha1", "v1", "", false},
		"Ingress":          {"networking.k8s.io", "ingresses", "v1beta1", "v1", "", false},
		"DisruptionBudget": {"policy", "poddisruptionbudgets", "v1beta1", "v1", "", false},
		"ByName":           {"example.com", "wells", "v1alpha1", "v1", `{"spec": {"conversion": {"strategy": "None"}}}`, true},
		"ByDefault":        {"example.com", "wells", "v1alpha1", "v1", `{"spec": {}}`, true},
		"ByWebhook":        {"example.com", "wells", "v1alpha1", "v1", `{"spec": {"conversion": {"strategy": "Webhook"}}}`, false},
		"Aggregated":       {"example.com", "wells", "v1alpha1", "v1", "", false},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			var definition map[string]any
			if tc.definition != "" {
				definition = decoded(t, tc.definition)
			}
			kind := core.Kind{Group: tc.group, Resource: tc.resource, Version: tc.from}
			if got := restoreplan.Interchangeable(kind, tc.to, definition); got != tc.want {
				t.Errorf("got %v", got)
			}
		})
	}
}

// All objects of a kind are sent in the other version, and are read from where they were.
func TestSendAs(t *testing.T) {
	plan := planOf(t, thing{what: "wells.example.com shop/a"}, thing{what: "wells.example.com shop/b"}, thing{what: "configmaps shop/c"})
	plan.SendAs(core.Kind{Group: "example.com", Resource: "wells", Version: "v1"}, "v2")
	for _, wave := range plan.Waves {
		for _, item := range wave.Items {
			want := map[string]string{"wells": "v2", "configmaps": "v1"}[item.Kind.Resource]
			if item.Kind.Version != want || item.Record().Frame.Segment != "segment" {
				t.Errorf("%s is sent in version %s, want %s", item.Key(), item.Kind.Version, want)
			}
		}
	}
}
