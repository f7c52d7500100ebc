package selection

import (
	"cmp"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/soda-cdm/kahu/internal/core"
)

// Compile turns the wishes into a Selector over the kinds: for a backup those that the cluster serves, for a restore
// those in the backup and those that the cluster serves. It is best given all kinds that there are, also those that
// are never backed up, so that a filter that names one is answered with the reason. With problems there is no
// Selector; without, there is.
func Compile(filters Filters, kinds []core.Kind) (*Selector, []Problem) {
	compiling := newCompilation(filters, kinds)
	for i, filter := range filters.IncludeResources {
		compiling.include(fmt.Sprintf("spec.includeResources[%d]", i), filter)
	}
	for i, filter := range filters.ExcludeResources {
		compiling.exclude(fmt.Sprintf("spec.excludeResources[%d]", i), filter)
	}
	if len(compiling.problems) > 0 {
		return nil, compiling.problems
	}
	selector := compiling.selector
	for _, rules := range compiling.all {
		selector.plan(rules)
	}
	if problems := compiling.contradictions(); len(problems) > 0 {
		return nil, problems
	}
	return selector, nil
}

// compilation is a Selector in the making.
type compilation struct {
	selector *Selector
	all      []*kindRules
	// called holds the kinds by each name that they have, in lower case.
	called   map[string][]*kindRules
	problems []Problem
}

func newCompilation(filters Filters, kinds []core.Kind) *compilation {
	selector := &Selector{
		filters:  filters,
		included: filters.includedNamespaces(),
		excluded: filters.excludedNamespaces(),
		kinds:    make(map[schema.GroupResource]*kindRules, len(kinds)),
		named:    make(map[schema.GroupKind]core.Kind, len(kinds)),
	}
	if filters.Labels != nil && !filters.Labels.Empty() {
		selector.labels = filters.Labels
	}
	made := &compilation{selector: selector, called: make(map[string][]*kindRules, 4*len(kinds))}
	for _, kind := range Cohabiting(kinds) {
		made.add(kind)
	}
	return made
}

func (c *compilation) add(kind core.Kind) {
	rules := &kindRules{kind: kind}
	rules.never, _ = Never(kind)
	c.all = append(c.all, rules)
	for _, group := range groupsOf(kind) {
		c.selector.kinds[schema.GroupResource{Group: group, Resource: kind.Resource}] = rules
		c.selector.named[schema.GroupKind{Group: group, Kind: kind.Name}] = kind
	}
	for _, name := range slices.Concat(kind.ShortNames, []string{kind.Name, kind.Resource, kind.Singular}) {
		name = strings.ToLower(name)
		if name != "" && !slices.Contains(c.called[name], rules) {
			c.called[name] = append(c.called[name], rules)
		}
	}
}

// include adds a filter of includeResources to the kinds that it names.
func (c *compilation) include(field string, filter ResourceFilter) {
	pattern, ok := c.pattern(field, filter)
	found, never, ok := c.find(field, filter, ok)
	if never != "" {
		c.problem(field+".kind", ReasonKindNeverSelected, fmt.Sprintf(
			"objects of kind %q are never backed up: %s; remove the entry", filter.Kind, never))
		return
	}
	for _, rules := range found {
		if ok && (!filter.everyKind() || c.selector.reaches(rules.kind)) {
			rules.include.add(filter, pattern, field)
		}
	}
}

// exclude adds a filter of excludeResources to the kinds that it names. To name a kind that is never backed up is no
// mistake here.
func (c *compilation) exclude(field string, filter ResourceFilter) {
	pattern, ok := c.pattern(field, filter)
	found, _, ok := c.find(field, filter, ok)
	for _, rules := range found {
		if ok {
			rules.exclude.add(filter, pattern, "excluded by "+field)
		}
	}
}

// pattern compiles the expression of a filter that has one, or notes what is wrong with it.
func (c *compilation) pattern(field string, filter ResourceFilter) (*regexp.Regexp, bool) {
	if !filter.IsRegex || filter.everyName() {
		return nil, true
	}
	pattern, err := regexp.Compile(filter.Name)
	if err != nil {
		c.problem(field+".name", ReasonInvalidExpression,
			fmt.Sprintf("%v: correct the expression, or set isRegex to false", err))
	}
	return pattern, err == nil
}

// find returns the kinds that a filter's kind names; or, where it names only such as are never backed up, the reason.
// Where it names none, or its expression cannot be read, it notes the problem and returns false, as it does where
// what came before was not well.
func (c *compilation) find(field string, filter ResourceFilter, well bool) ([]*kindRules, string, bool) {
	if filter.everyKind() {
		return c.all, "", well
	}
	if filter.expressesKind() {
		pattern, err := kindPattern(filter.Kind)
		if err != nil {
			c.problem(field+".kind", ReasonInvalidExpression, fmt.Sprintf("%v: correct the expression", err))
			return nil, "", false
		}
		found, never := c.matching(pattern)
		if len(found) == 0 && never == "" {
			c.problem(field+".kind", ReasonKindNotFound, fmt.Sprintf(
				"no kind matches %q: the expression is held against the kind, the plural, and each of them with a dot and "+
					"the group", filter.Kind))
		}
		return found, never, well
	}
	found, never := c.calledBy(filter.Kind)
	if len(found) == 0 && never == "" {
		c.notFound(field+".kind", filter.Kind)
	}
	return found, never, well
}

// matching returns the kinds that an expression matches, as calledBy does.
func (c *compilation) matching(pattern *regexp.Regexp) ([]*kindRules, string) {
	return possibleOf(slices.DeleteFunc(slices.Clone(c.all), func(rules *kindRules) bool {
		return !matchesKind(pattern, rules.kind)
	}))
}

// calledBy returns the kinds that a name names; or, where it names only such as are never backed up, the reason.
func (c *compilation) calledBy(wanted string) ([]*kindRules, string) {
	name, group, _ := strings.Cut(strings.ToLower(wanted), ".")
	found, reason := possibleOf(slices.DeleteFunc(slices.Clone(c.called[name]), func(rules *kindRules) bool {
		return group != "" && !slices.Contains(groupsOf(rules.kind), group)
	}))
	if len(found) > 0 {
		return found, ""
	}
	return nil, cmp.Or(reason, neverCalled(name, group))
}

// possibleOf returns those of the kinds that can be backed up; or, where none can, why the last one cannot.
func possibleOf(kinds []*kindRules) ([]*kindRules, string) {
	var found []*kindRules
	reason := ""
	for _, rules := range kinds {
		if rules.never != "" {
			reason = rules.never
			continue
		}
		found = append(found, rules)
	}
	if len(found) > 0 {
		return found, ""
	}
	return nil, reason
}

// neverCalled returns why a kind of that name is never backed up, also where the cluster does not serve it.
func neverCalled(name, group string) string {
	if group == ownGroup {
		return neverOwn
	}
	for _, never := range neverKinds() {
		called := name == never.resource || name == strings.ToLower(never.kind)
		if called && (group == "" || group == never.group) {
			return never.reason
		}
	}
	return ""
}

func (c *compilation) notFound(field, wanted string) {
	name, _, _ := strings.Cut(strings.ToLower(wanted), ".")
	c.problem(field, ReasonKindNotFound, fmt.Sprintf(
		"no kind is called %q%s: give a kind, plural or short name, alone or with a dot and the group",
		wanted, hint(name, slices.Sorted(maps.Keys(c.called)))))
}

func (c *compilation) problem(field, reason, message string) {
	c.problems = append(c.problems, Problem{Field: field, Reason: reason, Message: message})
}
