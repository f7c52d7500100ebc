package restoreplan_test

import (
	"testing"

	utiljson "k8s.io/apimachinery/pkg/util/json"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/restoreplan"
)

func TestMakesClaim(t *testing.T) {
	sets := core.Kind{Group: "apps", Version: "v1", Name: "StatefulSet", Resource: "statefulsets", Namespaced: true}
	deployments := core.Kind{Group: "apps", Version: "v1", Name: "Deployment", Resource: "deployments", Namespaced: true}
	const templates = `"volumeClaimTemplates":[{"metadata":{"name":"log"}},{"metadata":{"name":"data"}}]`
	for name, test := range map[string]struct {
		kind        core.Kind
		spec, claim string
		want        bool
	}{
		"the first pod":              {kind: sets, spec: templates, claim: "data-db-0", want: true},
		"another template":           {kind: sets, spec: templates, claim: "log-db-0", want: true},
		"one replica if none said":   {kind: sets, spec: templates, claim: "data-db-1"},
		"the last pod":               {kind: sets, spec: `"replicas":3,` + templates, claim: "data-db-2", want: true},
		"beyond the replicas":        {kind: sets, spec: `"replicas":3,` + templates, claim: "data-db-3"},
		"scaled to nothing":          {kind: sets, spec: `"replicas":0,` + templates, claim: "data-db-0"},
		"before the first ordinal":   {kind: sets, spec: `"replicas":2,"ordinals":{"start":5},` + templates, claim: "data-db-4"},
		"counted from the first":     {kind: sets, spec: `"replicas":2,"ordinals":{"start":5},` + templates, claim: "data-db-6", want: true},
		"of another StatefulSet":     {kind: sets, spec: templates, claim: "data-web-0"},
		"not a number":               {kind: sets, spec: templates, claim: "data-db-x"},
		"not as a number is written": {kind: sets, spec: `"replicas":9,` + templates, claim: "data-db-01"},
		"no template":                {kind: sets, spec: `"replicas":9`, claim: "data-db-0"},
		"another kind":               {kind: deployments, spec: templates, claim: "data-db-0"},
	} {
		t.Run(name, func(t *testing.T) {
			var object map[string]any
			if err := utiljson.Unmarshal([]byte(`{"metadata":{"name":"db"},"spec":{`+test.spec+`}}`), &object); err != nil {
				t.Fatal(err)
			}
			if got := restoreplan.MakesClaim(test.kind, object, test.claim); got != test.want {
				t.Errorf("%s: %t", test.claim, got)
			}
		})
	}
}
