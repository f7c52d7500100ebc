package selection_test

import (
	"testing"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/reference"
	"github.com/soda-cdm/kahu/internal/core/selection"
)

// outcome is what a backup of a cluster would be.
type outcome struct {
	// Selected and Needed are what is in; Needed has the reasons.
	Selected []string
	Needed   map[string]core.Reason
	// Missing was needed and is not in the cluster, Warnings was needed and stays out.
	Missing, Warnings map[string]string
}

// run drives the closure as an engine does. It fails when an object is taken twice.
func (c cluster) run(t *testing.T, filters selection.Filters, order []core.Key) outcome {
	t.Helper()
	selector := compiled(t, filters)
	closure := selection.NewClosure(selector, reference.NewRules())
	result := outcome{Needed: map[string]core.Reason{}, Missing: map[string]string{}, Warnings: map[string]string{}}
	taken := map[core.Key]bool{}
	take := func(object core.Object) {
		if taken[object.Key()] {
			t.Fatalf("%v is taken twice", object.Key())
		}
		taken[object.Key()] = true
		if err := closure.Visit(object); err != nil {
			t.Fatal(err)
		}
	}
	for _, key := range order {
		if object := c[key]; selector.Object(object.Kind, object.Namespace, object.Name, object.Labels).In {
			take(object)
			result.Selected = append(result.Selected, key.String())
		}
	}
	for searches := []selection.Search{{}}; len(searches) > 0; searches = closure.Searches() {
		for _, search := range searches {
			c.search(t, closure, search, func(object core.Object, reason core.Reason) {
				take(object)
				result.Needed[object.Key().String()] = reason
			})
		}
		for pending := closure.Pending(); len(pending) > 0; pending = closure.Pending() {
			for _, need := range pending {
				object, found := c[need.Key()]
				if !found {
					if !need.Optional {
						result.Missing[need.Key().String()] = need.Missing()
					}
					continue
				}
				take(object)
				result.Needed[need.Key().String()] = need.Reason
			}
		}
	}
	for _, warning := range closure.Warnings() {
		result.Warnings[warning.Key.String()] = warning.Message
	}
	return result
}

// search offers the objects of a list and takes those that are wanted.
func (c cluster) search(t *testing.T, closure *selection.Closure, search selection.Search, take func(object core.Object, reason core.Reason)) {
	t.Helper()
	for key, object := range c {
		if !search.Covers(key) {
			continue
		}
		reason, wanted, err := closure.Offer(object)
		if err != nil {
			t.Fatal(err)
		}
		if wanted {
			take(object, reason)
		}
	}
}

func (c cluster) keys() []core.Key {
	var keys []core.Key
	for key := range c {
		keys = append(keys, key)
	}
	return keys
}
