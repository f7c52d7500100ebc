package transformset_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/soda-cdm/kahu/internal/core/selection"
	"github.com/soda-cdm/kahu/internal/core/transformset"
)

func TestDescribe(t *testing.T) {
	t.Parallel()
	wish := patch(op("test", "/data/a", `"`+secret+`"`), op("replace", "/data/a", `"`+secret+`"`),
		transformset.Operation{Op: "move", From: "/x", Path: "/y"})
	wish.Name = "rotate"
	wish.Match = transformset.Match{
		Resources:  []selection.ResourceFilter{{Kind: "secrets", Name: "^a", IsRegex: true}, {Kind: "pods"}},
		Namespaces: []string{"shop"}, Labels: labels.SelectorFromSet(labels.Set{"a": "b"}), Condition: "object.type ==\n'x'",
	}
	lines := transformset.Describe([]transformset.Set{
		{Name: "one", ImageMapping: mapping("a=b"), Transforms: []transformset.Transform{wish}},
		{StorageClassMapping: mapping("slow=fast"), Transforms: []transformset.Transform{
			merge(`{"data": {"b": "` + secret + `", "c": null}, "metadata": {"labels": {}}}`),
		}},
	})
	for i := range lines {
		lines[i], _, _ = strings.Cut(lines[i], "; patch ")
	}
	want := []string{
		"TransformSet one: spec.imageMapping[a]: b",
		"TransformSet one: spec.transforms[0] (rotate): resource secrets /^a/; resource pods; namespaces shop; labels a=b; " +
			"condition object.type == 'x'; jsonPatch test /data/a, replace /data/a, move /y from /x",
		"spec.storageClassMapping[slow]: fast",
		"spec.transforms[0]: mergePatch data.b, data.c, metadata.labels",
	}
	if diff := cmp.Diff(want, lines); diff != "" {
		t.Errorf("lines (-want +got):\n%s", diff)
	}
	if strings.Contains(strings.Join(lines, ""), secret) {
		t.Error("a line has a value of a Secret")
	}
}

// Two patches that differ in a value alone are told apart.
func TestDescribeTellsValuesApart(t *testing.T) {
	t.Parallel()
	first := transformset.Describe(one(patch(op("add", "/a", "1"))))
	second := transformset.Describe(one(patch(op("add", "/a", "2"))))
	if first[0] == second[0] {
		t.Errorf("both are %s", first[0])
	}
}
