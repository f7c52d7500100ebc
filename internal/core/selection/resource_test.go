package selection_test

import (
	"testing"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/selection"
)

func TestResource(t *testing.T) {
	t.Parallel()
	deployment := core.Kind{
		Group: "apps", Version: "v1", Name: "Deployment", Resource: "deployments", Singular: "deployment", ShortNames: []string{"deploy"},
	}
	cases := map[string]struct {
		filter selection.ResourceFilter
		want   bool
	}{
		"Kind":            {selection.ResourceFilter{Kind: "Deployment"}, true},
		"AnyCase":         {selection.ResourceFilter{Kind: "deployMENTS"}, true},
		"ShortName":       {selection.ResourceFilter{Kind: "deploy", Name: "*"}, true},
		"WithGroup":       {selection.ResourceFilter{Kind: "deployments.apps", Name: "web"}, true},
		"OtherGroup":      {selection.ResourceFilter{Kind: "deployments.example.org"}, false},
		"OtherKind":       {selection.ResourceFilter{Kind: "pods"}, false},
		"OtherName":       {selection.ResourceFilter{Kind: "deploy", Name: "we"}, false},
		"Every":           {selection.ResourceFilter{Kind: "*"}, true},
		"Expression":      {selection.ResourceFilter{Kind: "deploy", Name: "^we", IsRegex: true}, true},
		"OtherExpression": {selection.ResourceFilter{Kind: "deploy", Name: "^eb", IsRegex: true}, false},
		"KindExpression":  {selection.ResourceFilter{Kind: "^(deployments|jobs)$", IsRegex: true}, true},
		"OtherKinds":      {selection.ResourceFilter{Kind: "^(pods|jobs)$", IsRegex: true}, false},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			resource, problems := selection.CompileResource("field", c.filter)
			if len(problems) > 0 {
				t.Fatal(problems)
			}
			if got := resource.Takes(deployment, "web"); got != c.want {
				t.Errorf("takes is %t, want %t", got, c.want)
			}
		})
	}
}

func TestResourceRefuses(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		filter selection.ResourceFilter
		field  string
	}{
		"NoKind": {selection.ResourceFilter{Name: "a"}, "field.kind"},
		"Kind":   {selection.ResourceFilter{Kind: "(", IsRegex: true}, "field.kind"},
		"Name":   {selection.ResourceFilter{Kind: "pods", Name: "(", IsRegex: true}, "field.name"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, problems := selection.CompileResource("field", c.filter); len(problems) != 1 || problems[0].Field != c.field {
				t.Errorf("problems are %v, want one with %s", problems, c.field)
			}
		})
	}
}
