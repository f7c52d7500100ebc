package selection

import (
	"cmp"
	"maps"
	"slices"

	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/soda-cdm/kahu/internal/core"
)

// maxNamespaceLists is the number of namespaces up to which a kind is listed namespace by namespace. With more of
// them one list of all namespaces costs the API server less than the many requests.
const maxNamespaceLists = 100

// Selector decides which objects are in. It does not change, and may be used by several goroutines at once.
type Selector struct {
	filters  Filters
	included map[string]bool   // nil: all namespaces
	excluded map[string]string // namespace to the words that say so
	labels   labels.Selector   // nil: all labels
	kinds    map[schema.GroupResource]*kindRules
	named    map[schema.GroupKind]core.Kind
}

// KindPlan says how the objects of a kind are best read.
type KindPlan struct {
	// Skip tells that no object of the kind can be selected, Reason why not. Some may still be needed.
	Skip   bool
	Reason string
	// Namespaces are the only ones in which objects can be selected, ordered; nil means all of them, or cluster scope.
	Namespaces []string
	// LabelSelector is for the server, in the syntax of the API; empty means all.
	LabelSelector string
}

// Verdict says whether an object is in, and why not.
type Verdict struct {
	// In tells that the filters select the object.
	In bool
	// Excluded tells that a filter excludes the object expressly: it is left out also where another needs it.
	Excluded bool
	// Reason says why the object is not in; empty where it is.
	Reason string
}

// Everything tells that the filters leave nothing out.
func (s *Selector) Everything() bool {
	return s.included == nil && len(s.excluded) == 0 && s.labels == nil &&
		len(s.filters.IncludeResources) == 0 && len(s.filters.ExcludeResources) == 0 && !s.refusesCluster()
}

// Kind says how the objects of a kind are best read.
func (s *Selector) Kind(kind core.Kind) KindPlan {
	rules, known := s.kinds[kind.GroupResource()]
	switch {
	case !known:
		return KindPlan{Skip: true, Reason: unknownKind}
	case rules.skipped.Skip:
		return rules.skipped
	}
	plan := KindPlan{}
	if s.labels != nil {
		plan.LabelSelector = s.labels.String()
	}
	if kind.Namespaced && s.included != nil && len(s.included) <= maxNamespaceLists {
		plan.Namespaces = s.readNamespaces()
	}
	return plan
}

// Object says whether an object is in. Its namespace is empty at cluster scope.
func (s *Selector) Object(kind core.Kind, namespace, name string, objectLabels map[string]string) Verdict {
	stands, reason := s.standing(kind, namespace, name)
	if stands != selectable {
		return Verdict{Excluded: stands == excluded, Reason: reason}
	}
	if reason, never := NeverObject(kind, name, objectLabels); never {
		return Verdict{Reason: reason}
	}
	if s.labels != nil && !s.labels.Matches(labels.Set(objectLabels)) {
		return Verdict{Reason: "its labels are not those asked for"}
	}
	return Verdict{In: true}
}

// Excludes tells whether a filter expressly excludes an object, and the words for it, such as
// "excluded by spec.excludeResources[0]". Labels never exclude.
func (s *Selector) Excludes(kind core.Kind, namespace, name string) (string, bool) {
	stands, reason := s.standing(kind, namespace, name)
	return reason, stands == excluded
}

// standing is what can be said of an object without its labels.
type standing int

const (
	selectable standing = iota // selected if its labels are those asked for
	passed                     // not asked for: in only when needed
	excluded                   // out, needed or not
	neverIn                    // never in any backup
)

// Words that are given as a reason again and again.
const (
	unknownKind       = "its kind is not known"
	notAtCluster      = "it is at cluster scope, and namespaces are asked for"
	notAmongResources = "it is not among spec.includeResources"
	notAmongSpaces    = "its namespace is not among spec.includeNamespaces"
	noSpaceLeft       = "every namespace that is asked for is excluded"
	clusterRefused    = "excluded by spec.includeClusterResource"
)

// standing returns how an object stands, and the reason why it is not selectable.
func (s *Selector) standing(kind core.Kind, namespace, name string) (standing, string) {
	rules, known := s.kinds[kind.GroupResource()]
	if !known {
		return passed, unknownKind
	}
	if rules.never != "" {
		return neverIn, rules.never
	}
	if reason, never := NeverObject(kind, name, nil); never {
		return neverIn, reason
	}
	namespace = namespaceOf(kind, namespace, name)
	if reason, out := s.excludes(rules, namespace, name); out {
		return excluded, reason
	}
	if reason, out := s.passes(rules, namespace, name); out {
		return passed, reason
	}
	return selectable, ""
}

// passes tells whether an object is not among what is asked for, and why.
func (s *Selector) passes(rules *kindRules, namespace, name string) (string, bool) {
	if within(rules.kind) && s.included != nil && !s.included[namespace] {
		return notAmongSpaces, true
	}
	if reason := s.unnamed(rules); reason != "" {
		return reason, true
	}
	if _, named := rules.include.match(name); !named && rules.include.any() {
		return notAmongResources, true
	}
	return "", false
}

// unnamed returns why no object of the kind is asked for, if none is.
func (s *Selector) unnamed(rules *kindRules) string {
	switch {
	case rules.include.any():
		return ""
	case !s.reaches(rules.kind):
		return notAtCluster
	case len(s.filters.IncludeResources) > 0:
		return notAmongResources
	}
	return ""
}

// excludes returns the words of the filter that excludes an object expressly.
func (s *Selector) excludes(rules *kindRules, namespace, name string) (string, bool) {
	if within(rules.kind) {
		if reason, out := s.excludesNamespace(namespace); out {
			return reason, true
		}
	} else if s.refusesCluster() {
		return clusterRefused, true
	}
	return rules.exclude.match(name)
}

func (s *Selector) excludesNamespace(name string) (string, bool) {
	if reason, out := s.excluded[every]; out {
		return reason, true
	}
	reason, out := s.excluded[name]
	return reason, out
}

// plan finds out whether any object of the kind can be selected.
func (s *Selector) plan(rules *kindRules) {
	reason := cmp.Or(rules.never, s.closed(rules.kind), rules.exclude.every, s.unnamed(rules))
	rules.skipped = KindPlan{Skip: reason != "", Reason: reason}
}

// closed returns why nothing is left where objects of the kind live, if nothing is.
func (s *Selector) closed(kind core.Kind) string {
	switch {
	case !within(kind) && s.refusesCluster():
		return clusterRefused
	case within(kind) && s.excluded[every] != "":
		return s.excluded[every]
	case within(kind) && s.included != nil && len(s.readNamespaces()) == 0:
		return noSpaceLeft
	}
	return ""
}

// readNamespaces returns the included namespaces that are not excluded, ordered.
func (s *Selector) readNamespaces() []string {
	names := slices.Sorted(maps.Keys(s.included))
	return slices.DeleteFunc(names, func(name string) bool {
		_, out := s.excludesNamespace(name)
		return out
	})
}

// reaches tells whether wishes that do not name the kind reach its objects: where namespaces are asked for, objects
// at cluster scope come only by name of their kind, or when all of them are asked for.
func (s *Selector) reaches(kind core.Kind) bool {
	return within(kind) || s.included == nil || s.filters.ClusterResources != nil && *s.filters.ClusterResources
}

// refusesCluster tells whether objects at cluster scope are left out.
func (s *Selector) refusesCluster() bool {
	return s.filters.ClusterResources != nil && !*s.filters.ClusterResources
}

// within tells whether the filters of namespaces speak of objects of the kind: of Namespace objects, too.
func within(kind core.Kind) bool { return kind.Namespaced || isNamespace(kind) }

func isNamespace(kind core.Kind) bool { return kind.Group == "" && kind.Resource == "namespaces" }

// namespaceOf returns the namespace by which an object is chosen: that of a Namespace object is its name.
func namespaceOf(kind core.Kind, namespace, name string) string {
	if isNamespace(kind) {
		return name
	}
	return namespace
}
