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
	if compiling.hopeless() {
		return nil, []Problem{{
			Field: "spec", Reason: ReasonContradiction,
			Message: "the filters refuse all that they ask for, so that nothing can be selected: compare what is included, " +
				"namespaces and resources, with what is excluded",
		}}
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

// hopeless tells whether no object of any kind could be selected.
func (c *compilation) hopeless() bool {
	return len(c.all) > 0 && !slices.ContainsFunc(c.all, func(rules *kindRules) bool { return !rules.skipped.Skip })
}

// include adds a filter of includeResources to the kinds that it names.
func (c *compilation) include(field string, filter ResourceFilter) {
	pattern, ok := c.pattern(field, filter)
	found, never := c.find(filter.Kind)
	switch {
	case len(found) == 0 && never == "":
		c.notFound(field, filter)
	case never != "":
		c.problem(field+".kind", ReasonKindNeverSelected, fmt.Sprintf(
			"objects of kind %q are never backed up: %s; remove the entry", filter.Kind, never))
	case ok:
		for _, rules := range found {
			if filter.Kind != every || c.selector.reaches(rules.kind) {
				rules.include.add(filter, pattern, field)
			}
		}
	}
}

// exclude adds a filter of excludeResources to the kinds that it names. To name a kind that is never backed up is no
// mistake here.
func (c *compilation) exclude(field string, filter ResourceFilter) {
	pattern, ok := c.pattern(field, filter)
	found, never := c.find(filter.Kind)
	switch {
	case len(found) == 0 && never == "":
		c.notFound(field, filter)
	case ok:
		for _, rules := range found {
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

// find returns the kinds that a filter's kind names; and, where it names only such as are never backed up, the reason.
func (c *compilation) find(wanted string) ([]*kindRules, string) {
	if wanted == every {
		return c.all, ""
	}
	name, group, _ := strings.Cut(strings.ToLower(wanted), ".")
	var found []*kindRules
	reason := ""
	for _, rules := range c.called[name] {
		switch {
		case group != "" && !slices.Contains(groupsOf(rules.kind), group):
		case rules.never != "":
			reason = rules.never
		default:
			found = append(found, rules)
		}
	}
	if len(found) > 0 {
		return found, ""
	}
	return nil, cmp.Or(reason, neverCalled(name, group))
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

func (c *compilation) notFound(field string, filter ResourceFilter) {
	name, _, _ := strings.Cut(strings.ToLower(filter.Kind), ".")
	c.problem(field+".kind", ReasonKindNotFound, fmt.Sprintf(
		"no kind is called %q%s: give a kind, plural or short name, alone or with a dot and the group",
		filter.Kind, hint(name, slices.Sorted(maps.Keys(c.called)))))
}

func (c *compilation) problem(field, reason, message string) {
	c.problems = append(c.problems, Problem{Field: field, Reason: reason, Message: message})
}
