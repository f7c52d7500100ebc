package transformset_test

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/soda-cdm/kahu/internal/core/transformset"
)

// FuzzPatch checks on any patch that is accepted, of any object: which object it is does not change, and doing it
// twice does the same twice.
func FuzzPatch(f *testing.F) {
	f.Add([]byte(`{"spec":{"replicas":1}}`), []byte(`[{"op":"replace","path":"/spec/replicas","value":1}]`), []byte(deployment))
	f.Add([]byte(`{"metadata":{"labels":null}}`), []byte(`[{"op":"remove","path":"/spec"}]`), []byte(deployment))
	f.Add([]byte(`{"metadata":{"name":"b"}}`), []byte(`[{"op":"move","from":"/metadata","path":"/a"}]`), []byte(`{"metadata":{}}`))
	f.Add([]byte(`{"a":[{}]}`), []byte(`[{"op":"copy","from":"/spec","path":"/spec/a~1b"},{"op":"test","path":"/a/0","value":{}}]`), []byte(`{"spec":{},"a":[1]}`))
	f.Add([]byte(`[]`), []byte(`[{"op":"add","path":"/a/-","value":1},{"op":"remove","path":"/a/-1"}]`), []byte(`{"a":[]}`))
	f.Add([]byte(`{"metadata":7}`), []byte(`[{"op":"replace","path":"/metadata","value":null}]`), []byte(`{"kind":"A","metadata":{"name":"a","uid":"u"}}`))
	f.Fuzz(func(t *testing.T, mergeText, operationsText, text []byte) {
		var object map[string]any
		if json.Unmarshal(text, &object) != nil || object == nil {
			t.Skip()
		}
		object = read(t, string(text)) // With whole numbers, as objects are read.
		var operations []struct {
			Op    string          `json:"op"`
			Path  string          `json:"path"`
			From  string          `json:"from"`
			Value json.RawMessage `json:"value"`
		}
		_ = json.Unmarshal(operationsText, &operations) // None, where it is none.
		var jsonPatch transformset.Transform
		for _, each := range operations {
			jsonPatch.JSONPatch = append(jsonPatch.JSONPatch, transformset.Operation(each))
		}
		mergePatch := transformset.Transform{MergePatch: mergeText}
		for _, transform := range []transformset.Transform{jsonPatch, mergePatch} {
			program, problems := transformset.Compile(one(transform))
			if len(problems) == 0 {
				checkPatch(t, program, object, string(text))
			}
		}
	})
}

func checkPatch(t *testing.T, program *transformset.Program, object map[string]any, text string) {
	t.Helper()
	first, second := read(t, text), read(t, text)
	_, err := program.Apply(target(), first)
	_, errAgain := program.Apply(target(), second)
	if (err == nil) != (errAgain == nil) {
		t.Errorf("once %v, and then %v", err, errAgain)
	}
	if err != nil {
		return
	}
	if diff := cmp.Diff(first, second); diff != "" {
		t.Errorf("twice the same is not the same: %s", diff)
	}
	for _, path := range [][]string{{"apiVersion"}, {"kind"}, {"metadata", "name"}, {"metadata", "namespace"}, {"metadata", "uid"}} {
		if before, after := at(object, path), at(first, path); !cmp.Equal(before, after) {
			t.Errorf("%v was %v, and is %v", path, before, after)
		}
	}
}

// at returns what an object has at a path, or nil.
func at(object map[string]any, path []string) any {
	var found any = object
	for _, field := range path {
		fields, is := found.(map[string]any)
		if !is {
			return nil
		}
		found = fields[field]
	}
	return found
}
