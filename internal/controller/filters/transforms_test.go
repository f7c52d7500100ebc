package filters_test

import (
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	"github.com/soda-cdm/kahu/internal/controller/filters"
	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/transformset"
)

// guide has sets, each followed by an object before and after.
const guide = "../../../docs/transforms.md"

// TestGuide carries out the examples of the guide.
func TestGuide(t *testing.T) {
	t.Parallel()
	blocks := yamlBlocks(t, guide)
	examples := 0
	for ; len(blocks) > 0; examples++ {
		if len(blocks) < 3 {
			t.Fatalf("%d blocks are left, which are no example:\n%v", len(blocks), blocks)
		}
		set := &kahuv1.TransformSet{}
		if err := yaml.UnmarshalStrict([]byte(blocks[0]), set); err != nil {
			t.Fatal(err)
		}
		before, after := object(t, blocks[1]), object(t, blocks[2])
		t.Run(set.Name, func(t *testing.T) {
			t.Parallel()
			checkExample(t, set, before, after)
		})
		blocks = blocks[3:]
	}
	if examples < 4 {
		t.Errorf("found only %d examples", examples)
	}
}

func checkExample(t *testing.T, set *kahuv1.TransformSet, got, want *unstructured.Unstructured) {
	t.Helper()
	made, problems := filters.OfTransformSet(set.Name, &set.Spec)
	program, more := transformset.Compile([]transformset.Set{made})
	if len(problems)+len(more) > 0 {
		t.Fatalf("it does not compile: %v %v", problems, more)
	}
	version := got.GroupVersionKind()
	resource := strings.ToLower(version.Kind) + "s"
	applied, err := program.Apply(transformset.Target{
		Kind: core.Kind{Group: version.Group, Version: version.Version, Name: version.Kind, Resource: resource},
		Name: got.GetName(), Namespace: got.GetNamespace(),
	}, got.Object)
	if err != nil || len(applied.Skipped) > 0 {
		t.Fatalf("skipped %v, error %v", applied.Skipped, err)
	}
	if diff := cmp.Diff(want.Object, got.Object); diff != "" {
		t.Errorf("the object (-want +got):\n%s", diff)
	}
	if warnings := program.Warnings(); len(warnings) > 0 {
		t.Errorf("warnings are %q", warnings)
	}
}

func yamlBlocks(t *testing.T, name string) []string {
	t.Helper()
	content, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	var blocks []string
	for _, part := range strings.Split(string(content), "```yaml\n")[1:] {
		block, _, _ := strings.Cut(part, "```")
		blocks = append(blocks, block)
	}
	return blocks
}

func object(t *testing.T, text string) *unstructured.Unstructured {
	t.Helper()
	content, err := yaml.YAMLToJSON([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	read := &unstructured.Unstructured{}
	if err := read.UnmarshalJSON(content); err != nil {
		t.Fatal(err)
	}
	return read
}

func TestTransformSetOf(t *testing.T) {
	t.Parallel()
	spec := &kahuv1.TransformSetSpec{Transforms: []kahuv1.Transform{{
		Name: "a", OnError: kahuv1.TransformErrorSkip,
		Match: kahuv1.TransformMatch{
			LabelSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"a": "b"}},
		},
		JSONPatch: []kahuv1.JSONPatchOperation{{Op: "add", Path: "/a", Value: kahuv1.JSONValue{Raw: []byte("null")}}},
	}}}
	set, problems := filters.OfTransformSet("x", spec)
	if len(problems) > 0 || !set.Transforms[0].SkipOnError || set.Transforms[0].Match.Labels.String() != "a=b" {
		t.Errorf("set is %+v, problems %v", set, problems)
	}
	if _, problems := transformset.Compile([]transformset.Set{set}); len(problems) > 0 {
		t.Errorf("the value null is no value: %v", problems)
	}
	spec.Transforms[0].Match.LabelSelector.MatchExpressions = []metav1.LabelSelectorRequirement{{Key: "a", Operator: "Maybe"}}
	_, problems = filters.OfTransformSet("x", spec)
	if len(problems) != 1 || problems[0].Field != "TransformSet x: spec.transforms[0].match.labelSelector" {
		t.Errorf("problems are %v", problems)
	}
}
