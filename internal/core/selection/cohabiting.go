package selection

import (
	"slices"

	"github.com/soda-cdm/kahu/internal/core"
)

// cohabitation is a kind of which the same objects are served in several groups.
type cohabitation struct {
	resource string
	groups   []string // the one to prefer first
}

// cohabitations returns the kinds of Kubernetes that moved from group to group and were, or are, served in both. The
// same plural name in two groups means nothing by itself: a custom resource may well be called ingresses.
func cohabitations() []cohabitation {
	return []cohabitation{
		{"daemonsets", []string{"apps", "extensions"}},
		{"deployments", []string{"apps", "extensions"}},
		{"events", []string{"", "events.k8s.io"}},
		{"horizontalpodautoscalers", []string{"autoscaling", "extensions"}},
		{"ingresses", []string{"networking.k8s.io", "extensions"}},
		{"jobs", []string{"batch", "extensions"}},
		{"networkpolicies", []string{"networking.k8s.io", "extensions"}},
		{"podsecuritypolicies", []string{"policy", "extensions"}},
		{"replicasets", []string{"apps", "extensions"}},
	}
}

// groupsOf returns the groups in which the objects of the kind may be served, the one to prefer first.
func groupsOf(kind core.Kind) []string {
	for _, row := range cohabitations() {
		if row.resource == kind.Resource && slices.Contains(row.groups, kind.Group) {
			return row.groups
		}
	}
	return []string{kind.Group}
}

// Cohabiting returns the kinds in their order, without those whose objects are served in a preferred group as well.
func Cohabiting(kinds []core.Kind) []core.Kind {
	served := make(map[core.Key]bool, len(kinds))
	for _, kind := range kinds {
		served[core.Key{Group: kind.Group, Resource: kind.Resource}] = true
	}
	once := make([]core.Kind, 0, len(kinds))
	for _, kind := range kinds {
		groups := groupsOf(kind)
		first := slices.IndexFunc(groups, func(group string) bool {
			return served[core.Key{Group: group, Resource: kind.Resource}]
		})
		if groups[first] == kind.Group {
			once = append(once, kind)
		}
	}
	return once
}
