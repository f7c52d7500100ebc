package transform_test

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/transform"
)

func TestAddInit(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		kind         core.Kind
		before, want string
		path         string
	}{
		"a pod":        {core.Kind{Resource: "pods"}, `{"spec":{}}`, `{"spec":{"initContainers":[{"name":"new"}]}}`, "spec.initContainers"},
		"before its":   {core.Kind{Resource: "pods"}, `{"spec":{"initContainers":[{"name":"own"}]}}`, `{"spec":{"initContainers":[{"name":"new"},{"name":"own"}]}}`, "spec.initContainers"},
		"a template":   {core.Kind{Group: "apps", Resource: "statefulsets"}, `{"spec":{"template":{"spec":{}}}}`, `{"spec":{"template":{"spec":{"initContainers":[{"name":"new"}]}}}}`, "spec.template.spec.initContainers"},
		"a CronJob":    {core.Kind{Group: "batch", Resource: "cronjobs"}, `{"spec":{"jobTemplate":{"spec":{"template":{"spec":{}}}}}}`, `{"spec":{"jobTemplate":{"spec":{"template":{"spec":{"initContainers":[{"name":"new"}]}}}}}}`, "spec.jobTemplate.spec.template.spec.initContainers"},
		"another kind": {core.Kind{Resource: "configmaps"}, `{"spec":{}}`, `{"spec":{}}`, ""},
		"no spec":      {core.Kind{Resource: "pods"}, `{}`, `{}`, ""},
	}
	for name, test := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var object, want map[string]any
			for text, into := range map[string]*map[string]any{test.before: &object, test.want: &want} {
				if err := json.Unmarshal([]byte(text), into); err != nil {
					t.Fatal(err)
				}
			}
			if test.before == test.want {
				object = want
			}
			changes := transform.AddInit(test.kind, object, []any{map[string]any{"name": "new"}}, "asked")
			if diff := cmp.Diff(want, object); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if (len(changes) > 0) != (test.path != "") || len(changes) > 0 && changes[0].Path != test.path {
				t.Errorf("changes are %v", changes)
			}
		})
	}
}
