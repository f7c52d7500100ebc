package transformset_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/soda-cdm/kahu/internal/core/selection"
	"github.com/soda-cdm/kahu/internal/core/transformset"
)

func TestCompileRefuses(t *testing.T) {
	t.Parallel()
	patched := merge(`{"spec": {"replicas": 1}}`)
	matching := func(match transformset.Match) transformset.Transform {
		transform := patched
		transform.Match = match
		return transform
	}
	from := func(name, path, from string) transformset.Operation {
		return transformset.Operation{Op: name, Path: path, From: from}
	}
	cases := map[string]struct {
		transform transformset.Transform
		field     string
	}{
		"NoPatch":        {transformset.Transform{}, ""},
		"BothPatches":    {transformset.Transform{JSONPatch: patch(op("remove", "/a", "")).JSONPatch, MergePatch: patched.MergePatch}, ""},
		"UnknownOp":      {patch(op("delete", "/a", "")), ".jsonPatch[0].op"},
		"NoPointer":      {patch(op("remove", "spec", "")), ".jsonPatch[0].path"},
		"WholeObject":    {patch(op("replace", "", `{}`)), ".jsonPatch[0].path"},
		"BadEscape":      {patch(op("remove", "/a~2", "")), ".jsonPatch[0].path"},
		"NoValue":        {patch(op("add", "/a", "")), ".jsonPatch[0].value"},
		"ValueTooMany":   {patch(op("remove", "/a", "1")), ".jsonPatch[0].value"},
		"ValueNoJSON":    {patch(op("add", "/a", "{")), ".jsonPatch[0].value"},
		"NoFrom":         {patch(from("move", "/a", "")), ".jsonPatch[0].from"},
		"FromTooMany":    {patch(from("remove", "/a", "/b")), ".jsonPatch[0].from"},
		"SecondOp":       {patch(op("remove", "/a", ""), op("nothing", "/a", "")), ".jsonPatch[1].op"},
		"Kind":           {patch(op("replace", "/kind", `"Pod"`)), ".jsonPatch[0].path"},
		"APIVersion":     {patch(op("replace", "/apiVersion", `"v2"`)), ".jsonPatch[0].path"},
		"Name":           {patch(op("replace", "/metadata/name", `"a"`)), ".jsonPatch[0].path"},
		"Namespace":      {patch(op("remove", "/metadata/namespace", "")), ".jsonPatch[0].path"},
		"UID":            {patch(op("add", "/metadata/uid", `"1"`)), ".jsonPatch[0].path"},
		"Metadata":       {patch(op("replace", "/metadata", `{}`)), ".jsonPatch[0].path"},
		"MoveName":       {patch(from("move", "/spec/a", "/metadata/name")), ".jsonPatch[0].from"},
		"LargeValue":     {patch(op("add", "/a", `"`+strings.Repeat("x", 65<<10)+`"`)), ".jsonPatch"},
		"MergeNoJSON":    {merge(`{`), ".mergePatch"},
		"MergeList":      {merge(`[]`), ".mergePatch"},
		"MergeEmpty":     {merge(`{}`), ".mergePatch"},
		"MergeNull":      {merge(`null`), ".mergePatch"},
		"MergeKind":      {merge(`{"kind": "Pod"}`), ".mergePatch.kind"},
		"MergeName":      {merge(`{"metadata": {"name": null}}`), ".mergePatch.metadata.name"},
		"MergeMetadata":  {merge(`{"metadata": null}`), ".mergePatch.metadata"},
		"MergeLarge":     {merge(`{"a": "` + strings.Repeat("x", 65<<10) + `"}`), ".mergePatch"},
		"Regex":          {matching(transformset.Match{Resources: []selection.ResourceFilter{{Kind: "Pod", Name: "(", IsRegex: true}}}), ".match.resources[0].name"},
		"NoKind":         {matching(transformset.Match{Resources: []selection.ResourceFilter{{Name: "a"}}}), ".match.resources[0].kind"},
		"ConditionEnds":  {matching(transformset.Match{Condition: "object.spec. =="}), ".match.condition"},
		"ConditionName":  {matching(transformset.Match{Condition: "objekt.spec == 1"}), ".match.condition"},
		"ConditionType":  {matching(transformset.Match{Condition: `"yes"`}), ".match.condition"},
		"ConditionTypes": {matching(transformset.Match{Condition: `1 + "a" == 2`}), ".match.condition"},
		"ConditionLong":  {matching(transformset.Match{Condition: strings.Repeat("true && ", 600) + "true"}), ".match.condition"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, set := range []string{"", "extra"} {
				sets := one(c.transform)
				sets[0].Name = set
				program, problems := transformset.Compile(sets)
				if program != nil || len(problems) == 0 {
					t.Fatalf("it compiles, with problems %v", problems)
				}
				want := "spec.transforms[0]" + c.field
				if set != "" {
					want = "TransformSet extra: " + want
				}
				if problems[0].Field != want || problems[0].Reason != transformset.ReasonInvalidTransform {
					t.Errorf("the problem is with %s (%s), not with %s", problems[0].Field, problems[0].Reason, want)
				}
				if message := problems[0].Message; message == "" || strings.Contains(message, "\n") {
					t.Errorf("the message is not a line: %q", message)
				}
			}
		})
	}
}

func TestCompileRefusesMappings(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		set   transformset.Set
		field string
	}{
		"Tag":        {transformset.Set{ImageMapping: map[string]string{"nginx:1.25/x": "a"}}, "spec.imageMapping[nginx:1.25/x]"},
		"Digest":     {transformset.Set{ImageMapping: map[string]string{"nginx": "a@sha256:00"}}, "spec.imageMapping[nginx]"},
		"Slash":      {transformset.Set{ImageMapping: map[string]string{"docker.io/": "a"}}, "spec.imageMapping[docker.io/]"},
		"EmptyFrom":  {transformset.Set{ImageMapping: map[string]string{"": "a"}}, "spec.imageMapping[]"},
		"EmptyTo":    {transformset.Set{ImageMapping: map[string]string{"a": ""}}, "spec.imageMapping[a]"},
		"EmptyClass": {transformset.Set{StorageClassMapping: map[string]string{"a": ""}}, "spec.storageClassMapping[a]"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			program, problems := transformset.Compile([]transformset.Set{c.set})
			if program != nil || len(problems) == 0 || problems[0].Field != c.field {
				t.Errorf("problems are %v, want one with %s", problems, c.field)
			}
		})
	}
}

// All problems are told at once, in the order of the fields.
func TestCompileTellsAll(t *testing.T) {
	t.Parallel()
	sets := []transformset.Set{
		{Name: "first", Transforms: []transformset.Transform{{}, merge(`{"kind": "a"}`)}},
		{ImageMapping: map[string]string{"@": "a"}, Transforms: []transformset.Transform{patch(op("add", "", ""))}},
	}
	_, problems := transformset.Compile(sets)
	var fields []string
	for _, problem := range problems {
		fields = append(fields, problem.Field)
	}
	want := []string{
		"TransformSet first: spec.transforms[0]", "TransformSet first: spec.transforms[1].mergePatch.kind",
		"spec.imageMapping[@]", "spec.transforms[0].jsonPatch[0].path", "spec.transforms[0].jsonPatch[0].value",
	}
	if diff := cmp.Diff(want, fields); diff != "" {
		t.Errorf("fields (-want +got):\n%s", diff)
	}
}
