package compare_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/soda-cdm/kahu/test/demo/compare"
)

// The application of these tests, before and after, as kubectl prints it.
const (
	before = `
{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop", "uid": "b0", "labels": {"kubernetes.io/metadata.name": "shop"}}}
{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"namespace": "shop", "name": "web", "uid": "b1", "resourceVersion": "7",
  "ownerReferences": [{"apiVersion": "example.com/v1", "kind": "Plain", "name": "one", "uid": "b4"}]},
  "data": {"big": 9007199254740993, "list": [1, {"a": "b"}], "empty": {}}}
{"apiVersion": "v1", "kind": "Service", "metadata": {"namespace": "shop", "name": "web", "uid": "b2"}, "spec": {"clusterIP": "10.0.0.1"}}
{"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "metadata": {"namespace": "shop", "name": "web-b", "uid": "b3",
  "ownerReferences": [{"apiVersion": "v1", "kind": "Service", "name": "web", "uid": "b2", "controller": true}]}}
{"apiVersion": "example.com/v1", "kind": "Plain", "metadata": {"namespace": "shop", "name": "one", "uid": "b4"}, "status": {"open": true}}
{"apiVersion": "example.com/v1", "kind": "Reported", "metadata": {"namespace": "shop", "name": "one", "uid": "b5"}, "status": {"open": true}}
{"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": "plains", "uid": "b6"},
  "spec": {"group": "example.com", "names": {"kind": "Plain"}, "versions": [{"name": "v1"}]}}
{"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": "reporteds", "uid": "b7"},
  "spec": {"group": "example.com", "names": {"kind": "Reported"}, "versions": [{"name": "v1", "subresources": {"status": {}}}]}}
{"apiVersion": "v1", "kind": "Secret", "type": "Opaque", "metadata": {"namespace": "shop", "name": "key", "uid": "b8"}, "data": {"token": "c2VjcmV0"}}
{"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": {"namespace": "shop", "name": "web", "uid": "b9"},
  "subjects": [{"kind": "ServiceAccount", "name": "web", "namespace": "shop"}, {"kind": "Group", "name": "system:serviceaccounts:shop"}]}
{"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"namespace": "shop", "name": "web", "uid": "b10"},
  "spec": {"ingress": [{"from": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "shop"}}}]}]}}
{"apiVersion": "v1", "kind": "Event", "metadata": {"namespace": "shop", "name": "web.1", "uid": "b11"}}`
	authored = 10 // objects of before that are compared
)

// restored returns the application as it is when it came back: with other UIDs, and with what the cluster chooses.
func restored() string {
	return strings.NewReplacer(
		`"uid": "b`, `"uid": "a`,
		`"resourceVersion": "7"`, `"resourceVersion": "19"`, "10.0.0.1", "10.0.0.2", "web-b", "web-a",
		`"name": "one", "uid": "b5"}, "status": {"open": true}}`, `"name": "one", "uid": "a5"}}`,
	).Replace(before)
}

func read(t *testing.T, objects string) compare.Copy {
	t.Helper()
	decoder := json.NewDecoder(strings.NewReader(objects))
	var items []json.RawMessage
	for decoder.More() {
		var item json.RawMessage
		if err := decoder.Decode(&item); err != nil {
			t.Fatal(err)
		}
		items = append(items, item)
	}
	list, err := json.Marshal(map[string]any{"kind": "List", "items": items})
	if err != nil {
		t.Fatal(err)
	}
	copied, err := compare.Read(strings.NewReader(string(list)))
	if err != nil {
		t.Fatal(err)
	}
	return copied
}

func TestCompare(t *testing.T) {
	extra := `{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"namespace": "shop", "name": "extra", "uid": "x"%s}}`
	tests := map[string]struct {
		reason   string
		old, new string // what is altered in what came back
		add      string
		want     []string // beginnings of the differences
		compared int
	}{
		"Restored": {
			reason: "What came back as it was has no differences.", compared: authored,
		},
		"Value": {
			reason: "An altered value is found.",
			old:    `"a": "b"`, new: `"a": "c"`, compared: authored,
			want: []string{`ConfigMap shop/web: data.list[1].a: expected "b", found "c"`},
		},
		"Digit": {
			reason: "Numbers are compared to their last digit.",
			old:    "9007199254740993", new: "9007199254740992", compared: authored,
			want: []string{"ConfigMap shop/web: data.big: expected 9007199254740993, found 9007199254740992"},
		},
		"Type": {
			reason: "A number is not a text.",
			old:    "[1,", new: `["1",`, compared: authored,
			want: []string{`ConfigMap shop/web: data.list[0]: expected 1, found "1"`},
		},
		"Empty": {
			reason: "A field that is empty is not one that is not there.",
			old:    `, "empty": {}`, new: "", compared: authored,
			want: []string{"ConfigMap shop/web: data.empty: expected {}, found no such field"},
		},
		"Added": {
			reason: "A field that was not there is found.",
			old:    `"name": "web", "uid": "a2"`, new: `"name": "web", "uid": "a2", "labels": {"a/b": "c"}`, compared: authored,
			want: []string{`Service shop/web: metadata.labels: expected no such field, found {"a/b":"c"}`},
		},
		"Shorter": {
			reason: "A list with less in it is found.",
			old:    `[1, {"a": "b"}]`, new: "[1]", compared: authored,
			want: []string{"ConfigMap shop/web: data.list: expected [1,{"},
		},
		"Missing": {
			reason: "An object that is not there is found, and not counted as compared.",
			old:    `"namespace": "shop", "name": "key"`, new: `"namespace": "elsewhere", "name": "key"`, compared: authored - 1,
			want: []string{
				"Secret elsewhere/key: expected nothing, found an object without a controller",
				"Secret shop/key: expected the object, found nothing",
			},
		},
		"Extra": {
			reason: "An object that nobody asked for is found.",
			add:    strings.ReplaceAll(extra, "%s", ""), compared: authored,
			want: []string{"ConfigMap shop/extra: expected nothing, found an object without a controller"},
		},
		"ExtraControlled": {
			reason: "An object that a controller has made is nobody's surprise.",
			add: strings.ReplaceAll(extra, "%s",
				`, "ownerReferences": [{"apiVersion": "example.com/v1", "kind": "Plain", "name": "one", "uid": "a4", "controller": true}]`),
			compared: authored,
		},
		"ExtraOwned": {
			reason: "An owner that does not control does not excuse an object.",
			add: strings.ReplaceAll(extra, "%s",
				`, "ownerReferences": [{"apiVersion": "example.com/v1", "kind": "Plain", "name": "one", "uid": "a4"}]`),
			compared: authored,
			want:     []string{"ConfigMap shop/extra: expected nothing, found an object without a controller"},
		},
		"SameUID": {
			reason: "An object with the UID that it had was never gone.",
			old:    `"uid": "a8"`, new: `"uid": "b8"`, compared: authored,
			want: []string{"Secret shop/key: metadata.uid: expected another than b8, found b8"},
		},
		"DeadOwner": {
			reason: "An owner reference must mean the owner that lives now.",
			old:    `"name": "one", "uid": "a4"}]`, new: `"name": "one", "uid": "b4"}]`, compared: authored,
			want: []string{"ConfigMap shop/web: metadata.ownerReferences[0].uid: expected a4, the UID of the living owner, found b4"},
		},
		"PlainStatus": {
			reason: "A status that is a field like any other is compared.",
			old:    `"uid": "a4"}, "status": {"open": true}`, new: `"uid": "a4"}`, compared: authored,
			want: []string{`Plain.example.com shop/one: status: expected {"open":true}, found no such field`},
		},
		"Secret": {
			reason: "What differs in a secret is not shown, and only tokens of service accounts may have another token.",
			old:    "c2VjcmV0", new: "b3RoZXI=", compared: authored,
			want: []string{
				"Secret shop/key: data.token: expected something that is kept secret, found something that is kept secret",
			},
		},
		"NotMadeAgain": {
			reason: "What a controller should have made again and has not is found.",
			old:    `"kind": "EndpointSlice"`, new: `"kind": "Event"`, compared: authored,
			want: []string{"EndpointSlice for Service web in shop: expected 1, found 0"},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			after := restored()
			if test.old != "" && !strings.Contains(after, test.old) {
				t.Fatalf("there is no %s to alter", test.old)
			}
			after = strings.Replace(after, test.old, test.new, 1) + test.add
			was := read(t, before)
			result := compare.Comparison{Before: was, Whole: was, After: read(t, after), Absent: absent(was, nil)}.Compare()
			check(t, test.reason, test.want, result)
			if result.Compared != test.compared {
				t.Errorf("%s\ncompared %d objects, want %d", test.reason, result.Compared, test.compared)
			}
		})
	}
}

// absent says that every object was gone.
func absent(objects compare.Copy, mapping compare.Mapping) map[compare.Key]bool {
	gone := map[compare.Key]bool{}
	for key := range objects {
		gone[mapping.Key(key)] = true
	}
	return gone
}

func check(t *testing.T, reason string, want []string, result compare.Result) {
	t.Helper()
	var got []string
	for i, difference := range result.Differences {
		line := difference.String()
		if i < len(want) && strings.HasPrefix(line, want[i]) {
			line = want[i]
		}
		got = append(got, line)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s\n-want, +got:\n%s", reason, diff)
	}
}

func TestCompareFindsWhatWasNeverGone(t *testing.T) {
	was := read(t, before)
	gone := absent(was, nil)
	delete(gone, compare.Key{Kind: "Namespace", Name: "shop"})
	result := compare.Comparison{Before: was, Whole: was, After: read(t, restored()), Absent: gone}.Compare()
	check(t, "An object that was not 404 is a difference.",
		[]string{"Namespace shop: expected 404 before the restore, found something else"}, result)
}

func TestCompareUnderAnotherName(t *testing.T) {
	mapping := compare.Mapping{"shop": "copy"}
	renamed := strings.NewReplacer(
		`"namespace": "shop"`, `"namespace": "copy"`, `"name": "shop"`, `"name": "copy"`,
		`accounts:shop`, `accounts:copy`, `metadata.name": "shop"`, `metadata.name": "copy"`,
	).Replace(restored())
	tests := map[string]struct {
		reason   string
		old, new string
		want     []string
	}{
		"Mapped": {reason: "Everything has the new namespace."},
		"Subject": {
			reason: "A subject in the old namespace is found.",
			old:    `"name": "web", "namespace": "copy"}, {`, new: `"name": "web", "namespace": "shop"}, {`,
			want: []string{`RoleBinding.rbac.authorization.k8s.io copy/web: subjects[0].namespace: expected "copy", found "shop"`},
		},
		"Group": {
			reason: "So is the group of its accounts,",
			old:    "serviceaccounts:copy", new: "serviceaccounts:shop",
			want: []string{`RoleBinding.rbac.authorization.k8s.io copy/web: subjects[1].name: expected "system:serviceaccounts:copy"`},
		},
		"Policy": {
			reason: "and a policy that lets the old namespace in.",
			old:    `{"matchLabels": {"kubernetes.io/metadata.name": "copy"}}`,
			new:    `{"matchLabels": {"kubernetes.io/metadata.name": "shop"}}`,
			want: []string{`NetworkPolicy.networking.k8s.io copy/web: spec.ingress[0].from[0].namespaceSelector.` +
				`matchLabels["kubernetes.io/metadata.name"]: expected "copy", found "shop"`},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if !strings.Contains(renamed, test.old) {
				t.Fatalf("there is no %s to alter", test.old)
			}
			was := read(t, before)
			result := compare.Comparison{
				Before: was, Whole: was, After: read(t, strings.Replace(renamed, test.old, test.new, 1)),
				Absent: absent(was, mapping), Mapping: mapping,
			}.Compare()
			check(t, test.reason, test.want, result)
			if result.Compared != authored {
				t.Errorf("compared %d objects, want %d", result.Compared, authored)
			}
		})
	}
}

func TestReadRefuses(t *testing.T) {
	tests := map[string]string{
		"NoJSON":    "error: the server doesn't have a resource type",
		"NoList":    `{"kind": "ConfigMap", "metadata": {"name": "web"}}`,
		"Nameless":  `{"kind": "List", "items": [{"kind": "ConfigMap", "metadata": {}}]}`,
		"Truncated": `{"kind": "List", "items": [`,
		"Twice": `{"kind": "List", "items": [{"kind": "ConfigMap", "metadata": {"name": "web"}},
			{"kind": "ConfigMap", "metadata": {"name": "web"}}]}`,
	}
	for name, printed := range tests {
		t.Run(name, func(t *testing.T) {
			if copied, err := compare.Read(strings.NewReader(printed)); err == nil {
				t.Errorf("read %v, want an error", copied)
			}
		})
	}
}

func TestPathsAreFewAndExact(t *testing.T) {
	paths := compare.LeftOut()
	if len(paths) > compare.MaxLeftOut {
		t.Errorf("%d paths are left out, more than %d", len(paths), compare.MaxLeftOut)
	}
	seen := map[string]bool{}
	for _, path := range paths {
		if path.Writer == "" || path.Kind == "" || path.JSON == "" {
			t.Errorf("%+v says too little", path)
		}
		if strings.ContainsAny(path.JSON, "*?") || strings.Contains(path.JSON, "..") || strings.HasPrefix(path.JSON, "status.") {
			t.Errorf("%s is not exact", path.JSON)
		}
		if name := path.Kind + " " + path.JSON; seen[name] {
			t.Errorf("%s is there twice", name)
		} else {
			seen[name] = true
		}
	}
	var told strings.Builder
	if err := compare.Explain(&told); err != nil {
		t.Fatal(err)
	}
	for _, path := range paths {
		if !strings.Contains(told.String(), path.JSON) || !strings.Contains(told.String(), path.Writer) {
			t.Errorf("%s is not explained", path.JSON)
		}
	}
}
