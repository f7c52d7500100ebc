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
}

// Decide says which tasks may begin now, oldest first, and in which order the others wait. Places are given out of total;
// taken are those of each group that are. A wish whose group is at its limit lets younger ones of other groups pass and
// keeps its own turn: when a place of its group is free, no younger one of that group takes it. One group never gets all
// the places, where there is more than one, and a group without any gets its first one also when all are taken, up to
// twice as many: so what hangs in some groups holds up no other, as long as no more groups hang than there are places.
func Decide(waiting []Wish, taken map[string]int, total int) (begin, wait []Wish) {
	free := total
	inGroup := make(map[string]int, len(taken))
	for group, number := range taken {
		inGroup[group] = number
		free -= number
	}
	ordered := slices.Clone(waiting)
	slices.SortFunc(ordered, func(a, b Wish) int {
		return cmp.Or(a.Since.Compare(b.Since), cmp.Compare(a.Order, b.Order), cmp.Compare(a.UID, b.UID))
	})
	for _, wish := range ordered {
		isFirst := inGroup[wish.Group] == 0 && free > -total
		if free <= 0 && !isFirst || inGroup[wish.Group] >= groupLimit(wish.GroupLimit, total) {
			wait = append(wait, wish)
			continue
		}
		free--
		inGroup[wish.Group]++
		begin = append(begin, wish)
	}
	return begin, wait
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
