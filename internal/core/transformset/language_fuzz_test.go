package transformset_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	utiljson "k8s.io/apimachinery/pkg/util/json"

	"github.com/soda-cdm/kahu/internal/core/transformset"
)

// FuzzCondition asks any condition that compiles of any object: it is true or it is not, twice the same, or it says why it
// cannot be told, without a value of the object. The object stays as it is.
func FuzzCondition(f *testing.F) {
	for _, condition := range []string{
		`object.spec.replicas > 2`, `object.metadata.name == "web"`, `has(object.spec.template) && object.kind == "Deployment"`,
		`object.?spec.paused.orValue(false)`, `object.spec.template.spec.containers.exists(c, c.image.startsWith("nginx"))`,
		`object.metadata.labels["app"] in ["web", "db"]`, `object.spec`, `object.spec.replicas`, `1 + 1 == 2`, `"a`,
		`object.spec.template.spec.containers.all(c, c.name.matches("^[a-z]+$"))`, `size(object.metadata.labels) > 0`,
		`[1, 2, 3].map(x, [1, 2, 3].map(y, x * y)).size() == 3`, `duration("1h") > duration("1m")`, `type(object) == map`,
	} {
		f.Add(condition, []byte(deployment))
	}
	f.Fuzz(func(t *testing.T, condition string, text []byte) {
		var object map[string]any
		if utiljson.Unmarshal(text, &object) != nil || object == nil || condition == "" {
			t.Skip()
		}
		program, problems := transformset.Compile(one(transformset.Transform{
			Match: transformset.Match{Condition: condition}, MergePatch: json.RawMessage(`{"spec":{"fuzz":"was here"}}`),
		}))
		if len(problems) > 0 {
			for _, problem := range problems {
				if problem.Message == "" || strings.Contains(problem.Message, "\n") {
					t.Errorf("the problem is %+v", problem)
				}
			}
			return
		}
		first, second := read(t, string(text)), read(t, string(text))
		applied, err := program.Apply(target(), first)
		again, errAgain := program.Apply(target(), second)
		if (err == nil) != (errAgain == nil) || len(applied.Changes) != len(again.Changes) || !cmp.Equal(first, second) {
			t.Errorf("once %v, %v, and then %v, %v", applied, err, again, errAgain)
		}
		if failed := new(transformset.FailedError); err != nil && !errors.As(err, &failed) {
			t.Errorf("no failure of a transform: %v", err)
		}
	})
}

// FuzzMappings maps images and storage classes of any object: what a mapping is not about stays, and a mapping to itself
// changes nothing.
func FuzzMappings(f *testing.F) {
	const claims = `{"kind":"StatefulSet","spec":{"volumeClaimTemplates":[{"spec":{"storageClassName":"fast"}}],"template":{"spec":{
		"initContainers":[{"image":"quay.io/a/b@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"}],
		"containers":[{"image":"bitnami/redis:7"}],"volumes":[{"image":{"reference":"old:5000/models:1"}}]}}}}`
	f.Add("nginx", "r.io/nginx", "fast", "slow", []byte(deployment))
	f.Add("docker.io", "r.io/hub", "fast", "slow", []byte(claims))
	f.Add("quay.io/a", "b.io", "", "slow", []byte(claims))
	f.Add("old:5000", "new:6000", "fast", "", []byte(`{"spec":{"storageClassName":"fast"}}`))
	f.Add("Registry.Example.org", "a b", "fast", "fast", []byte(`{"spec":{"containers":[{"image":7},{"image":":"},{"image":"@"},null]}}`))
	f.Fuzz(func(t *testing.T, from, to, class, other string, text []byte) {
		var object map[string]any
		if utiljson.Unmarshal(text, &object) != nil || object == nil {
			t.Skip()
		}
		for _, to := range []string{from, to} {
			set := transformset.Set{ImageMapping: map[string]string{from: to}, StorageClassMapping: map[string]string{class: other}}
			if to == from {
				set.StorageClassMapping = nil
			}
			program, problems := transformset.Compile([]transformset.Set{set})
			if len(problems) > 0 {
				continue
			}
			mapped := read(t, string(text))
			applied, err := program.Apply(target(), mapped)
			if err != nil {
				t.Fatalf("a mapping failed: %v", err)
			}
			if changed := !cmp.Equal(read(t, string(text)), mapped); changed != (len(applied.Changes) > 0) {
				t.Errorf("changes are %v, and of the object: %t", applied.Changes, changed)
			}
			if to == from && len(applied.Changes) > 0 {
				t.Errorf("mapped to itself: %v", applied.Changes)
			}
		}
	})
}
