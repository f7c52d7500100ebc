package selection

import (
	"cmp"
	"crypto/sha256"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/reference"
)

// Closure finds what the selected objects need and the filters do not select, without end: what is needed may need
// more. Its methods may be called by several goroutines at once.
//
// Whoever copies objects calls Visit for each one that is in, and when all that is selected was visited, in turn
// Pending, reads what it names, and visits that, until Pending names nothing. Then it goes through the lists that
// Searches names, offers each object there to Offer, and visits those that are wanted; and begins again with Pending,
// until there is nothing to search. An object is named or wanted once at most, and never one that the filters select.
//
// Memory: nothing where everything is selected. Otherwise about 300 bytes for each object that waits in Pending or
// Warnings, and a hash of 16 bytes for each one that was handed out there or wanted; where labels select, whose
// verdict cannot be foretold, another hash for each object visited; and what reference.Inbound holds.
type Closure struct {
	selector *Selector
	rules    *reference.Rules

	mu      sync.Mutex
	known   map[hash]bool // handed out, and true where it was visited
	pending map[core.Key]Pending
	refused map[core.Key]refusal
	inbound *reference.Inbound
}

// Pending is an object that is needed and not selected.
type Pending struct {
	// Kind is the kind, Namespace is empty at cluster scope, Name is the object's name.
	Kind            core.Kind
	Namespace, Name string
	// Optional tells that nothing is wrong when the object does not exist.
	Optional bool
	// Reason names an object that needs it: "needed by Deployment shop/web".
	Reason core.Reason
	// Field is the path of the reference in that object.
	Field string

	implied bool
}

// Key returns the object's name in the cluster.
func (p Pending) Key() core.Key {
	return core.Key{Group: p.Kind.Group, Resource: p.Kind.Resource, Namespace: p.Namespace, Name: p.Name}
}

// Missing returns the words for an object that turned out not to exist. They are worth a warning unless it is
// Optional.
func (p Pending) Missing() string { return p.words("it was not found") }

// words says what is the matter with a needed object.
func (p Pending) words(matter string) string {
	name := p.Name
	if p.Namespace != "" {
		name = p.Namespace + "/" + name
	}
	return fmt.Sprintf("%s %s is not in, though it is %s (%s): %s", p.Kind, name, p.Reason, p.Field, matter)
}

// Warning is about an object that is needed and stays out.
type Warning struct {
	// Key is the object that stays out.
	Key core.Key
	// Message says which object needs it, and why it stays out.
	Message string
}

// refusal is a Warning in the making.
type refusal struct {
	Pending

	matter string
}

// NewClosure returns a Closure over what the selector selects, with the rules for what objects refer to.
func NewClosure(selector *Selector, rules *reference.Rules) *Closure {
	return &Closure{
		selector: selector, rules: rules, inbound: reference.NewInbound(),
		known: map[hash]bool{}, pending: map[core.Key]Pending{}, refused: map[core.Key]refusal{},
	}
}

// Reads tells whether Visit reads the JSON of objects of the kind.
func (c *Closure) Reads(kind core.Kind) bool {
	return !c.selector.Everything() && c.rules.Follows(kind)
}

// Visit takes note of an object that is in, and of what it needs. To visit an object again changes nothing. JSON that
// is none gives core.ErrCorrupt.
func (c *Closure) Visit(object core.Object) error {
	if c.selector.Everything() {
		return nil
	}
	of, err := c.rules.Read(object)
	if err != nil {
		return err
	}
	needs, reason := c.rules.Needs(of), of.By()
	c.mu.Lock()
	defer c.mu.Unlock()
	key := object.Key()
	c.known[hashOf(key)] = true
	delete(c.pending, key)
	for _, need := range needs {
		c.consider(need, reason)
	}
	for _, linked := range c.inbound.Linked(of) {
		c.consider(linked.Need, linked.Reason)
	}
	c.inbound.Note(of)
	return nil
}

// Pending returns what is needed and was not named before, ordered by key. It is meant to be called when all selected
// objects were visited: one that is selected by its labels and comes later would be named.
func (c *Closure) Pending() []Pending {
	c.mu.Lock()
	defer c.mu.Unlock()
	named := slices.SortedFunc(maps.Values(c.pending), func(a, b Pending) int { return a.Key().Compare(b.Key()) })
	for _, pending := range named {
		c.known[hashOf(pending.Key())] = false
	}
	c.pending = map[core.Key]Pending{}
	return named
}

// Warnings returns what is needed and stays out, each object once, ordered by key: what the filters exclude, be it
// optional or not; and, unless it is optional, what is of no known kind or has a name that no object can have.
func (c *Closure) Warnings() []Warning {
	c.mu.Lock()
	defer c.mu.Unlock()
	warnings := make([]Warning, 0, len(c.refused))
	for key, refused := range c.refused {
		warnings = append(warnings, Warning{Key: key, Message: refused.words(refused.matter)})
		c.known[hashOf(key)] = false
	}
	c.refused = map[core.Key]refusal{}
	slices.SortFunc(warnings, func(a, b Warning) int { return a.Key.Compare(b.Key) })
	return warnings
}

// consider puts a need where it belongs. The caller holds the lock.
func (c *Closure) consider(need reference.Need, reason core.Reason) {
	kind, served := c.selector.target(need)
	pending := Pending{
		Kind: kind, Name: need.Name, Optional: need.Optional, Reason: reason, Field: need.Field,
		implied: need.Implied,
	}
	if kind.Namespaced {
		pending.Namespace = need.Namespace
	}
	var matter string
	switch {
	case !served:
		matter = "no such kind is known"
	case !possible(pending.Name), kind.Namespaced && !possible(pending.Namespace):
		matter = "no object can have this name"
	default:
		c.judge(pending)
		return
	}
	if !need.Optional {
		c.refuse(pending, matter)
	}
}

// possible tells whether there can be an object of the name, which becomes a part of a path.
func possible(name string) bool {
	return name != "" && name != "." && name != ".." && !strings.ContainsAny(name, "/%")
}

// judge asks the selector about a need.
func (c *Closure) judge(pending Pending) {
	switch stands, words := c.selector.standing(pending.Kind, pending.Namespace, pending.Name); stands {
	case excluded:
		if !pending.implied {
			c.refuse(pending, words)
		}
	case passed:
		c.want(pending)
	case selectable:
		// Without labels its verdict is known: it is selected. With them it is selected when it was visited.
		if c.selector.labels != nil {
			c.want(pending)
		}
	case neverIn:
		// It comes by itself, or has no place in another cluster.
	}
}

// want notes a need that must be read. Of several objects that need it the first by name is the reason, so that the
// order in which they are visited does not matter.
func (c *Closure) want(pending Pending) {
	key := pending.Key()
	if _, known := c.known[hashOf(key)]; known {
		return
	}
	if before, found := c.pending[key]; found {
		pending = merged(before, pending)
	}
	c.pending[key] = pending
}

// refuse notes a need that is not fulfilled.
func (c *Closure) refuse(pending Pending, matter string) {
	key := pending.Key()
	if _, known := c.known[hashOf(key)]; known {
		return
	}
	if before, found := c.refused[key]; found {
		pending = merged(before.Pending, pending)
	}
	c.refused[key] = refusal{Pending: pending, matter: matter}
}

func merged(a, b Pending) Pending {
	first := a
	if cmp.Or(strings.Compare(string(b.Reason), string(a.Reason)), strings.Compare(b.Field, a.Field)) < 0 {
		first = b
	}
	first.Optional = a.Optional && b.Optional
	return first
}

// target returns the kind of a needed object, and whether it is known. Of one that is not known it returns what the
// reference says.
func (s *Selector) target(need reference.Need) (core.Kind, bool) {
	if need.Resource != "" {
		group := schema.GroupResource{Group: need.Group, Resource: need.Resource}
		if rules, served := s.kinds[group]; served {
			return rules.kind, true
		}
	} else if kind, served := s.named[schema.GroupKind{Group: need.Group, Kind: need.Kind}]; served {
		return kind, true
	}
	return core.Kind{
		Group: need.Group, Name: cmp.Or(need.Kind, need.Resource), Resource: cmp.Or(need.Resource, need.Kind),
		Namespaced: need.Namespace != "",
	}, false
}

// hash is a key in 16 bytes. Its strength matters, as names may be chosen by people who wish an object out of a backup.
type hash [16]byte

func hashOf(key core.Key) hash {
	sum := sha256.Sum256([]byte(key.Group + "\x00" + key.Resource + "\x00" + key.Namespace + "\x00" + key.Name))
	return hash(sum[:16])
}
