package reference_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/reference"
)

func path(t *testing.T, text string) reference.Path {
	t.Helper()
	parsed, err := reference.ParsePath(text)
	if err != nil {
		t.Fatal(err)
	}
	return parsed
}

// TestDeclaredReferences: what is found in an object of which most is not decoded.
func TestDeclaredReferences(t *testing.T) {
	widget := namespaced("shop.example.com", "v1", "Widget", "widgets")
	fleet := clustered("shop.example.com", "v1", "Fleet", "fleets")
	secret := namespaced("", "v1", "Secret", "secrets")
	class := clustered("storage.k8s.io", "v1", "StorageClass", "storageclasses")
	const content = `{
		"metadata": {"name": "knob", "annotations": {"example.com/ca": "authority"}},
		"spec": {
			"password": "keys", "empty": "", "number": 3, "class": "fast",
			"stores": [{"secret": "one", "space": "bank"}, {"secret": "two"}, {"space": "shop"}, "odd"],
			"byName": {"b": {"secret": "beta"}, "a": {"secret": "alpha"}},
			"issuerRef": {"group": "certs.example.com", "kind": "Issuer", "name": "ours"},
			"plain": [{"apiVersion": "v1", "kind": "ConfigMap", "name": "settings"}, {"kind": "ConfigMap"}, {"name": "nobody"}]
		},
		"data": {"x": "y"}
	}`
	cases := map[string]struct {
		kind      core.Kind
		to        *core.Kind
		path      string
		namespace string
		want      []string
	}{
		"a name":             {widget, &secret, "spec.password", "", []string{"secrets shop/keys: spec.password"}},
		"none":               {widget, &secret, "spec.missing.name", "", nil},
		"an empty one":       {widget, &secret, "spec.empty", "", nil},
		"no text":            {widget, &secret, "spec.number", "", nil},
		"an object":          {widget, &secret, "spec.issuerRef", "", nil},
		"at cluster scope":   {widget, &class, "spec.class", "", []string{"storageclasses.storage.k8s.io fast: spec.class"}},
		"from cluster scope": {fleet, &class, "spec.class", "", []string{"storageclasses.storage.k8s.io fast: spec.class"}},
		"an annotation":      {widget, &secret, "metadata.annotations['example.com/ca']", "", []string{"secrets shop/authority: metadata.annotations['example.com/ca']"}},
		"a list": {
			widget, &secret, "spec.stores[*].secret", "", []string{"secrets shop/one: spec.stores[0].secret", "secrets shop/two: spec.stores[1].secret"},
		},
		"a list with namespaces": {
			widget, &secret, "spec.stores[*].secret", "spec.stores[*].space",
			[]string{"secrets bank/one: spec.stores[0].secret", "secrets shop/two: spec.stores[1].secret"},
		},
		"one namespace for a list": {
			widget, &secret, "spec.stores[*].secret", "spec.class",
			[]string{"secrets fast/one: spec.stores[0].secret", "secrets fast/two: spec.stores[1].secret"},
		},
		"a map": {
			widget, &secret, "spec.byName[*].secret", "",
			[]string{"secrets shop/alpha: spec.byName['a'].secret", "secrets shop/beta: spec.byName['b'].secret"},
		},
		"a reference with its kind":    {widget, nil, "spec.issuerRef", "", []string{"(Issuer).certs.example.com shop/ours: spec.issuerRef.name"}},
		"references with their kind":   {widget, nil, "spec.plain[*]", "", []string{"(ConfigMap) shop/settings: spec.plain[0].name"}},
		"data that others do not read": {widget, &secret, "data.x", "", []string{"secrets shop/y: data.x"}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			declared := reference.Declaration{From: tc.kind, To: tc.to, Path: path(t, tc.path)}
			if tc.namespace != "" {
				declared.NamespacePath = new(path(t, tc.namespace))
			}
			if err := declared.Check(); err != nil {
				t.Fatal(err)
			}
			object := core.Object{Kind: tc.kind, Name: "knob", JSON: []byte(content)}
			if tc.kind.Namespaced {
				object.Namespace = "shop"
			}
			rules := reference.NewRules(declared)
			of, err := rules.Read(object)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, need := range rules.Needs(of) {
				if need.Field != "metadata.namespace" && need.Field != "apiVersion" {
					got = append(got, written(need)+": "+need.Field)
				}
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("needs (-want +got):\n%s", diff)
			}
		})
	}
}

// TestDeclaredBesideTheRules: a kind that has a rule keeps it.
func TestDeclaredBesideTheRules(t *testing.T) {
	pod, secret := namespaced("", "v1", "Pod", "pods"), namespaced("", "v1", "Secret", "secrets")
	rules := reference.NewRules(reference.Declaration{From: pod, To: &secret, Path: path(t, "metadata.annotations['keys']"), Optional: true})
	of, err := rules.Read(core.Object{
		Kind: pod, Namespace: "shop", Name: "web",
		JSON: []byte(`{"metadata":{"annotations":{"keys":"k"}},"spec":{"serviceAccountName":"web"}}`),
	})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, need := range rules.Needs(of) {
		got = append(got, written(need))
	}
	if want := []string{"namespaces shop", "serviceaccounts shop/web", "secrets shop/k ?"}; !cmp.Equal(want, got) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestPathsThatCannotBeRead(t *testing.T) {
	for _, text := range []string{
		"", ".", ".spec", "spec.", "spec..name", "[*]", "[*].name", "spec[0].name", "spec[*]name", "spec['']", "$.spec[?(@.a)]", "spec. name", "a b",
	} {
		if _, err := reference.ParsePath(text); err == nil {
			t.Errorf("%q can be read", text)
		}
	}
}

func TestDeclarationsThatCannotBeFollowed(t *testing.T) {
	secret, class := namespaced("", "v1", "Secret", "secrets"), clustered("storage.k8s.io", "v1", "StorageClass", "storageclasses")
	cases := map[string]struct {
		declared reference.Declaration
		says     string
	}{
		"what a Secret keeps secret": {reference.Declaration{From: secret, To: &secret, Path: path(t, "data.name")}, "not read"},
		"a namespace of many": {
			reference.Declaration{From: secret, To: &secret, Path: path(t, "spec.a[*].name"), NamespacePath: new(path(t, "spec.b[*].space"))}, "[*]",
		},
		"no namespace": {reference.Declaration{From: class, To: &secret, Path: path(t, "parameters.x")}, "give namespacePath"},
	}
	for name, tc := range cases {
		if err := tc.declared.Check(); err == nil || !strings.Contains(err.Error(), tc.says) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// FuzzDeclared holds that no path and no object make a declaration stumble.
func FuzzDeclared(f *testing.F) {
	f.Add("spec.stores[*].secret", "spec.stores[*].space", `{"spec":{"stores":[{"secret":"a","space":"b"}]}}`)
	f.Add("spec['a.b'][*]", "", `{"spec":{"a.b":{"x":{"kind":"K","name":"n"}}}}`)
	kind := namespaced("shop.example.com", "v1", "Widget", "widgets")
	f.Fuzz(func(t *testing.T, name, namespace, text string) {
		parsed, err := reference.ParsePath(name)
		if err != nil || !json.Valid([]byte(text)) {
			t.Skip()
		}
		declared := reference.Declaration{From: kind, Path: parsed}
		if other, err := reference.ParsePath(namespace); err == nil {
			declared.NamespacePath = &other
		}
		if declared.Check() != nil {
			t.Skip()
		}
		rules := reference.NewRules(declared)
		of, err := rules.Read(core.Object{Kind: kind, Namespace: "shop", Name: "it", JSON: []byte(text)})
		if err != nil {
			t.Skip()
		}
		for _, need := range rules.Needs(of) {
			if need.Name == "" || need.Field == "" {
				t.Errorf("need %+v", need)
			}
		}
	})
}
