package selection_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/selection"
)

func TestKindsByTheirNames(t *testing.T) {
	cases := map[string]struct {
		called string
		want   []string
	}{
		"kind":                             {"Deployment", []string{"Deployment.apps"}},
		"kind in any case":                 {"dEPLOYMENT", []string{"Deployment.apps"}},
		"plural":                           {"deployments", []string{"Deployment.apps"}},
		"short name":                       {"deploy", []string{"Deployment.apps"}},
		"second short name":                {"crds", []string{"CustomResourceDefinition.apiextensions.k8s.io"}},
		"plural and group":                 {"deployments.apps", []string{"Deployment.apps"}},
		"kind and group":                   {"Widget.shop.example.com", []string{"Widget.shop.example.com"}},
		"short name and group":             {"wd.shop.example.com", []string{"Widget.shop.example.com"}},
		"group in any case":                {"Widget.Shop.Example.COM", []string{"Widget.shop.example.com"}},
		"a name of two groups means both":  {"service", []string{"Service", "Service.serving.example.com"}},
		"the group chooses one of the two": {"services.serving.example.com", []string{"Service.serving.example.com"}},
		"the group that a kind moved from": {"ingresses.extensions", []string{"Ingress.networking.k8s.io"}},
		"every kind besides the nevers":    {"*", allNames()},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			selector, problems := selection.Compile(selection.Filters{
				IncludeResources: []selection.ResourceFilter{{Kind: tc.called}},
			}, kinds())
			if len(problems) > 0 {
				t.Fatalf("problems: %v", problems)
			}
			var got []string
			for _, kind := range selection.Cohabiting(kinds()) {
				if !selector.Kind(kind).Skip {
					got = append(got, kind.String())
				}
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("kinds selected by %q (-want +got):\n%s", tc.called, diff)
			}
		})
	}
}

func allNames() []string {
	var names []string
	for _, kind := range selection.Cohabiting(kinds()) {
		if _, never := selection.Never(kind); !never {
			names = append(names, kind.String())
		}
	}
	return names
}

func TestSingularNames(t *testing.T) {
	oddity := core.Kind{Group: "example.com", Name: "Oddity", Resource: "oddities", Singular: "odd", Namespaced: true}
	_, problems := selection.Compile(selection.Filters{
		IncludeResources: []selection.ResourceFilter{{Kind: "odd"}},
	}, []core.Kind{oddity})
	if len(problems) > 0 {
		t.Errorf("the singular is not known: %v", problems)
	}
}

func TestCompileKeepsOutOfTheKindsItIsGiven(t *testing.T) {
	short := append(make([]string, 0, 4), "wd")
	given := []core.Kind{{Group: "a", Name: "Widget", Resource: "widgets", Singular: "widget", ShortNames: short}}
	selection.Compile(selection.Filters{}, given)
	if got := short[:2][1]; got != "" {
		t.Errorf("Compile wrote %q into the memory of its caller", got)
	}
}

func TestProblems(t *testing.T) {
	type filters = selection.Filters
	type list = []selection.ResourceFilter
	type found struct{ Field, Reason string }
	cases := map[string]struct {
		filters filters
		want    []found
		says    string
	}{
		"unknown kind, with the one that was meant": {
			filters: filters{IncludeResources: list{{Kind: "pods"}, {Kind: "Deploymnet"}}},
			want:    []found{{"spec.includeResources[1].kind", selection.ReasonKindNotFound}},
			says:    `did you mean "deployment"?`,
		},
		"unknown kind to exclude": {
			filters: filters{ExcludeResources: list{{Kind: "Secert"}}},
			want:    []found{{"spec.excludeResources[0].kind", selection.ReasonKindNotFound}},
			says:    `did you mean "secret"?`,
		},
		"kind in a group that does not have it": {
			filters: filters{IncludeResources: list{{Kind: "deployments.batch"}}},
			want:    []found{{"spec.includeResources[0].kind", selection.ReasonKindNotFound}},
		},
		"no kind": {
			filters: filters{IncludeResources: list{{Name: "web"}}},
			want:    []found{{"spec.includeResources[0].kind", selection.ReasonKindNotFound}},
		},
		"expression that does not compile": {
			filters: filters{IncludeResources: list{{Kind: "Pod", Name: "web-(", IsRegex: true}}},
			want:    []found{{"spec.includeResources[0].name", selection.ReasonInvalidExpression}},
			says:    "missing closing )",
		},
		"expression to exclude that does not compile": {
			filters: filters{ExcludeResources: list{{Kind: "Pod", Name: "**", IsRegex: true}}},
			want:    []found{{"spec.excludeResources[0].name", selection.ReasonInvalidExpression}},
		},
		"everything that is wrong at once": {
			filters: filters{
				IncludeResources: list{{Kind: "Nothing", Name: "[", IsRegex: true}},
				ExcludeResources: list{{Kind: "Nobody"}},
			},
			want: []found{
				{"spec.includeResources[0].name", selection.ReasonInvalidExpression},
				{"spec.includeResources[0].kind", selection.ReasonKindNotFound},
				{"spec.excludeResources[0].kind", selection.ReasonKindNotFound},
			},
		},
		"kind that is never backed up": {
			filters: filters{IncludeResources: list{{Kind: "Node"}}},
			want:    []found{{"spec.includeResources[0].kind", selection.ReasonKindNeverSelected}},
			says:    "kubelet",
		},
		"kind that is never backed up and not served": {
			filters: filters{IncludeResources: list{{Kind: "leases.coordination.k8s.io"}}},
			want:    []found{{"spec.includeResources[0].kind", selection.ReasonKindNeverSelected}},
		},
		"kind of our own": {
			filters: filters{IncludeResources: list{{Kind: "backups"}}},
			want:    []found{{"spec.includeResources[0].kind", selection.ReasonKindNeverSelected}},
		},
		"kind of our own that is not served": {
			filters: filters{IncludeResources: list{{Kind: "restores.kahu.io"}}},
			want:    []found{{"spec.includeResources[0].kind", selection.ReasonKindNeverSelected}},
		},
		"kind that is never backed up, excluded": {
			filters: filters{ExcludeResources: list{{Kind: "Event"}, {Kind: "leases"}, {Kind: "restores.kahu.io"}}},
		},
		"an expression beside a name for all": {
			filters: filters{IncludeResources: list{{Kind: "Pod", Name: "*", IsRegex: true}}},
		},
		"every included namespace excluded": {
			filters: filters{IncludeNamespaces: []string{"a", "b"}, ExcludeNamespaces: []string{"b", "a"}},
			want: []found{
				{"spec.includeNamespaces[0]", selection.ReasonContradiction}, {"spec.includeNamespaces[1]", selection.ReasonContradiction},
			},
			says: `namespace "a" is included, and excluded by spec.excludeNamespaces[1]: remove it from one of the two`,
		},
		"every included kind excluded": {
			filters: filters{
				IncludeResources: list{{Kind: "Pod", Name: "web"}, {Kind: "Secret"}},
				ExcludeResources: list{{Kind: "po"}, {Kind: "secrets"}},
			},
			want: []found{
				{"spec.includeResources[0]", selection.ReasonContradiction}, {"spec.includeResources[1]", selection.ReasonContradiction},
			},
			says: `Pod "web" is included, and cannot be selected: excluded by spec.excludeResources[0]`,
		},
		"one name of one kind, included and excluded": {
			filters: filters{
				IncludeResources: list{{Kind: "Pod", Name: "web"}}, ExcludeResources: list{{Kind: "pods", Name: "web"}},
			},
			want: []found{{"spec.includeResources[0]", selection.ReasonContradiction}},
		},
		"a name that an expression excludes": {
			filters: filters{
				IncludeResources: list{{Kind: "Pod", Name: "web"}}, ExcludeResources: list{{Kind: "*", Name: "^w", IsRegex: true}},
			},
			want: []found{{"spec.includeResources[0]", selection.ReasonContradiction}},
		},
		"the same expression in both": {
			filters: filters{
				IncludeResources: list{{Kind: "Pod", Name: "^w", IsRegex: true}},
				ExcludeResources: list{{Kind: "Pod", Name: "^w", IsRegex: true}},
			},
			want: []found{{"spec.includeResources[0]", selection.ReasonContradiction}},
		},
		"every object of every kind excluded, by expressions": {
			filters: filters{ExcludeResources: list{{Kind: ".*", Name: "^.*$", IsRegex: true}}},
			want:    []found{{"spec.excludeResources[0]", selection.ReasonContradiction}},
		},
		"a namespace by name, and others asked for": {
			filters: filters{IncludeNamespaces: []string{"a"}, IncludeResources: list{{Kind: "Namespace", Name: "b"}}},
			want:    []found{{"spec.includeResources[0]", selection.ReasonContradiction}},
			says:    "spec.includeNamespaces",
		},
		"an object that is never backed up": {
			filters: filters{IncludeResources: list{{Kind: "ConfigMap", Name: "kube-root-ca.crt"}}},
			want:    []found{{"spec.includeResources[0]", selection.ReasonContradiction}},
			says:    "controller manager",
		},
		"namespaces excluded, and kinds beside them": {
			filters: filters{
				IncludeNamespaces: []string{"a"}, ExcludeNamespaces: []string{"a"},
				IncludeResources: list{{Kind: "Pod"}, {Kind: "ClusterRole"}}, ExcludeResources: list{{Kind: "ClusterRole"}},
			},
			want: []found{
				{"spec.includeNamespaces[0]", selection.ReasonContradiction}, {"spec.includeResources[1]", selection.ReasonContradiction},
			},
		},
		"only kinds at cluster scope, and none of them": {
			filters: filters{IncludeResources: list{{Kind: "ClusterRole"}}, ClusterResources: new(false)},
			want:    []found{{"spec.includeResources[0]", selection.ReasonContradiction}},
			says:    "spec.includeClusterResource",
		},
		"every namespace and cluster scope excluded": {
			filters: filters{ExcludeNamespaces: []string{"*"}, ClusterResources: new(false)},
			want:    []found{{"spec.excludeNamespaces", selection.ReasonContradiction}},
		},
		"all but one name excluded": {
			filters: filters{
				IncludeResources: list{{Kind: "Pod", Name: "web"}, {Kind: "Pod", Name: "db"}},
				ExcludeResources: list{{Kind: "Pod", Name: "web"}, {Kind: "Secret"}},
			},
		},
		"an expression for kinds that matches none": {
			filters: filters{IncludeResources: list{{Kind: "^widgit", IsRegex: true}}},
			want:    []found{{"spec.includeResources[0].kind", selection.ReasonKindNotFound}},
			says:    "held against",
		},
		"an expression for kinds that matches none, to exclude": {
			filters: filters{ExcludeResources: list{{Kind: "^widgit", IsRegex: true}}},
			want:    []found{{"spec.excludeResources[0].kind", selection.ReasonKindNotFound}},
		},
		"an expression for kinds that does not compile": {
			filters: filters{IncludeResources: list{{Kind: "wid(get", IsRegex: true}}},
			want:    []found{{"spec.includeResources[0].kind", selection.ReasonInvalidExpression}},
			says:    "wid(get",
		},
		"both expressions wrong": {
			filters: filters{ExcludeResources: list{{Kind: "wid)|(get", Name: "(", IsRegex: true}}},
			want: []found{
				{"spec.excludeResources[0].name", selection.ReasonInvalidExpression},
				{"spec.excludeResources[0].kind", selection.ReasonInvalidExpression},
			},
		},
		"an expression for kinds that matches only such as are never backed up": {
			filters: filters{IncludeResources: list{{Kind: "^(nodes|events)$", IsRegex: true}}},
			want:    []found{{"spec.includeResources[0].kind", selection.ReasonKindNeverSelected}},
		},
		"an expression for kinds without isRegex": {
			filters: filters{IncludeResources: list{{Kind: "^pods$"}}},
			want:    []found{{"spec.includeResources[0].kind", selection.ReasonKindNotFound}},
		},
		"some included namespaces excluded": {
			filters: filters{IncludeNamespaces: []string{"a", "b"}, ExcludeNamespaces: []string{"a"}},
		},
		"every namespace excluded, and not cluster scope": {
			filters: filters{ExcludeNamespaces: []string{"*"}},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			selector, problems := selection.Compile(tc.filters, kinds())
			var got []found
			var texts []string
			for _, problem := range problems {
				got = append(got, found{problem.Field, problem.Reason})
				texts = append(texts, problem.Message)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("problems (-want +got):\n%s", diff)
			}
			if (selector == nil) != (len(problems) > 0) {
				t.Errorf("selector %v beside %d problems", selector, len(problems))
			}
			if text := strings.Join(texts, "\n"); !strings.Contains(text, tc.says) || slices.Contains(texts, "") {
				t.Errorf("messages %q do not say %q", texts, tc.says)
			}
		})
	}
}

func TestCheckNamespaces(t *testing.T) {
	filters := selection.Filters{
		IncludeNamespaces: []string{"shop", "*", "shpo-front", "gone"},
		ExcludeNamespaces: []string{"not-there-yet"},
	}
	problems := selection.CheckNamespaces(filters, []string{"default", "shop", "shop-front"})
	var got []string
	for _, problem := range problems {
		if problem.Reason != selection.ReasonNamespaceNotFound {
			t.Errorf("reason %q of %v", problem.Reason, problem)
		}
		got = append(got, problem.Field)
	}
	if diff := cmp.Diff([]string{"spec.includeNamespaces[2]", "spec.includeNamespaces[3]"}, got); diff != "" {
		t.Errorf("fields (-want +got):\n%s", diff)
	}
	if !strings.Contains(problems[0].Message, `did you mean "shop-front"?`) {
		t.Errorf("message %q has no hint", problems[0].Message)
	}
	if strings.Contains(problems[1].Message, "did you mean") {
		t.Errorf("message %q has a hint that is none", problems[1].Message)
	}
}

func TestCohabiting(t *testing.T) {
	cases := map[string]struct {
		given, want []core.Kind
	}{
		"the preferred group wins, wherever it stands": {
			given: []core.Kind{
				namespaced("extensions", "v1beta1", "Ingress", "ingresses"),
				namespaced("networking.k8s.io", "v1", "Ingress", "ingresses"),
			},
			want: []core.Kind{namespaced("networking.k8s.io", "v1", "Ingress", "ingresses")},
		},
		"the old group alone stays": {
			given: []core.Kind{namespaced("extensions", "v1beta1", "Ingress", "ingresses")},
			want:  []core.Kind{namespaced("extensions", "v1beta1", "Ingress", "ingresses")},
		},
		"events": {
			given: []core.Kind{namespaced("", "v1", "Event", "events"), namespaced("events.k8s.io", "v1", "Event", "events")},
			want:  []core.Kind{namespaced("", "v1", "Event", "events")},
		},
		"custom kinds of the same name are other kinds": {
			given: []core.Kind{
				namespaced("networking.k8s.io", "v1", "Ingress", "ingresses"),
				namespaced("example.com", "v1", "Ingress", "ingresses"),
				namespaced("", "v1", "Service", "services"),
				namespaced("serving.example.com", "v1", "Service", "services"),
			},
			want: []core.Kind{
				namespaced("networking.k8s.io", "v1", "Ingress", "ingresses"),
				namespaced("example.com", "v1", "Ingress", "ingresses"),
				namespaced("", "v1", "Service", "services"),
				namespaced("serving.example.com", "v1", "Service", "services"),
			},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, selection.Cohabiting(tc.given)); diff != "" {
				t.Errorf("kinds (-want +got):\n%s", diff)
			}
		})
	}
}
