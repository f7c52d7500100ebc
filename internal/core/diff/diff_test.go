package diff_test

import (
	"encoding/json"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/diff"
)

var (
	deployments = core.Kind{Group: "apps", Version: "v1", Name: "Deployment", Resource: "deployments", Namespaced: true}
	secrets     = core.Kind{Version: "v1", Name: "Secret", Resource: "secrets", Namespaced: true}
)

func object(t *testing.T, content string) map[string]any {
	t.Helper()
	var found map[string]any
	if err := json.Unmarshal([]byte(content), &found); err != nil {
		t.Fatal(err)
	}
	return found
}

func TestObjects(t *testing.T) {
	cases := map[string]struct {
		reason    string
		kind      core.Kind
		old, next string
		want      []diff.Field
	}{
		"Equal": {
			reason: "an object does not differ from itself",
			old:    `{"spec":{"a":[{"name":"x"}]}}`, next: `{"spec":{"a":[{"name":"x"}]}}`,
		},
		"Served": {
			reason: "what the API server gives is no difference",
			old: `{"metadata":{"uid":"1","resourceVersion":"2","generation":1,"creationTimestamp":"a","managedFields":[{"manager":"x"}],` +
				`"name":"x"}}`,
			next: `{"metadata":{"uid":"3","resourceVersion":"4","generation":9,"name":"x"}}`,
		},
		"Fields": {
			reason: "fields are added, removed and changed",
			old:    `{"spec":{"replicas":2,"paused":true}}`, next: `{"spec":{"replicas":3,"template":{"spec":{}}}}`,
			want: []diff.Field{
				{Path: "spec.paused", Op: diff.Removed, Old: true},
				{Path: "spec.replicas", Op: diff.Changed, Old: 2.0, New: 3.0},
				{Path: "spec.template", Op: diff.Added, New: map[string]any{"spec": map[string]any{}}},
			},
		},
		"Empty": {
			reason: "nothing is as good as an empty map, list or null",
			old:    `{"a":{},"b":[],"c":null,"d":{"e":[]}}`, next: `{"d":{"e":null}}`,
		},
		"Labels": {
			reason: "the labels of a map that is new are a line each, and odd names are quoted",
			old:    `{"metadata":{}}`, next: `{"metadata":{"labels":{"a.b/c":"1","d":"2"}}}`,
			want: []diff.Field{
				{Path: "metadata.labels['a.b/c']", Op: diff.Added, New: "1"},
				{Path: "metadata.labels.d", Op: diff.Added, New: "2"},
			},
		},
		"Names": {
			reason: "an element in between does not change those behind it",
			old:    `{"spec":{"containers":[{"name":"a","image":"1"},{"name":"b","image":"1"}]}}`,
			next:   `{"spec":{"containers":[{"name":"a","image":"1"},{"name":"x"},{"name":"b","image":"2"}]}}`,
			want: []diff.Field{
				{Path: "spec.containers[name=b].image", Op: diff.Changed, Old: "1", New: "2"},
				{Path: "spec.containers[name=x].name", Op: diff.Added, New: "x"},
			},
		},
		"Order": {
			reason: "another order is a difference of its own",
			old:    `{"env":[{"name":"a"},{"name":"b"}]}`, next: `{"env":[{"name":"b"},{"name":"a"}]}`,
			want: []diff.Field{
				{Path: "env", Op: diff.Reordered, Old: []any{"name=a", "name=b"}, New: []any{"name=b", "name=a"}},
			},
		},
		"Scalars": {
			reason: "a list of words is one value",
			old:    `{"args":["a","b"]}`, next: `{"args":["a","c","b"]}`,
			want: []diff.Field{
				{Path: "args", Op: diff.Changed, Old: []any{"a", "b"}, New: []any{"a", "c", "b"}},
			},
		},
		"Places": {
			reason: "elements without names are compared place by place",
			old:    `{"rules":[{"verbs":["get"]},{"verbs":["list"]}]}`, next: `{"rules":[{"verbs":["get"]},{"verbs":["watch"]},{"verbs":["x"]}]}`,
			want: []diff.Field{
				{Path: "rules[1].verbs", Op: diff.Changed, Old: []any{"list"}, New: []any{"watch"}},
				{Path: "rules[2]", Op: diff.Added, New: map[string]any{"verbs": []any{"x"}}},
			},
		},
		"Ports": {
			reason: "ports are told apart by number and protocol",
			old:    `{"ports":[{"port":53,"protocol":"TCP"},{"port":53,"protocol":"UDP"}]}`,
			next:   `{"ports":[{"port":53,"protocol":"UDP","nodePort":3},{"port":53,"protocol":"TCP"}]}`,
			want: []diff.Field{
				{Path: "ports[port=53,protocol=UDP].nodePort", Op: diff.Added, New: 3.0},
				{
					Path: "ports", Op: diff.Reordered,
					Old: []any{"port=53,protocol=TCP", "port=53,protocol=UDP"}, New: []any{"port=53,protocol=UDP", "port=53,protocol=TCP"},
				},
			},
		},
		"OtherTypes": {
			reason: "a value of another type is changed as a whole",
			old:    `{"a":{"b":1},"c":"80"}`, next: `{"a":[1],"c":80}`,
			want: []diff.Field{
				{Path: "a", Op: diff.Changed, Old: map[string]any{"b": 1.0}, New: []any{1.0}},
				{Path: "c", Op: diff.Changed, Old: "80", New: 80.0},
			},
		},
		"Secret": {
			reason: "what a Secret holds does not come out, and neither do annotations that repeat it",
			kind:   secrets,
			old:    `{"type":"a","metadata":{"name":"x"},"data":{"password":"b2xk"}}`,
			next: `{"type":"b","metadata":{"name":"x","labels":{"l":"v"},"annotations":{"kubectl.kubernetes.io/last-applied-configuration":"secret"}},` +
				`"data":{"password":"bmV3","more":"eA=="},"stringData":{"x":"y"}}`,
			want: []diff.Field{
				{Path: "data.more", Op: diff.Added, Sensitive: true},
				{Path: "data.password", Op: diff.Changed, Sensitive: true},
				{Path: "metadata.annotations['kubectl.kubernetes.io/last-applied-configuration']", Op: diff.Added, Sensitive: true},
				{Path: "metadata.labels.l", Op: diff.Added, New: "v"},
				{Path: "stringData.x", Op: diff.Added, Sensitive: true},
				{Path: "type", Op: diff.Changed, Old: "a", New: "b"},
			},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			kind := tc.kind
			if kind.Resource == "" {
				kind = deployments
			}
			got := diff.Objects(kind, object(t, tc.old), object(t, tc.next))
			if found := cmp.Diff(tc.want, got); found != "" {
				t.Errorf("%s: -want +got\n%s", tc.reason, found)
			}
		})
	}
}

func TestNumbers(t *testing.T) {
	for name, pair := range map[string][2]any{
		"Whole": {int64(1), 1.0}, "Int": {1, int64(1)}, "Large": {int64(1) << 62, int64(1) << 62},
	} {
		old, next := map[string]any{"a": pair[0]}, map[string]any{"a": pair[1]}
		if got := diff.Objects(deployments, old, next); len(got) > 0 {
			t.Errorf("%s: %+v", name, got)
		}
	}
	old, next := map[string]any{"a": int64(1)<<62 + 1}, map[string]any{"a": int64(1) << 62}
	if got := diff.Objects(deployments, old, next); len(got) != 1 {
		t.Errorf("large numbers that differ by one: %+v", got)
	}
}

// TestProperties: whatever two objects are, a difference one way is the opposite difference the other way, none of them
// is changed, and objects without a difference are equal. A Secret gives away nothing.
func TestProperties(t *testing.T) {
	const marker = "TOPSECRET"
	for seed := range uint64(2000) {
		random := rand.New(rand.NewPCG(seed, 1))
		old, next := randomMap(random, 3), randomMap(random, 3)
		before := encoded(t, old) + encoded(t, next)
		there, back := diff.Objects(deployments, old, next), diff.Objects(deployments, next, old)
		if len(there) != len(back) {
			t.Fatalf("seed %d: %d differences one way, %d the other", seed, len(there), len(back))
		}
		if got := encoded(t, old) + encoded(t, next); got != before {
			t.Fatalf("seed %d: the objects were changed", seed)
		}
		if same := diff.Objects(deployments, old, old); len(same) > 0 {
			t.Fatalf("seed %d: an object differs from itself: %+v", seed, same)
		}
		hide := func(object map[string]any) map[string]any {
			return map[string]any{
				"data": map[string]any{"x": marker, "y": object}, "odd": []any{map[string]any{"name": marker + encoded(t, object)}},
				"deep": map[string]any{"x": map[string]any{marker: object}},
			}
		}
		if got := encoded(t, diff.Objects(secrets, hide(old), hide(next))); strings.Contains(got, marker) {
			t.Fatalf("seed %d: a secret came out: %s", seed, got)
		}
	}
}

func randomMap(random *rand.Rand, depth int) map[string]any {
	made := map[string]any{}
	for range random.IntN(4) {
		made[string(rune('a'+random.IntN(4)))] = randomValue(random, depth)
	}
	if random.IntN(3) == 0 {
		made["name"] = string(rune('a' + random.IntN(3)))
	}
	return made
}

func randomValue(random *rand.Rand, depth int) any {
	choice := random.IntN(6)
	switch {
	case choice == 0:
		return float64(random.IntN(3))
	case choice == 1:
		return random.IntN(2) == 0
	case choice < 4 && depth > 0:
		return randomMap(random, depth-1)
	case choice == 4 && depth > 0:
		list := []any{}
		for range random.IntN(4) {
			list = append(list, randomValue(random, depth-1))
		}
		return list
	}
	return string(rune('a' + random.IntN(4)))
}

func encoded(t *testing.T, value any) string {
	t.Helper()
	content, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

func TestTexts(t *testing.T) {
	cases := map[string]struct {
		field     diff.Field
		old, next string
	}{
		"Added":   {diff.Field{Op: diff.Added, New: map[string]any{"a": "<b>"}}, "", `{"a":"<b>"}`},
		"Removed": {diff.Field{Op: diff.Removed, Old: "x\ny"}, `"x\ny"`, ""},
		"Null":    {diff.Field{Op: diff.Changed, Old: nil, New: 1}, "null", "1"},
		"Secret":  {diff.Field{Op: diff.Changed, Sensitive: true}, diff.Hidden, diff.Hidden},
		"NewOne":  {diff.Field{Op: diff.Added, Sensitive: true}, "", diff.Hidden},
		"Long":    {diff.Field{Op: diff.Changed, Old: strings.Repeat("ä", 100), New: 1}, `"` + strings.Repeat("ä", 8) + "...", "1"},
	}
	for name, tc := range cases {
		old, next := tc.field.Texts(20)
		if old != tc.old || next != tc.next {
			t.Errorf("%s: got %q and %q", name, old, next)
		}
	}
}
