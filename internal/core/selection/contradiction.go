package selection

import (
	"fmt"
	"maps"
	"slices"

	"github.com/soda-cdm/kahu/internal/core/reference"
)

// maxContradictions bounds the problems that are named of filters that contradict one another: the first say it all.
const maxContradictions = 20

// contradictions returns what is wrong where the filters refuse all that they ask for, so that no object whatever
// could be selected; and nothing where any could. Labels have no part in it.
func (c *compilation) contradictions() []Problem {
	if len(c.all) == 0 || slices.ContainsFunc(c.all, c.selector.possible) {
		return nil
	}
	found := slices.Concat(c.contradictedNamespaces(), c.contradictedResources(), c.contradictedWhole())
	if len(found) == 0 {
		found = []Problem{contradiction("spec", "nothing can be selected: compare what is included, namespaces and resources, "+
			"with what is excluded")}
	}
	return found[:min(len(found), maxContradictions)]
}

func contradiction(field, message string) Problem {
	return Problem{Field: field, Reason: ReasonContradiction, Message: message}
}

// possible tells whether the filters can select any object of a kind.
func (s *Selector) possible(rules *kindRules) bool {
	if rules.skipped.Skip {
		return false
	}
	if rules.include.every != "" || !rules.include.any() {
		return !rules.exclude.all()
	}
	for name := range rules.include.names {
		if s.impossible(rules, name) == "" {
			return true
		}
	}
	return slices.ContainsFunc(rules.include.patterns, func(wanted namePattern) bool {
		return rules.exclude.covers(wanted) == ""
	})
}

// impossible returns why no object of the kind that has the name can be selected, or nothing where one can.
func (s *Selector) impossible(rules *kindRules, name string) string {
	if words, never := NeverObject(rules.kind, name, nil); never {
		return words
	}
	if words, out := rules.exclude.match(name); out {
		return words
	}
	if !isNamespace(rules.kind) {
		return ""
	}
	if words, out := s.excludesNamespace(name); out {
		return words
	}
	if s.included != nil && !s.included[name] {
		return "it is not among spec.includeNamespaces"
	}
	return ""
}

// all tells whether the filters take every name, whatever it is.
func (r *nameRules) all() bool {
	return r.every != "" || slices.ContainsFunc(r.patterns, func(one namePattern) bool { return matchesAll(one.pattern.String()) })
}

// covers returns the words of a filter that takes every name that an expression takes; as far as one can see.
func (r *nameRules) covers(wanted namePattern) string {
	if r.every != "" {
		return r.every
	}
	for _, one := range r.patterns {
		if text := one.pattern.String(); text == wanted.pattern.String() || matchesAll(text) {
			return one.words
		}
	}
	return ""
}

// contradictedNamespaces returns a problem for each included namespace, where each of them is excluded.
func (c *compilation) contradictedNamespaces() []Problem {
	if c.selector.included == nil || len(c.selector.readNamespaces()) > 0 {
		return nil
	}
	var found []Problem
	for i, name := range c.selector.filters.IncludeNamespaces {
		words, _ := c.selector.excludesNamespace(name)
		found = append(found, contradiction(fmt.Sprintf("spec.includeNamespaces[%d]", i),
			fmt.Sprintf("namespace %q is included, and %s: remove it from one of the two", name, words)))
	}
	return found
}

// contradictedResources returns a problem for each filter of includeResources whose objects are all out, and not for
// want of a namespace alone.
func (c *compilation) contradictedResources() []Problem {
	var found []Problem
	for i, filter := range c.selector.filters.IncludeResources {
		field := fmt.Sprintf("spec.includeResources[%d]", i)
		if len(found) == maxContradictions {
			break
		}
		for _, rules := range c.all {
			if words := c.selector.contradicts(rules, filter, field); words != "" {
				found = append(found, contradiction(field, fmt.Sprintf(
					"%s is included, and cannot be selected: %s; correct or remove one of the two", filter.of(rules), words)))
				break // One kind of several shows what is wrong.
			}
		}
	}
	return found
}

// of names the objects of a kind for which the filter asks.
func (f ResourceFilter) of(rules *kindRules) string {
	if f.everyName() {
		return reference.KindName(rules.kind)
	}
	return fmt.Sprintf("%s %q", reference.KindName(rules.kind), f.Name)
}

// contradicts returns why no object of the kind is selected by a filter of includeResources, which the field names;
// or nothing where the filter does not speak of the kind.
func (s *Selector) contradicts(rules *kindRules, filter ResourceFilter, field string) string {
	switch {
	case !rules.include.has(field):
		return ""
	case rules.skipped.Skip:
		if within(rules.kind) && s.closed(rules.kind) == noSpaceLeft {
			return "" // The namespaces are the problem, and are named.
		}
		return rules.skipped.Reason
	case filter.everyName():
		return "every object of it is excluded"
	case filter.IsRegex:
		at := slices.IndexFunc(rules.include.patterns, func(one namePattern) bool { return one.words == field })
		return rules.exclude.covers(rules.include.patterns[at])
	}
	return s.impossible(rules, filter.Name)
}

// has tells whether one of the filters has these words.
func (r *nameRules) has(words string) bool {
	return r.every == words || slices.ContainsFunc(r.patterns, func(one namePattern) bool { return one.words == words }) ||
		slices.Contains(slices.Collect(maps.Values(r.names)), words)
}

// contradictedWhole returns the problem where all is asked for, and all is excluded.
func (c *compilation) contradictedWhole() []Problem {
	filters := c.selector.filters
	if len(filters.IncludeResources) > 0 || c.selector.included != nil {
		return nil
	}
	for i, filter := range filters.ExcludeResources {
		if filter.everyKind() && (filter.everyName() || filter.IsRegex && matchesAll(filter.Name)) {
			return []Problem{contradiction(fmt.Sprintf("spec.excludeResources[%d]", i),
				"it excludes every object of every kind, so that nothing can be selected: name what is to be left out")}
		}
	}
	if words, out := c.selector.excluded[every]; out && c.selector.refusesCluster() {
		return []Problem{contradiction("spec.excludeNamespaces",
			"every namespace is "+words+", and so is every object at cluster scope, by spec.includeClusterResource: "+
				"nothing can be selected; remove one of the two")}
	}
	return nil
}
