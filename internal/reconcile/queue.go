package reconcile

import (
	"cmp"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/types"
)

// Wish is a task that waits for a place.
type Wish struct {
	// UID is the object whose task it is.
	UID types.UID
	// Group is what the task shares with others of which only so many go on at once, such as a location; GroupLimit is
	// how many.
	Group      string
	GroupLimit int
	// Since is when the wish was made. The oldest comes first. Order decides between wishes of the same second.
	Since time.Time
	Order int64
	// Passed is how many younger wishes have begun while this one waited for a place that was not its group's matter.
	// Decide counts it.
	Passed int
}

// maxPassed is how many younger wishes may begin before a wish that waits for one of the common places. More of them would
// hold it up for as long as they go on coming.
const maxPassed = 8

// Decide says which tasks may begin now, oldest first, and in which order the others wait. Places are given out of total;
// taken are those of each group that are. A wish whose group is at its limit lets younger ones of other groups pass and
// keeps its own turn: when a place of its group is free, no younger one of that group takes it. One group never gets all
// the places, where there is more than one, and a group without any gets its first one also when all are taken, up to
// twice as many: so what hangs in some groups holds up no other, as long as no more groups hang than there are places.
//
// First places that go on being asked for could keep all places taken for ever. So the oldest wish of a group that has seen
// enough younger ones of other groups begin may begin too when all are taken, but not beyond the number of further places
// that groups can have of total alone: what hangs, then, still leaves first places to the others.
func Decide(waiting []Wish, taken map[string]int, total int) (begin, wait []Wish) {
	on := standing{total: total, inGroup: make(map[string]int, len(taken)), passed: map[string]int{}}
	for group, number := range taken {
		on.take(group, number)
	}
	ordered := slices.Clone(waiting)
	slices.SortFunc(ordered, func(a, b Wish) int {
		return cmp.Or(a.Since.Compare(b.Since), cmp.Compare(a.Order, b.Order), cmp.Compare(a.UID, b.UID))
	})
	for _, wish := range ordered {
		on.passed[wish.Group] = max(on.passed[wish.Group], wish.Passed)
	}
	for _, wish := range ordered {
		if !on.mayBegin(wish) {
			wait = append(wait, wish)
			continue
		}
		on.take(wish.Group, 1)
		begin = append(begin, wish)
		for i := range wait {
			if !on.isFull(wait[i]) {
				wait[i].Passed++
			}
		}
	}
	return begin, wait
}

// standing is how the places are taken.
type standing struct {
	total, taken int
	inGroup      map[string]int
	further      int            // places that are not the first of their group
	passed       map[string]int // how often wishes of each group were passed at most
}

// take gives a group so many more places.
func (s *standing) take(group string, number int) {
	if number <= 0 {
		return
	}
	s.further += number
	if s.inGroup[group] == 0 {
		s.further--
	}
	s.inGroup[group] += number
	s.taken += number
}

// isFull tells whether a wish has to wait for its own group.
func (s *standing) isFull(wish Wish) bool {
	return s.inGroup[wish.Group] >= groupLimit(wish.GroupLimit, s.total)
}

// mayBegin tells whether there is a place for a wish.
func (s *standing) mayBegin(wish Wish) bool {
	switch {
	case s.isFull(wish) || s.taken >= 2*s.total:
		return false
	case s.taken < s.total || s.inGroup[wish.Group] == 0:
		return true
	}
	// Two groups that share all places have this number of further ones.
	return s.passed[wish.Group] >= maxPassed && s.further < s.total-2
}

// groupLimit returns how many places a group may have.
func groupLimit(wished, total int) int {
	return max(1, min(wished, total-1))
}

// exact is the position in the queue down to which every move is worth telling.
const exact = 10

// worthTelling tells whether a position in the queue differs so much from the one that was shown last that the object is
// written again. Behind the first few, a queue of n tells each of its members about log n times, and not n times.
func worthTelling(shown, now int) bool {
	const fraction = 5
	return now != shown && (now <= exact || shown-now >= shown/fraction || now > shown)
}
