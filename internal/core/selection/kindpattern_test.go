package selection_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/soda-cdm/kahu/internal/core/selection"
)

// TestKindsByExpression: which kinds an expression names, of all that the cluster serves.
func TestKindsByExpression(t *testing.T) {
	everything := []string{}
	for _, kind := range selection.Cohabiting(kinds()) {
		if _, never := selection.Never(kind); !never {
			everything = append(everything, kind.GroupResource().String())
		}
	}
	cases := map[string]struct {
		filter     selection.ResourceFilter
		namespaces []string
		want       []string
	}{
		"a kind, as a name": {filter: selection.ResourceFilter{Kind: "Secret", IsRegex: true}, want: []string{"secrets"}},
		"a kind in full":    {filter: selection.ResourceFilter{Kind: "^Secret$", IsRegex: true}, want: []string{"secrets"}},
		"in any case":       {filter: selection.ResourceFilter{Kind: "^SECRETS?$", IsRegex: true}, want: []string{"secrets"}},
		"anywhere in a name": {
			filter: selection.ResourceFilter{Kind: "(class|claim)", IsRegex: true},
			want:   []string{"persistentvolumeclaims", "priorityclasses.scheduling.k8s.io", "storageclasses.storage.k8s.io"},
		},
		"a group": {
			filter: selection.ResourceFilter{Kind: `\.apps$`, IsRegex: true}, want: []string{"deployments.apps", "statefulsets.apps"},
		},
		"a group in which the same objects are served": {
			filter: selection.ResourceFilter{Kind: `^ingresses\.extensions$`, IsRegex: true}, want: []string{"ingresses.networking.k8s.io"},
		},
		"a plural with its group": {
			filter: selection.ResourceFilter{Kind: `^(services|widgets)\.[a-z]+\.example\.com$`, IsRegex: true},
			want:   []string{"services.serving.example.com", "widgets.shop.example.com"},
		},
		"short names are not held against it": {
			filter: selection.ResourceFilter{Kind: "^(po|pods)$", IsRegex: true}, want: []string{"pods"},
		},
		"some of which are never backed up": {
			filter: selection.ResourceFilter{Kind: "^(event|node|secret)s$", IsRegex: true}, want: []string{"secrets"},
		},
		"all": {filter: selection.ResourceFilter{Kind: ".*", IsRegex: true}, want: everything},
		"kinds at cluster scope where namespaces are asked for": {
			filter: selection.ResourceFilter{Kind: "^(ClusterRole|Secret)$", IsRegex: true}, namespaces: []string{"shop"},
			want: []string{"clusterroles.rbac.authorization.k8s.io", "secrets"},
		},
		"all where namespaces are asked for": {
			filter: selection.ResourceFilter{Kind: "^.+$", IsRegex: true}, namespaces: []string{"shop"},
			want: slices.DeleteFunc(slices.Clone(everything), func(called string) bool {
				return called != "namespaces" && !kind(t, called).Namespaced
			}),
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			selector := compiled(t, selection.Filters{
				IncludeNamespaces: tc.namespaces, IncludeResources: []selection.ResourceFilter{tc.filter},
			})
			got := []string{}
			for _, kind := range selection.Cohabiting(kinds()) {
				if !selector.Kind(kind).Skip {
					got = append(got, kind.GroupResource().String())
				}
			}
			slices.Sort(got)
			slices.Sort(tc.want)
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("kinds (-want +got):\n%s", diff)
			}
		})
	}
}

// TestExpressionsForKindAndName: with both, each holds for its own.
func TestExpressionsForKindAndName(t *testing.T) {
	selector := compiled(t, selection.Filters{
		IncludeResources: []selection.ResourceFilter{{Kind: "^(config|secret)", Name: "^tls-", IsRegex: true}},
		ExcludeResources: []selection.ResourceFilter{{Kind: "maps$", Name: "-old$", IsRegex: true}},
	})
	var in []string
	for _, called := range []string{"configmaps", "secrets", "pods"} {
		for _, name := range []string{"tls-a", "tls-old", "other"} {
			if selector.Object(kind(t, called), "shop", name, nil).In {
				in = append(in, called+" "+name)
			}
		}
	}
	if diff := cmp.Diff("configmaps tls-a, secrets tls-a, secrets tls-old", strings.Join(in, ", ")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
