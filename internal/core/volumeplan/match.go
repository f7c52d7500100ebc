package volumeplan

import (
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/labels"
)

// matches tells whether the claim is what the rule speaks of.
func (r *Rule) matches(claim *Claim) bool {
	for _, check := range []bool{
		anyOf(r.Namespaces, claim.Namespace), anyOf(r.Claims, claim.Name),
		anyOf(r.StorageClasses, claim.StorageClass), anyOf(r.Drivers, claim.Driver),
		r.Mode == "" || r.Mode == claim.Mode,
		r.Labels == nil || r.Labels.Matches(labels.Set(claim.Labels)),
		r.MinSize == 0 || claim.Size >= r.MinSize, r.MaxSize == 0 || claim.Size <= r.MaxSize,
	} {
		if !check {
			return false
		}
	}
	for key, value := range r.Annotations {
		if has, there := claim.Annotations[key]; !there || has != value {
			return false
		}
	}
	return true
}

// cuts tells whether the rule says something of which no way but Snapshot has a use.
func (r *Rule) cuts() bool {
	return r.GroupClass != "" || r.Together == Required
}

// anyOf tells whether one of the patterns is the name; none at all means every name. A * at the end of a pattern stands for
// anything.
func anyOf(patterns []string, name string) bool {
	return len(patterns) == 0 || slices.ContainsFunc(patterns, func(pattern string) bool {
		if stem, open := strings.CutSuffix(pattern, "*"); open {
			return strings.HasPrefix(name, stem)
		}
		return pattern == name
	})
}
