package selection

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/soda-cdm/kahu/internal/core"
)

// Resource is a ResourceFilter that is asked of one object at a time, without knowing which kinds there are. What no kind
// is called simply takes nothing.
type Resource struct {
	kind, group string         // in lower case; no group means any
	kinds       *regexp.Regexp // in the place of both
	every       bool           // every kind
	name        string         // empty means every name
	names       *regexp.Regexp
}

// CompileResource turns a filter, which is at the field, into a Resource, or says what is wrong with it.
func CompileResource(field string, filter ResourceFilter) (Resource, []Problem) {
	var problems []Problem
	expression := func(part, text string, compile func(text string) (*regexp.Regexp, error)) *regexp.Regexp {
		pattern, err := compile(text)
		if err != nil {
			problems = append(problems, Problem{
				Field: field + "." + part, Reason: ReasonInvalidExpression,
				Message: fmt.Sprintf("%v: correct the expression, or set isRegex to false", err),
			})
		}
		return pattern
	}
	made := Resource{every: filter.everyKind()}
	switch {
	case filter.Kind == "":
		problems = append(problems, Problem{
			Field: field + ".kind", Reason: ReasonKindNotFound,
			Message: "give a kind, plural or short name, alone or with a dot and the group",
		})
	case filter.expressesKind():
		made.kinds = expression("kind", filter.Kind, kindPattern)
	default:
		made.kind, made.group, _ = strings.Cut(strings.ToLower(filter.Kind), ".")
	}
	switch {
	case filter.everyName():
	case filter.IsRegex:
		made.names = expression("name", filter.Name, regexp.Compile)
	default:
		made.name = filter.Name
	}
	return made, problems
}

// Takes tells whether the filter names the object of that kind and name.
func (r Resource) Takes(kind core.Kind, name string) bool {
	if !r.takesKind(kind) {
		return false
	}
	if r.names != nil {
		return r.names.MatchString(name)
	}
	return r.name == "" || r.name == name
}

func (r Resource) takesKind(kind core.Kind) bool {
	switch {
	case r.every:
		return true
	case r.kinds != nil:
		return matchesKind(r.kinds, kind)
	case r.group != "" && !slices.Contains(groupsOf(kind), r.group):
		return false
	}
	called := slices.Concat(kind.ShortNames, []string{kind.Name, kind.Resource, kind.Singular})
	return slices.ContainsFunc(called, func(each string) bool { return strings.EqualFold(each, r.kind) })
}
