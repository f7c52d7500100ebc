package selection_test

import (
	"testing"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/selection"
)

// FuzzCompileResource checks that a filter either has a problem, with its field and reason, or can be asked of any object.
func FuzzCompileResource(f *testing.F) {
	f.Add("deployments.apps", "web-.*", true, "web-1")
	f.Add("*", "(", true, "")
	f.Add("Pod", `\pL{1000}{1000}`, true, "é")
	f.Add("", "a", false, "a")
	f.Add("/^(config|secret)s?$/", "x**", false, "x")
	f.Add("a.b.c/d", "\xff", true, "\x00")
	f.Fuzz(func(t *testing.T, kind, name string, regular bool, object string) {
		filter := selection.ResourceFilter{Kind: kind, Name: name, IsRegex: regular}
		resource, problems := selection.CompileResource("spec.x[0]", filter)
		if len(problems) > 0 {
			if problems[0].Message == "" || problems[0].Reason == "" || problems[0].Field == "" {
				t.Errorf("a problem that says nothing: %+v", problems[0])
			}
			return
		}
		pods := core.Kind{Version: "v1", Name: "Pod", Resource: "pods", Singular: "pod", Namespaced: true}
		if every := name == "" || name == "*"; !regular && !every && object != name && resource.Takes(pods, object) {
			t.Errorf("%q, which is no expression, takes %q", name, object)
		}
	})
}
