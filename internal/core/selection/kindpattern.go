package selection

import (
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"

	"github.com/soda-cdm/kahu/internal/core"
)

// expressesKind tells whether the kind of a filter is a regular expression: only with isRegex, and only where it has
// a character that no name of a kind has. So a filter that was written when an expression could stand in the name
// alone means what it meant.
func (f ResourceFilter) expressesKind() bool {
	return f.IsRegex && strings.ContainsFunc(f.Kind, func(character rune) bool {
		return !strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-", character)
	})
}

// everyKind tells whether the filter asks for every kind, be it by an expression that matches whatever there is.
func (f ResourceFilter) everyKind() bool {
	return f.Kind == every || f.expressesKind() && matchesAll(f.Kind)
}

// kindPattern compiles the expression of a kind. As names of kinds are, it is read in any case.
func kindPattern(expression string) (*regexp.Regexp, error) {
	if _, err := regexp.Compile(expression); err != nil {
		return nil, err // With the expression as it was written.
	}
	return regexp.Compile("(?i:" + expression + ")")
}

// matchesKind tells whether an expression matches a kind: its name (Deployment), its plural (deployments), or one of
// them with a dot and the group (Deployment.apps, deployments.apps), in each group in which its objects are served.
func matchesKind(pattern *regexp.Regexp, kind core.Kind) bool {
	if pattern.MatchString(kind.Name) || pattern.MatchString(kind.Resource) {
		return true
	}
	for _, group := range groupsOf(kind) {
		if group != "" && (pattern.MatchString(kind.Name+"."+group) || pattern.MatchString(kind.Resource+"."+group)) {
			return true
		}
	}
	return false
}

// matchesAll tells whether an expression is one of the usual ones that match every name: .*, .+, with or without
// anchors.
func matchesAll(expression string) bool {
	parsed, err := syntax.Parse(expression, syntax.Perl)
	if err != nil {
		return false
	}
	parts := []*syntax.Regexp{parsed.Simplify()}
	if parts[0].Op == syntax.OpConcat {
		parts = parts[0].Sub
	}
	parts = slices.DeleteFunc(slices.Clone(parts), func(part *syntax.Regexp) bool {
		return part.Op == syntax.OpBeginText || part.Op == syntax.OpEndText || part.Op == syntax.OpEmptyMatch
	})
	if len(parts) != 1 || parts[0].Op != syntax.OpStar && parts[0].Op != syntax.OpPlus {
		return false
	}
	repeated := parts[0].Sub[0].Op
	return repeated == syntax.OpAnyCharNotNL || repeated == syntax.OpAnyChar
}
