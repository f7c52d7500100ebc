package reconcile_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/soda-cdm/kahu/internal/reconcile"
)

// arrivals is a queue in which younger wishes go on coming: as soon as the last wish of a group has begun, the next one is
// there. Runs of groups that hang never end.
type arrivals struct {
	total, limit int
	groups       []string
	hangs        map[string]bool

	step    int
	waiting []reconcile.Wish
	running map[types.UID]string
	next    int
}

func (a *arrivals) ask(uid, group string) {
	a.waiting = append(a.waiting, reconcile.Wish{
		UID: types.UID(uid), Group: group, GroupLimit: a.limit, Since: dawn.Add(time.Duration(a.step) * time.Second), Order: int64(a.next),
	})
}

// pass lets a step go by: the others ask, those begin whose turn it is, and one run ends by chance.
func (a *arrivals) pass(t *testing.T, dice *rand.Rand) {
	t.Helper()
	a.step++
	asks := map[string]bool{}
	for _, wish := range a.waiting {
		asks[wish.Group] = true
	}
	for _, group := range a.groups {
		if !asks[group] {
			a.next++
			a.ask(fmt.Sprintf("%06d", a.next), group)
		}
	}
	taken := map[string]int{}
	for _, group := range a.running {
		taken[group]++
	}
	begin, wait := reconcile.Decide(a.waiting, taken, a.total)
	checkDecision(t, begin, wait, taken, a.total)
	for _, wish := range begin {
		a.running[wish.UID] = wish.Group
	}
	a.waiting = wait
	var ends []types.UID
	for _, uid := range sorted(a.running) {
		if !a.hangs[a.running[uid]] {
			ends = append(ends, uid)
		}
	}
	if len(ends) > 0 {
		delete(a.running, ends[dice.IntN(len(ends))])
	}
}

// TestOldestBeginsThoughOthersCome: the oldest wish, whose group has one long run and a limit of two, begins in the end.
func TestOldestBeginsThoughOthersCome(t *testing.T) {
	const comes, bound = 50, 100
	a := &arrivals{total: 4, limit: 2, hangs: map[string]bool{"long": true}, running: map[types.UID]string{"first": "long"}}
	for group := range 12 {
		a.groups = append(a.groups, fmt.Sprint(group))
	}
	dice := rand.New(rand.NewPCG(1, 1))
	for range comes {
		a.pass(t, dice)
	}
	a.ask("second", "long")
	for a.running["second"] == "" {
		a.pass(t, dice)
		if a.step > comes+bound {
			t.Fatalf("in %d steps it never began", bound)
		}
	}
}

// TestNobodyWaitsForEver: while as many groups hang as there are places, and wishes of all groups go on coming, every wish
// of the others begins within a bounded number of steps.
func TestNobodyWaitsForEver(t *testing.T) {
	const steps, bound = 3000, 600
	for seed := range uint64(40) {
		dice := rand.New(rand.NewPCG(seed, 2))
		a := &arrivals{total: 1 + dice.IntN(6), limit: 1 + dice.IntN(4), hangs: map[string]bool{}, running: map[types.UID]string{}}
		for group := range a.total + 1 + dice.IntN(10) {
			a.groups = append(a.groups, fmt.Sprint(group))
		}
		for _, at := range dice.Perm(len(a.groups))[:dice.IntN(a.total+1)] {
			a.hangs[a.groups[at]] = true
		}
		for range steps {
			a.pass(t, dice)
			for _, wish := range a.waiting {
				if waited := a.step - int(wish.Since.Sub(dawn)/time.Second); !a.hangs[wish.Group] && waited > bound {
					t.Fatalf("seed %d: %s of group %s has waited for %d steps: %v run of %d, %v hang",
						seed, wish.UID, wish.Group, waited, a.running, a.total, a.hangs)
				}
			}
		}
	}
}

// TestPassed: what was passed often enough begins although all places are taken, unless others have all the further ones.
func TestPassed(t *testing.T) {
	for name, test := range map[string]struct {
		passed    int
		waiting   string
		taken     map[string]int
		begin     string
		waitTimes []int // how often those that wait were passed after that
	}{
		"not yet":                  {7, "a@z", map[string]int{"z": 1, "x": 1, "v": 1, "w": 1}, "", []int{7}},
		"often enough":             {8, "a@z", map[string]int{"z": 1, "x": 1, "v": 1, "w": 1}, "a", nil},
		"once more":                {7, "a@z b@y", map[string]int{"z": 1, "x": 1, "v": 1, "w": 1}, "b", []int{8}},
		"its own group is full":    {8, "a@z b@y", map[string]int{"z": 2, "x": 1, "v": 1}, "b", []int{8}},
		"others have further ones": {8, "a@z", map[string]int{"z": 1, "x": 2, "v": 2}, "", []int{8}},
		"really all are taken":     {8, "a@z", map[string]int{"z": 1, "1": 1, "2": 1, "3": 1, "4": 1, "5": 1, "6": 1, "7": 1}, "", []int{8}},
	} {
		t.Run(name, func(t *testing.T) {
			waiting := wishes(test.waiting, 2)
			waiting[0].Passed = test.passed
			begin, wait := reconcile.Decide(waiting, test.taken, 4)
			var times []int
			for _, wish := range wait {
				times = append(times, wish.Passed)
			}
			if words(begin) != test.begin || !slices.Equal(times, test.waitTimes) {
				t.Errorf("%q begin, want %q; passed %v, want %v", words(begin), test.begin, times, test.waitTimes)
			}
		})
	}
}

// TestPassedIsKept: one that asks for its turn again and again was passed no less often.
func TestPassedIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		all := reconcile.NewTasks[int, string](4)
		defer start(t, all)()
		for i, group := range []string{"long", "b", "c", "d"} {
			enter(all, i, group)
		}
		for younger := range 8 {
			if turn := enter(all, 10, "long"); turn.Position != 1 {
				t.Fatalf("passed by %d it is at %d", younger, turn.Position)
			}
			if turn := enter(all, 20+younger, "e"); turn.Position != 0 {
				t.Fatalf("younger one %d is at %d", younger, turn.Position)
			}
			all.Forget(numbered(20 + younger).GetUID())
		}
		if turn := enter(all, 10, "long"); turn.Position != 0 {
			t.Errorf("in the end it is at %d", turn.Position)
		}
	})
}

func sorted(running map[types.UID]string) []types.UID { return slices.Sorted(maps.Keys(running)) }
