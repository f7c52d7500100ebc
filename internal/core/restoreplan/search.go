package restoreplan

import (
	"cmp"
	"slices"
	"strings"

	"github.com/soda-cdm/kahu/internal/core"
)

// maxNamespaceSearches is the number of namespaces up to which a kind is looked through namespace by namespace. With more
// of them one list of all costs the API server less than the many requests.
const maxNamespaceSearches = 16

// Search is a list in which objects of a plan may be found: that of a kind, in one namespace or, without one, in all.
type Search struct {
	Kind      core.Kind
	Namespace string

	items []*Item // in the order of their names in the cluster
	name  func(item *Item) core.Key
}

// Searches returns the lists in which all objects can be found that the plan creates. The name is that of an object in the
// cluster.
func (p *Plan) Searches(name func(item *Item) core.Key) []Search {
	var items []*Item
	for _, wave := range p.Waves {
		items = append(items, wave.Items...)
	}
	slices.SortFunc(items, func(x, y *Item) int { return compareNames(name(x), name(y)) })
	var searches []Search
	for len(items) > 0 {
		kind := *items[0].Kind
		ofKind := leading(items, func(item *Item) bool { return item.Kind.GroupResource() == kind.GroupResource() })
		items = items[len(ofKind):]
		all := Search{Kind: kind, items: ofKind, name: name}
		if apart := all.byNamespace(); kind.Namespaced && len(apart) <= maxNamespaceSearches {
			searches = append(searches, apart...)
		} else {
			searches = append(searches, all)
		}
	}
	return searches
}

// byNamespace cuts a search into one for each namespace, or into more than are of use.
func (s Search) byNamespace() []Search {
	var apart []Search
	for left := s.items; len(left) > 0 && len(apart) <= maxNamespaceSearches; {
		namespace := s.name(left[0]).Namespace
		within := leading(left, func(item *Item) bool { return s.name(item).Namespace == namespace })
		apart = append(apart, Search{Kind: s.Kind, Namespace: namespace, items: within, name: s.name})
		left = left[len(within):]
	}
	return apart
}

// Find returns the item whose object has that name in the cluster, or nil.
func (s Search) Find(key core.Key) *Item {
	at, found := slices.BinarySearchFunc(s.items, key, func(item *Item, key core.Key) int {
		return compareNames(s.name(item), key)
	})
	if !found {
		return nil
	}
	return s.items[at]
}

func compareNames(x, y core.Key) int {
	return cmp.Or(
		strings.Compare(x.Group, y.Group), strings.Compare(x.Resource, y.Resource),
		strings.Compare(x.Namespace, y.Namespace), strings.Compare(x.Name, y.Name),
	)
}

// leading returns the items before the first one that does not belong to them.
func leading(items []*Item, belongs func(item *Item) bool) []*Item {
	end := slices.IndexFunc(items, func(item *Item) bool { return !belongs(item) })
	if end < 0 {
		end = len(items)
	}
	return items[:end]
}
