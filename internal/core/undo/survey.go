package undo

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/restoreplan"
)

// Row is an object that the restore created, and what becomes of it.
type Row struct {
	// Living is the object as it was found.
	Living core.Living
	// Reason and Message say why it stays; empty for one that goes.
	Reason, Message string
}

// Plan is what is taken back.
type Plan struct {
	// Steps are the objects that go, each step when the ones before it have gone: owned objects before their owners, in
	// the reverse order of a restore, namespaces and definitions last.
	Steps [][]*Row
	// Kept are the objects that the restore created and that stay, ordered by their keys.
	Kept []Row
	// Going are the identities of all that goes: of the objects in Steps, and of what they own.
	Going map[types.UID]bool
}

// Deleted returns how many objects go.
func (p *Plan) Deleted() int64 {
	var total int64
	for _, step := range p.Steps {
		total += int64(len(step))
	}
	return total
}

// Inside returns what stays in a namespace or a definition that was to go, or what should have gone before it and did not;
// empty where it is free.
func (p *Plan) Inside(uid types.UID) string {
	for _, row := range p.Kept {
		if row.Living.UID == uid {
			return row.Message
		}
	}
	for _, step := range p.Steps {
		for _, row := range step {
			if row.Living.UID != uid {
				return fmt.Sprintf("%s is in it, and is not deleted", row.Living.Key())
			}
		}
	}
	return ""
}

// Period is a time, in the whole seconds of the API server.
type Period struct{ From, To time.Time }

// covers tells whether an object was created in that time.
func (p Period) covers(living core.Living) bool {
	return !living.Created.Before(p.From) && !living.Created.After(p.To)
}

// Survey collects what is in a cluster. Objects that have nothing to do with the restore are not held.
type Survey struct {
	// During is when the restore created objects.
	During Period

	unclear int64
	uid     string
	rowOf   func(kind string) int
	going   map[types.UID]bool // known to go, or gone
	made    []*entry
	others  []other              // what else is in the restore's namespaces, and of its definitions, and could go with an owner
	full    map[container]string // what is in them and stays for sure, as nothing owns it
	byUID   map[types.UID]*entry
	inside  map[container]bool // the namespaces and definitions that the restore made
	blind   string             // why not everything in a namespace is known
}

type entry struct {
	Row

	row   int // its place in the order of kinds
	depth int // how many owners are above it; unknown before the plan
}

// other is an object that the restore did not create.
type other struct {
	key    core.Key
	owners []types.UID
	uid    types.UID
	within []container
	stays  bool // it does not go, whatever becomes of its owners
	bare   bool // it has no field, and so nobody can say who made it
}

// inside says that what the object is in cannot go.
func (o *other) inside() string {
	if o.bare {
		return fmt.Sprintf("%s is in it, and stays: nobody can say who made it, as it has no fields", o.key)
	}
	return fmt.Sprintf("%s is in it, and stays", o.key)
}

// container is a namespace or a definition, by its name.
type container struct{ kind, name string }

// NewSurvey returns a survey for the Restore of that UID. going are objects that are known to go.
func NewSurvey(uid string, going map[types.UID]bool) *Survey {
	return &Survey{
		uid: uid, rowOf: restoreplan.Rows(), going: going, byUID: map[types.UID]*entry{}, inside: map[container]bool{},
		full: map[container]string{},
	}
}

// Add adds an object. Namespaces and definitions come before all others. That an object comes twice does no harm.
func (s *Survey) Add(living core.Living) {
	within := s.within(living)
	judged := Judge(living, s.uid)
	switch {
	case judged.Made && living.Terminating:
		// Somebody has asked for its deletion already.
	case judged.Made && judged.Reason == "" && isDefaultAccount(living):
		// It is the cluster's own, and goes with its namespace: whatever is left there needs it.
	case judged.Made:
		s.addMade(living, judged)
	case holdsDataOfItsOwner(living), len(within) > 0 && !s.clusterMade(living):
		s.addOther(living, within)
	}
	if s.isUnclear(living) {
		s.unclear++
	}
}

// isUnclear tells whether nobody can say who made an object, and the restore may have.
func (s *Survey) isUnclear(living core.Living) bool {
	return len(living.Managers) == 0 && !isDefaultAccount(living) && !living.Terminating && s.During.covers(living)
}

// Unclear returns how many objects have no field, and so nobody who could have made them, and were created in the time of the
// restore.
func (s *Survey) Unclear() int64 { return s.unclear }

// addOther adds an object that the restore did not create. It is held only where it could go with an owner.
func (s *Survey) addOther(living core.Living, within []container) {
	one := other{
		key: living.Key(), owners: ownersOf(living), uid: living.UID, within: within, stays: holdsDataOfItsOwner(living),
		bare: len(living.Managers) == 0,
	}
	switch {
	case len(one.owners) > 0:
		s.others = append(s.others, one)
	case !s.going[one.uid]:
		note(s.full, within, one.inside())
	}
}

// note notes why containers are not empty, where that is not known yet.
func note(full map[container]string, places []container, why string) {
	for _, place := range places {
		if _, known := full[place]; !known {
			full[place] = why
		}
	}
}

func (s *Survey) addMade(living core.Living, judged Judgement) {
	if s.byUID[living.UID] != nil {
		return
	}
	kind := living.Kind.GroupResource().String()
	if s.blind != "" && judged.Reason == "" && kind == namespaces {
		judged.Reason, judged.Message = ReasonNotEmpty, s.blind
	}
	living.Managers, living.Finalizers = nil, nil // They have been judged, and there may be many objects.
	made := &entry{
		Row: Row{Living: living, Reason: judged.Reason, Message: judged.Message}, row: s.rowOf(kind), depth: unknown,
	}
	s.made = append(s.made, made)
	s.byUID[living.UID] = made
	if kind == namespaces || kind == definitions {
		s.inside[container{kind, living.Name}] = true
	}
}

// Blind says that not everything in a namespace is known, and why: no namespace goes.
func (s *Survey) Blind(why string) { s.blind = why }

// within returns the namespace and the definition of the restore to which an object belongs.
func (s *Survey) within(living core.Living) []container {
	var found []container
	for _, place := range []container{{namespaces, living.Namespace}, {definitions, living.Kind.GroupResource().String()}} {
		if s.inside[place] {
			found = append(found, place)
		}
	}
	return found
}

// holdsDataOfItsOwner tells whether an object is a claim that would be deleted with its owner although it holds data, as
// those of a StatefulSet with persistentVolumeClaimRetentionPolicy are. Those of a Pod live as long as that by their nature.
func holdsDataOfItsOwner(living core.Living) bool {
	if living.Kind.GroupResource().String() != claims || !living.Bound || len(living.Owners) == 0 {
		return false
	}
	return !slices.ContainsFunc(living.Owners, func(owner core.Owner) bool { return owner.Kind == "Pod" })
}

// clusterMade tells whether Kubernetes made an object, and makes it again where it is needed: what only its own parts
// have written.
func (s *Survey) clusterMade(living core.Living) bool {
	switch kind := living.Kind.GroupResource().String(); {
	case kind == "events" || kind == "events.events.k8s.io":
		return true
	case kind == claims && living.Bound, len(living.Managers) == 0 && !isDefaultAccount(living):
		return false
	}
	return !slices.ContainsFunc(living.Managers, func(manager core.Manager) bool {
		return !manager.System() && manager.Name != restoreplan.Updater(s.uid)
	})
}

// isDefaultAccount tells whether an object is the service account that Kubernetes makes in every namespace, without writing
// down that it did.
func isDefaultAccount(living core.Living) bool {
	return living.Kind.GroupResource().String() == "serviceaccounts" && living.Name == "default"
}

func ownersOf(living core.Living) []types.UID {
	uids := make([]types.UID, 0, len(living.Owners))
	for _, owner := range living.Owners {
		uids = append(uids, owner.UID)
	}
	return uids
}

// Plan decides what goes. It may be called once.
func (s *Survey) Plan() *Plan {
	for s.keepOwners() || s.keepContainers() {
		continue // What stays can hold something else.
	}
	plan := &Plan{Going: s.goers()}
	goes := make([]*entry, 0, len(s.made))
	for _, made := range s.made {
		if made.Reason != "" {
			plan.Kept = append(plan.Kept, made.Row)
			continue
		}
		s.depthOf(made)
		goes = append(goes, made)
	}
	slices.SortFunc(plan.Kept, func(a, b Row) int { return a.Living.Key().Compare(b.Living.Key()) })
	slices.SortFunc(goes, func(a, b *entry) int { return cmp.Or(order(a, b), a.Living.Key().Compare(b.Living.Key())) })
	for i, made := range goes {
		if i == 0 || order(goes[i-1], made) != 0 {
			plan.Steps = append(plan.Steps, nil)
		}
		last := len(plan.Steps) - 1
		plan.Steps[last] = append(plan.Steps[last], &made.Row)
	}
	return plan
}

// order says which of two objects goes first, or 0 where they go together.
func order(a, b *entry) int {
	return cmp.Or(
		cmp.Compare(last(a), last(b)), cmp.Compare(b.depth, a.depth),
		cmp.Compare(b.row, a.row),
	)
}

// last puts what contains others behind them: a namespace, and then a definition.
func last(made *entry) int {
	return slices.Index([]string{namespaces, definitions}, made.Living.Kind.GroupResource().String())
}

// unknown is a depth that has not been looked for.
const unknown = -1

func (s *Survey) depthOf(made *entry) int {
	if made.depth != unknown {
		return made.depth
	}
	made.depth = 0 // Owners could be a circle.
	deepest := 0
	for _, owner := range made.Living.Owners {
		if above, found := s.byUID[owner.UID]; found {
			deepest = max(deepest, 1+s.depthOf(above))
		}
	}
	made.depth = deepest
	return deepest
}

// keepOwners keeps the owners of what stays, and tells whether there were any that would have gone.
func (s *Survey) keepOwners() bool {
	kept := false
	keep := func(owners []types.UID, owned core.Key) {
		for _, uid := range owners {
			if owner, found := s.byUID[uid]; found && owner.Reason == "" {
				owner.Reason, owner.Message = ReasonOwnsKept, fmt.Sprintf("%s, which stays, would be deleted with it", owned)
				kept = true
			}
		}
	}
	for _, made := range s.made {
		if made.Reason != "" {
			keep(ownersOf(made.Living), made.Living.Key())
		}
	}
	for i := range s.others {
		if s.others[i].stays {
			keep(s.others[i].owners, s.others[i].key)
		}
	}
	return kept
}

// keepContainers keeps the namespaces and definitions with something in them that stays, and tells whether there were any
// that would have gone.
func (s *Survey) keepContainers() bool {
	full, going := maps.Clone(s.full), s.goers()
	for _, made := range s.made {
		if made.Reason != "" {
			note(full, s.within(made.Living), fmt.Sprintf("%s is in it, and stays", made.Living.Key()))
		}
	}
	for i := range s.others {
		if !going[s.others[i].uid] {
			note(full, s.others[i].within, s.others[i].inside())
		}
	}
	kept := false
	for _, made := range s.made {
		inside, isFull := full[container{made.Living.Kind.GroupResource().String(), made.Living.Name}]
		if isFull && made.Reason == "" {
			made.Reason, made.Message = ReasonNotEmpty, inside
			kept = true
		}
	}
	return kept
}

// goers returns the identities of all that goes: the objects that are deleted, and what has no other owners.
func (s *Survey) goers() map[types.UID]bool {
	going := map[types.UID]bool{}
	for uid := range s.going {
		going[uid] = true
	}
	for _, made := range s.made {
		if made.Reason == "" {
			going[made.Living.UID] = true
		}
	}
	for grown := true; grown; {
		grown = false
		for i := range s.others {
			one := &s.others[i]
			if going[one.uid] || one.stays || len(one.owners) == 0 {
				continue
			}
			if !slices.ContainsFunc(one.owners, func(uid types.UID) bool { return !going[uid] }) {
				going[one.uid], grown = true, true
			}
		}
	}
	return going
}
