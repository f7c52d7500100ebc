package selection_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/reference"
	"github.com/soda-cdm/kahu/internal/core/selection"
)

func TestDeclare(t *testing.T) {
	type ref = selection.Reference
	cases := map[string]struct {
		wish          ref
		field, reason string
		says          string
	}{
		"all well":         {wish: ref{From: "widgets.shop.example.com", Path: "spec.secret", Kind: "Secret"}},
		"by any name":      {wish: ref{From: "wd", Path: "spec.a[*].b", Kind: "deployments.apps", NamespacePath: "spec.a[*].c", Optional: true}},
		"no kind":          {wish: ref{From: "Widget", Path: "spec.ref"}},
		"an unknown kind":  {ref{From: "Widgit", Path: "spec.a"}, "spec.references[1].from", selection.ReasonKindNotFound, `did you mean "widget"?`},
		"an unknown aim":   {ref{From: "Widget", Path: "spec.a", Kind: "Secert"}, "spec.references[1].kind", selection.ReasonKindNotFound, "secret"},
		"one of two kinds": {ref{From: "Widget", Path: "spec.a", Kind: "Service"}, "spec.references[1].kind", selection.ReasonInvalidReference, "add the group"},
		"never backed up":  {ref{From: "Widget", Path: "spec.a", Kind: "Node"}, "spec.references[1].kind", selection.ReasonKindNeverSelected, "kubelet"},
		"a bad path":       {ref{From: "Widget", Path: "spec[0]", Kind: "Secret"}, "spec.references[1].path", selection.ReasonInvalidReference, "[*]"},
		"a bad namespace":  {ref{From: "Widget", Path: "spec.a", Kind: "Secret", NamespacePath: "."}, "spec.references[1].namespacePath", selection.ReasonInvalidReference, "dots"},
		"not to be had":    {ref{From: "ClusterRole", Path: "spec.a", Kind: "Secret"}, "spec.references[1]", selection.ReasonInvalidReference, "namespacePath"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			wishes := []ref{{From: "Widget", Path: "spec.fine", Kind: "Secret"}, tc.wish}
			declared, problems := selection.Declare("spec.references", wishes, kinds())
			if len(declared)+len(problems) != 2 {
				t.Fatalf("%d declarations beside %+v", len(declared), problems)
			}
			if tc.field == "" {
				return
			}
			if got := problems[0]; got.Field != tc.field || got.Reason != tc.reason || !strings.Contains(got.Message, tc.says) {
				t.Errorf("got %+v", got)
			}
		})
	}
}

func TestDeclaredBy(t *testing.T) {
	got, err := selection.DeclaredBy("widgets.shop.example.com",
		`[{"path": "spec.secret", "kind": "Secret"}, {"path": "spec.a", "kind": "b.c", "namespacePath": "spec.n", "optional": true}]`)
	want := []selection.Reference{
		{From: "widgets.shop.example.com", Path: "spec.secret", Kind: "Secret"},
		{From: "widgets.shop.example.com", Path: "spec.a", Kind: "b.c", NamespacePath: "spec.n", Optional: true},
	}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	for _, annotation := range []string{
		"", "{}", "spec.secret", `[{"path": "a", "kinds": "Secret"}]`, `[{"path": 1}]`, `[] []`, "[" + strings.Repeat(`{"path":"a"},`, 100) + `{"path":"a"}]`,
	} {
		if _, err := selection.DeclaredBy("widgets.shop.example.com", annotation); err == nil {
			t.Errorf("%q can be read", annotation)
		}
	}
}

// TestClosureFollowsDeclarations: what a declared reference leads to comes with its reason.
func TestClosureFollowsDeclarations(t *testing.T) {
	declared, problems := selection.Declare("spec.references", []selection.Reference{{From: "Widget", Path: "spec.keys[*]", Kind: "Secret"}}, kinds())
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	selector := compiled(t, selection.Filters{
		IncludeResources: []selection.ResourceFilter{{Kind: "Widget"}}, ExcludeResources: []selection.ResourceFilter{{Kind: "Secret", Name: "out"}},
	})
	closure := selection.NewClosure(selector, reference.NewRules(declared...))
	if err := closure.Visit(object(t, "widgets.shop.example.com", "shop", "knob", `spec: {keys: [in, out]}`)); err != nil {
		t.Fatal(err)
	}
	got := map[string]core.Reason{}
	for _, pending := range closure.Pending() {
		got[pending.Key().String()] = pending.Reason
	}
	const by = core.Reason("needed by Widget.shop.example.com shop/knob")
	want := map[string]core.Reason{
		"customresourcedefinitions.apiextensions.k8s.io widgets.shop.example.com": by, "namespaces shop": by, "secrets shop/in": by,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("pending (-want +got):\n%s", diff)
	}
	if warnings := closure.Warnings(); len(warnings) != 1 || !strings.Contains(warnings[0].Message, "(spec.keys[1]): excluded by spec.excludeResources[0]") {
		t.Errorf("warnings: %+v", warnings)
	}
}
