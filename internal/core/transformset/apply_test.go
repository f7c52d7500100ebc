package transformset_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/soda-cdm/kahu/internal/core/selection"
	"github.com/soda-cdm/kahu/internal/core/transform"
	"github.com/soda-cdm/kahu/internal/core/transformset"
)

func TestMatch(t *testing.T) {
	t.Parallel()
	named := func(kind, name string, regex bool) transformset.Match {
		return transformset.Match{Resources: []selection.ResourceFilter{{Kind: kind, Name: name, IsRegex: regex}}}
	}
	when := func(condition string) transformset.Match { return transformset.Match{Condition: condition} }
	cases := map[string]struct {
		match transformset.Match
		want  bool
	}{
		"All":               {transformset.Match{}, true},
		"Kind":              {named("Deployment", "", false), true},
		"Plural":            {named("deployments", "*", false), true},
		"ShortName":         {named("deploy", "web", false), true},
		"WithGroup":         {named("deployments.apps", "", false), true},
		"OtherGroup":        {named("deployments.example.org", "", false), false},
		"OtherKind":         {named("pods", "", false), false},
		"OtherName":         {named("deploy", "we", false), false},
		"Expression":        {named("deploy", "^we", true), true},
		"OtherExpression":   {named("deploy", "^eb", true), false},
		"SecondResource":    {transformset.Match{Resources: []selection.ResourceFilter{{Kind: "pod"}, {Kind: "deploy"}}}, true},
		"Namespace":         {transformset.Match{Namespaces: []string{"other", "shop"}}, true},
		"OtherNamespace":    {transformset.Match{Namespaces: []string{"other"}}, false},
		"Labels":            {transformset.Match{Labels: labels.SelectorFromSet(labels.Set{"app": "web"})}, true},
		"OtherLabels":       {transformset.Match{Labels: labels.SelectorFromSet(labels.Set{"app": "db"})}, false},
		"Condition":         {when("object.spec.replicas > 2"), true},
		"ConditionFloat":    {when("object.spec.replicas > 2.5"), true},
		"ConditionFalse":    {when("object.spec.replicas > 3"), false},
		"ConditionHas":      {when("has(object.spec.paused) && object.spec.paused"), false},
		"ConditionOptional": {when("object.?spec.?paused.orValue(true)"), true},
		"ConditionMacro":    {when("object.spec.template.spec.containers.exists(c, c.image.startsWith('nginx'))"), true},
		"AllMustHold":       {transformset.Match{Namespaces: []string{"shop"}, Condition: "false"}, false},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			wish := merge(`{"spec": {"replicas": 1}}`)
			wish.Match = c.match
			program := compile(t, one(wish))
			object := read(t, deployment)
			applied, err := program.Apply(target(), object)
			if err != nil {
				t.Fatal(err)
			}
			if got := len(applied.Changes) == 1 && object["spec"].(map[string]any)["replicas"] == int64(1); got != c.want {
				t.Errorf("matched is %t, want %t: %v", got, c.want, applied)
			}
			if warned := len(program.Warnings()) == 1; warned == c.want {
				t.Errorf("warnings are %q", program.Warnings())
			}
		})
	}
}

// An object at cluster scope is in no namespace.
func TestMatchClusterScope(t *testing.T) {
	t.Parallel()
	wish := merge(`{"spec": 1}`)
	wish.Match.Namespaces = []string{"shop"}
	object := read(t, `{"metadata": {"name": "shop"}}`)
	applied, err := compile(t, one(wish)).Apply(transformset.Target{Kind: kind("namespaces"), Name: "shop"}, object)
	if err != nil || len(applied.Changes) > 0 {
		t.Errorf("changes are %v, error %v", applied.Changes, err)
	}
}

// The table of RFC 7386, appendix A, within an object.
func TestMergePatch(t *testing.T) {
	t.Parallel()
	cases := []struct{ target, patch, want string }{
		{`{"a":"b"}`, `{"a":"c"}`, `{"a":"c"}`},
		{`{"a":"b"}`, `{"b":"c"}`, `{"a":"b","b":"c"}`},
		{`{"a":"b"}`, `{"a":null}`, `{}`},
		{`{"a":"b","b":"c"}`, `{"a":null}`, `{"b":"c"}`},
		{`{"a":["b"]}`, `{"a":"c"}`, `{"a":"c"}`},
		{`{"a":"c"}`, `{"a":["b"]}`, `{"a":["b"]}`},
		{`{"a":{"b":"c"}}`, `{"a":{"b":"d","c":null}}`, `{"a":{"b":"d"}}`},
		{`{"a":[{"b":"c"}]}`, `{"a":[1]}`, `{"a":[1]}`},
		{`["a","b"]`, `["c","d"]`, `["c","d"]`},
		{`{"a":"b"}`, `["c"]`, `["c"]`},
		{`{"a":"foo"}`, `null`, ``},
		{`{"a":"foo"}`, `"bar"`, `"bar"`},
		{`{"e":null}`, `{"a":1}`, `{"e":null,"a":1}`},
		{`[1,2]`, `{"a":"b","c":null}`, `{"a":"b"}`},
		{`{}`, `{"a":{"bb":{"ccc":null}}}`, `{"a":{"bb":{}}}`},
		// Lists are values: what is in them stays as it is written.
		{`{}`, `{"a":[null,{"b":null}]}`, `{"a":[null,{"b":null}]}`},
		{`{"a":9007199254740993}`, `{"b":9007199254740995}`, `{"a":9007199254740993,"b":9007199254740995}`},
	}
	for _, c := range cases {
		t.Run(c.patch, func(t *testing.T) {
			t.Parallel()
			object := read(t, `{"metadata": {"name": "a"}, "x": `+c.target+`}`)
			want := read(t, `{"metadata": {"name": "a"}}`)
			if c.want != "" {
				want = read(t, `{"metadata": {"name": "a"}, "x": `+c.want+`}`)
			}
			program := compile(t, one(merge(`{"x": `+c.patch+`}`)))
			for range 2 { // The second time shows that the first has not changed the patch.
				if _, err := program.Apply(target(), object); err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(want, object); diff != "" {
					t.Errorf("object (-want +got):\n%s", diff)
				}
			}
		})
	}
}

func TestJSONPatch(t *testing.T) {
	t.Parallel()
	from := func(name, path, from string) transformset.Operation {
		return transformset.Operation{Op: name, Path: path, From: from}
	}
	cases := map[string]struct {
		wish  transformset.Transform
		want  string // of spec
		paths []string
	}{
		"Add":       {patch(op("add", "/spec/b", `[1]`)), `{"a": 1, "l": [1, 2], "b": [1]}`, []string{"spec.b"}},
		"AddToList": {patch(op("add", "/spec/l/-", "3")), `{"a": 1, "l": [1, 2, 3]}`, []string{"spec.l"}},
		"Replace":   {patch(op("replace", "/spec/a", "null")), `{"a": null, "l": [1, 2]}`, []string{"spec.a"}},
		"Remove":    {patch(op("remove", "/spec/l/0", "")), `{"a": 1, "l": [2]}`, []string{"spec.l"}},
		"Move":      {patch(from("move", "/spec/c", "/spec/a")), `{"c": 1, "l": [1, 2]}`, []string{"spec.a", "spec.c"}},
		"Copy":      {patch(from("copy", "/spec/c", "/spec/a")), `{"a": 1, "c": 1, "l": [1, 2]}`, []string{"spec.c"}},
		"CopyName":  {patch(from("copy", "/spec/c", "/metadata/name")), `{"a": 1, "c": "x", "l": [1, 2]}`, []string{"spec.c"}},
		"Test":      {patch(op("test", "/spec/a", "1"), op("replace", "/spec/a", "2")), `{"a": 2, "l": [1, 2]}`, []string{"spec.a"}},
		"Nothing":   {patch(op("replace", "/spec/a", "1")), `{"a": 1, "l": [1, 2]}`, nil},
		"Escaped":   {patch(op("add", "/spec/x~1y~0z", "1")), `{"a": 1, "l": [1, 2], "x/y~z": 1}`, []string{"spec['x/y~z']"}},
		"Dotted":    {patch(op("add", "/spec/x.y", "1")), `{"a": 1, "l": [1, 2], "x.y": 1}`, []string{"spec['x.y']"}},
		"Large":     {patch(op("add", "/spec/n", "9007199254740993")), `{"a": 1, "l": [1, 2], "n": 9007199254740993}`, []string{"spec.n"}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			object := read(t, `{"metadata": {"name": "x"}, "spec": {"a": 1, "l": [1, 2]}}`)
			applied, err := compile(t, one(c.wish)).Apply(target(), object)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(read(t, c.want), object["spec"]); diff != "" {
				t.Errorf("spec (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(c.paths, paths(applied.Changes)); diff != "" {
				t.Errorf("paths (-want +got):\n%s", diff)
			}
		})
	}
}

func paths(changes []transform.Change) []string {
	var found []string
	for _, change := range changes {
		found = append(found, change.Path)
	}
	return found
}

// secret is a value that no text for people may have.
const secret = "c2VjcmV0"

// What cannot be applied fails the object or is left out, as the transform says, and no word of the object is told.
func TestOnError(t *testing.T) {
	t.Parallel()
	when := func(condition string) transformset.Transform {
		wish := merge(`{"data": {"b": "x"}}`)
		wish.Match.Condition = condition
		return wish
	}
	cases := map[string]transformset.Transform{
		"Test":            patch(op("add", "/data/b", `"x"`), op("test", "/data/a", `"other"`)),
		"TestMissing":     patch(op("test", "/data/x", `"other"`)),
		"RemoveMissing":   patch(op("remove", "/data/x", "")),
		"ReplaceMissing":  patch(op("replace", "/data/x", "1")),
		"AddNowhere":      patch(op("add", "/x/y", "1")),
		"IntoText":        patch(op("add", "/data/a/b", "1")),
		"MoveMissing":     patch(transformset.Operation{Op: "move", From: "/x", Path: "/y"}),
		"NegativeIndex":   patch(op("remove", "/list/-1", "")),
		"CopiesTooMuch":   patch(copies(60)...),
		"ConditionField":  when("object.spec.replicas == 1"),
		"ConditionType":   when("object.data.a"),
		"ConditionFails":  when("int(object.data.a) == 1"),
		"ConditionFails2": when("object.data.a > 1"),
		"ConditionKey":    when("object.data[object.data.a] == 'x'"),
		"ConditionCost": when("object.list.all(a, object.list.all(b, object.list.all(c, object.list.all(d, " +
			"object.list.all(e, object.list.all(f, a + b + c + d + e + f < 1000000))))))"),
	}
	for name, wish := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			text := fmt.Sprintf(`{"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "data": {"a": %q},
				"list": [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16]}`, secret)
			_, err := compile(t, one(wish)).Apply(transformset.Target{Kind: kind("secrets"), Name: "s"}, read(t, text))
			var failed *transformset.FailedError
			if !errors.As(err, &failed) || failed.Transform != "spec.transforms[0]" {
				t.Fatalf("the error is %v", err)
			}
			wish.SkipOnError = true
			program, object := compile(t, one(wish)), read(t, text)
			applied, err := program.Apply(transformset.Target{Kind: kind("secrets"), Name: "s"}, object)
			if err != nil || len(applied.Skipped) != 1 || len(applied.Changes) != 0 {
				t.Fatalf("applied is %v, error %v", applied, err)
			}
			if diff := cmp.Diff(read(t, text), object); diff != "" {
				t.Errorf("the object was changed (-want +got):\n%s", diff)
			}
			warnings := program.Warnings()
			if len(warnings) != 1 {
				t.Errorf("warnings are %q", warnings)
			}
			if all := failed.Error() + applied.Skipped[0] + strings.Join(warnings, ""); strings.Contains(all, secret) {
				t.Errorf("a text has the content of a Secret: %s", all)
			}
		})
	}
}

// copies doubles a list again and again.
func copies(times int) []transformset.Operation {
	operations := []transformset.Operation{op("add", "/x", `["0123456789"]`)}
	for range times {
		operations = append(operations, transformset.Operation{Op: "copy", From: "/x", Path: "/x/-"})
	}
	return operations
}

// The identity is protected also where a patch reaches it in ways that cannot be seen before.
func TestIdentityStays(t *testing.T) {
	t.Parallel()
	move := patch(transformset.Operation{Op: "copy", From: "/spec", Path: "/metadata/x"})
	move.JSONPatch = append(move.JSONPatch, op("add", "/metadata/name/first", "1"))
	_, problems := transformset.Compile(one(move))
	if len(problems) == 0 {
		t.Error("a path below the name is allowed")
	}
	for _, path := range []string{"/metadata/names", "/kindly", "/spec/kind", "/metadata/labels/name"} {
		if _, problems := transformset.Compile(one(patch(op("add", path, `"a"`)))); len(problems) > 0 {
			t.Errorf("path %s is refused: %v", path, problems)
		}
	}
}

// Sets are applied in their order, and in each its mappings first.
func TestOrder(t *testing.T) {
	t.Parallel()
	tag := merge(`{"metadata": {"labels": {"step": "first"}}}`)
	then := patch(op("test", "/metadata/labels/step", `"first"`), op("replace", "/metadata/labels/step", `"second"`))
	then.Match.Labels = labels.SelectorFromSet(labels.Set{"step": "first"})
	then.Match.Condition = "object.spec.template.spec.containers[0].image == 'c/nginx:1.25'"
	program := compile(t, []transformset.Set{
		{Name: "one", ImageMapping: map[string]string{"nginx": "b/nginx"}, Transforms: []transformset.Transform{tag}},
		{ImageMapping: map[string]string{"b": "c"}, Transforms: []transformset.Transform{then}},
	})
	object := read(t, deployment)
	applied, err := program.Apply(target(), object)
	if err != nil {
		t.Fatal(err)
	}
	image := "spec.template.spec.containers[0].image"
	want := []transform.Change{
		{Path: image, Reason: "TransformSet one: spec.imageMapping[nginx]"},
		{Path: "metadata.labels.step", Reason: "TransformSet one: spec.transforms[0]"},
		{Path: image, Reason: "spec.imageMapping[b]"},
		{Path: "metadata.labels.step", Reason: "spec.transforms[0]"},
	}
	if diff := cmp.Diff(want, applied.Changes); diff != "" {
		t.Errorf("changes (-want +got):\n%s", diff)
	}
	if got := object["metadata"].(map[string]any)["labels"].(map[string]any)["step"]; got != "second" {
		t.Errorf("the label is %v", got)
	}
	if warnings := program.Warnings(); len(warnings) > 0 {
		t.Errorf("warnings are %q", warnings)
	}
}

// A Program can be used by many at once; run with -race.
func TestConcurrently(t *testing.T) {
	t.Parallel()
	wish := merge(`{"spec": {"deep": {"a": 1}}}`)
	wish.Match.Condition = "object.spec.replicas == 3"
	second := patch(op("add", "/spec/deep/b", "2"))
	program := compile(t, []transformset.Set{{Transforms: []transformset.Transform{wish, second}}})
	results := make(chan error)
	for range 8 {
		go func() {
			var object map[string]any
			err := json.Unmarshal([]byte(deployment), &object)
			if err == nil {
				_, err = program.Apply(target(), object)
			}
			results <- err
		}()
	}
	for range 8 {
		if err := <-results; err != nil {
			t.Error(err)
		}
	}
}
