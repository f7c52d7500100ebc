package selection

import (
	"regexp"

	"github.com/soda-cdm/kahu/internal/core"
)

// kindRules is what the filters say of one kind.
type kindRules struct {
	kind             core.Kind
	never            string // why no object of the kind is ever in; empty for most kinds
	include, exclude nameRules
	skipped          KindPlan // with Skip where no object of the kind can be selected
}

// nameRules are the names that the filters of one list have for one kind, each with the words for it.
type nameRules struct {
	every    string // the words of the filter that takes every name
	names    map[string]string
	patterns []namePattern
}

type namePattern struct {
	pattern *regexp.Regexp
	words   string
}

// add adds a filter, whose expression is the pattern where it has one.
func (r *nameRules) add(filter ResourceFilter, pattern *regexp.Regexp, words string) {
	switch {
	case filter.everyName():
		if r.every == "" {
			r.every = words
		}
	case pattern != nil:
		r.patterns = append(r.patterns, namePattern{pattern: pattern, words: words})
	default:
		if r.names == nil {
			r.names = map[string]string{}
		}
		if _, known := r.names[filter.Name]; !known {
			r.names[filter.Name] = words
		}
	}
}

// any tells whether there is a filter for the kind at all.
func (r *nameRules) any() bool { return r.every != "" || len(r.names) > 0 || len(r.patterns) > 0 }

// match returns the words of a filter that takes the name.
func (r *nameRules) match(name string) (string, bool) {
	if r.every != "" {
		return r.every, true
	}
	if words, found := r.names[name]; found {
		return words, true
	}
	for _, pattern := range r.patterns {
		if pattern.pattern.MatchString(name) {
			return pattern.words, true
		}
	}
	return "", false
}
