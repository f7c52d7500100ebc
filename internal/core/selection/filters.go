package selection

import (
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/labels"
)

// Filters are the wishes of a Backup or a Restore, as they stand in its spec. The zero value asks for everything.
type Filters struct {
	// IncludeNamespaces are the namespaces asked for; none, or one that is *, means all. A namespace brings its
	// Namespace object. Objects at cluster scope then come only where their kind is named in IncludeResources, where
	// ClusterResources is true, or where something needs them.
	IncludeNamespaces []string
	// ExcludeNamespaces are left out, their Namespace objects too. They win over every other wish.
	ExcludeNamespaces []string
	// IncludeResources are the objects asked for; none means all.
	IncludeResources []ResourceFilter
	// ExcludeResources are left out. They win over every other wish.
	ExcludeResources []ResourceFilter
	// Labels selects by labels; nil means all. What selected objects need comes whatever its labels are.
	Labels labels.Selector
	// ClusterResources asks for objects at cluster scope also where IncludeNamespaces is given (true), or refuses
	// them, needed or not (false). It says nothing about Namespace objects, which go with their namespaces. nil: as
	// the other filters say.
	ClusterResources *bool
	// References are references of custom resources that nobody else knows. They choose nothing by themselves: what
	// they lead to comes with what is chosen.
	References []Reference
}

// ResourceFilter names objects of one kind.
type ResourceFilter struct {
	// Name is the name of an object. Empty or * means every object of the kind, also where IsRegex is set.
	Name string
	// Kind is a kind, plural, singular or short name, alone or with a dot and the group, in any case; or * for every
	// kind. A name that several groups have means the kind in each of them. With IsRegex it can be a regular expression
	// instead: it is one when it has any character besides letters, digits, dots and dashes.
	Kind string
	// IsRegex makes Name a regular expression (RE2), which matches anywhere in a name unless it says otherwise, and
	// permits one in Kind.
	IsRegex bool
}

// every is the name of all namespaces, kinds or objects.
const every = "*"

func (f ResourceFilter) everyName() bool { return f.Name == "" || f.Name == every }

// Reasons of problems. They are stable.
const (
	// ReasonKindNotFound: nothing is called by that kind.
	ReasonKindNotFound = "KindNotFound"
	// ReasonKindNeverSelected: objects of the kind are never backed up; Never says why.
	ReasonKindNeverSelected = "KindNeverSelected"
	// ReasonInvalidExpression: the regular expression does not compile.
	ReasonInvalidExpression = "InvalidExpression"
	// ReasonNamespaceNotFound: the namespace does not exist.
	ReasonNamespaceNotFound = "NamespaceNotFound"
	// ReasonContradiction: the filters exclude all that they include.
	ReasonContradiction = "Contradiction"
)

// Problem is one thing that is wrong with the wishes.
type Problem struct {
	// Field is the path of the field, such as spec.includeResources[1].name.
	Field string
	// Reason is one of the reasons of this package.
	Reason string
	// Message says what is wrong and what to do.
	Message string
}

// CheckNamespaces returns a problem for each included namespace that does not exist. An excluded namespace need not
// exist: the wish not to have it is fulfilled.
func CheckNamespaces(filters Filters, existing []string) []Problem {
	exists := make(map[string]bool, len(existing))
	for _, name := range existing {
		exists[name] = true
	}
	var problems []Problem
	for i, name := range filters.IncludeNamespaces {
		if name == every || exists[name] {
			continue
		}
		problems = append(problems, Problem{
			Field:   fmt.Sprintf("spec.includeNamespaces[%d]", i),
			Reason:  ReasonNamespaceNotFound,
			Message: fmt.Sprintf("there is no namespace %q%s: correct the name, or remove it", name, hint(name, existing)),
		})
	}
	return problems
}

// includedNamespaces returns the namespaces asked for as a set, or nil for all.
func (f Filters) includedNamespaces() map[string]bool {
	if len(f.IncludeNamespaces) == 0 || slices.Contains(f.IncludeNamespaces, every) {
		return nil
	}
	included := make(map[string]bool, len(f.IncludeNamespaces))
	for _, name := range f.IncludeNamespaces {
		included[name] = true
	}
	return included
}

// excludedNamespaces returns for each excluded namespace the words that say so.
func (f Filters) excludedNamespaces() map[string]string {
	excluded := make(map[string]string, len(f.ExcludeNamespaces))
	for i, name := range f.ExcludeNamespaces {
		if _, known := excluded[name]; !known {
			excluded[name] = fmt.Sprintf("excluded by spec.excludeNamespaces[%d]", i)
		}
	}
	return excluded
}
