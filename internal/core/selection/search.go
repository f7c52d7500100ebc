package selection

import (
	"slices"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/reference"
)

// Search is a list to go through for objects that point to what is in.
type Search struct {
	// Kind is the kind. Namespaces are those to list, ordered; nil means all of them, or cluster scope.
	Kind       core.Kind
	Namespaces []string
	// Excluded tells that a filter excludes every object of the kind: what is found there is worth a warning, and no
	// more.
	Excluded bool
}

// Covers tells whether an object lies in the list.
func (s Search) Covers(key core.Key) bool {
	return s.Kind.GroupResource() == key.GroupResource() && (s.Namespaces == nil || slices.Contains(s.Namespaces, key.Namespace))
}

// Searches returns the lists to go through because of what was visited since it was asked last, one for a kind at
// most, ordered. Lists of which all objects are selected anyway are not among them.
func (c *Closure) Searches() []Search {
	c.mu.Lock()
	defer c.mu.Unlock()
	var searches []Search
	for _, asked := range c.inbound.Searches() {
		rules, served := c.selector.kinds[asked.Resource]
		if !served || c.selector.takesAll(rules, asked.Namespace) {
			continue
		}
		last := len(searches) - 1
		if last < 0 || searches[last].Kind.GroupResource() != rules.kind.GroupResource() {
			searches = append(searches, Search{Kind: rules.kind, Excluded: rules.exclude.every != ""})
			last++
		}
		if rules.kind.Namespaced {
			searches[last].Namespaces = append(searches[last].Namespaces, asked.Namespace)
		}
	}
	for i := range searches {
		if len(searches[i].Namespaces) > maxNamespaceLists {
			searches[i].Namespaces = nil
		}
	}
	return searches
}

// takesAll tells whether every object of the kind in the namespace is selected, whatever it is.
func (s *Selector) takesAll(rules *kindRules, namespace string) bool {
	if s.labels != nil || rules.skipped.Skip || rules.exclude.any() {
		return false
	}
	_, excluded := s.excludesNamespace(namespace)
	elsewhere := s.included != nil && !s.included[namespace]
	if within(rules.kind) && (excluded || elsewhere) {
		return false
	}
	return rules.include.every != "" || !rules.include.any()
}

// Offer tells whether an object of one of the lists is wanted because it points to something that is in, and the
// reason for which it is taken. It counts as handed out then: whoever offers it reads and visits it. One that the
// filters exclude gives a warning. JSON that is none gives core.ErrCorrupt.
func (c *Closure) Offer(object core.Object) (core.Reason, bool, error) {
	key := object.Key()
	stands, words := c.selector.standing(object.Kind, object.Namespace, object.Name)
	if stands == neverIn || stands == selectable && c.selector.labels == nil {
		return "", false, nil
	}
	of, err := c.rules.Read(object)
	if err != nil {
		return "", false, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, known := c.known[hashOf(key)]; known {
		return "", false, nil
	}
	link, points := c.inbound.Points(of, c.isIn)
	if !points {
		return "", false, nil
	}
	if stands == excluded {
		c.refuse(Pending{
			Kind: object.Kind, Namespace: object.Namespace, Name: object.Name, Reason: link.Reason, Field: link.Field,
		}, words)
		return "", false, nil
	}
	c.known[hashOf(key)] = false
	return link.Reason, true, nil
}

// isIn tells whether an object is in that something points to. It is when it was visited: one that the filters would take
// need not exist. The caller holds the lock.
func (c *Closure) isIn(need reference.Need) bool {
	kind, served := c.selector.target(need)
	if !served {
		return false
	}
	key := core.Key{Group: kind.Group, Resource: kind.Resource, Name: need.Name}
	if kind.Namespaced {
		key.Namespace = need.Namespace
	}
	return c.known[hashOf(key)]
}
