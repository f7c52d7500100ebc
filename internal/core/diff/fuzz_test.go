package diff_test

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/soda-cdm/kahu/internal/core/diff"
)

// FuzzObjects compares any two objects: one does not differ from itself, the other way round the same fields differ, and
// what a secret has is not told.
func FuzzObjects(f *testing.F) {
	for _, pair := range [][2]string{
		{`{"spec":{"replicas":2,"paused":true}}`, `{"spec":{"replicas":3,"template":{"spec":{}}}}`},
		{`{"a":{},"b":[],"c":null,"d":{"e":[]}}`, `{"d":{"e":null}}`},
		{
			`{"metadata":{"name":"web","uid":"1","labels":{"app":"web"}},"spec":{"containers":[{"name":"a","image":"a:1"},{"name":"b"}]}}`,
			`{"metadata":{"name":"web","uid":"2","labels":{"app":"web","example.com/owner":"b"}},"spec":{"containers":[{"name":"b"},{"name":"a","image":"a:2"}]}}`,
		},
		{`{"data":{"password":"c2VjcmV0"},"type":"Opaque"}`, `{"data":{"password":"b3RoZXI=","more":"eA=="},"type":"Opaque"}`},
		{`{"spec":{"ports":[{"port":80,"name":"x"},{"port":81}]}}`, `{"spec":{"ports":[{"port":81},{"port":80,"name":"x"}]}}`},
		{`{"spec":{"args":["a","b","a"],"n":1}}`, `{"spec":{"args":["a","a","b"],"n":1.0}}`},
	} {
		f.Add([]byte(pair[0]), []byte(pair[1]))
	}
	f.Fuzz(func(t *testing.T, oldText, nextText []byte) {
		var old, next map[string]any
		if json.Unmarshal(oldText, &old) != nil || json.Unmarshal(nextText, &next) != nil {
			t.Skip()
		}
		if same := diff.Objects(deployments, old, old); len(same) > 0 {
			t.Errorf("it differs from itself: %v", same)
		}
		fields := diff.Objects(deployments, old, next)
		if back := diff.Objects(deployments, next, old); len(back) != len(fields) {
			t.Errorf("%d fields differ, and the other way round %d", len(fields), len(back))
		}
		for _, field := range fields {
			before, after := field.Texts(20)
			if !utf8.ValidString(before) || !utf8.ValidString(after) {
				t.Errorf("%s: %q and %q are no texts", field.Path, before, after)
			}
		}
		checkHidden(t, old, next)
	})
}

// checkHidden compares the objects as secrets.
func checkHidden(t *testing.T, old, next map[string]any) {
	t.Helper()
	for _, field := range diff.Objects(secrets, old, next) {
		root, _, _ := strings.Cut(field.Path, ".")
		root, _, _ = strings.Cut(root, "[")
		if root != "data" && root != "stringData" {
			continue
		}
		if !field.Sensitive || field.Old != nil || field.New != nil {
			t.Errorf("a value is told: %s", cmp.Diff(diff.Field{}, field))
		}
	}
}
