package reconcile_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/types"

	"github.com/soda-cdm/kahu/internal/reconcile"
)

var dawn = time.Date(2026, time.March, 1, 2, 3, 4, 0, time.UTC)

// wish is written uid@group, and is as old as it is early in its list.
func wishes(text string, limit int) []reconcile.Wish {
	var made []reconcile.Wish
	for i, word := range strings.Fields(text) {
		uid, group, _ := strings.Cut(word, "@")
		made = append(made, reconcile.Wish{
			UID: types.UID(uid), Group: group, GroupLimit: limit, Since: dawn.Add(time.Duration(i) * time.Second),
		})
	}
	return made
}

func words(of []reconcile.Wish) string {
	var uids []string
	for _, wish := range of {
		uids = append(uids, string(wish.UID))
	}
	return strings.Join(uids, " ")
}

func TestDecide(t *testing.T) {
	for name, test := range map[string]struct {
		waiting     string
		limit       int
		taken       map[string]int
		total       int
		begin, wait string
	}{
		"nobody":                       {"", 2, nil, 4, "", ""},
		"all fit":                      {"a@x b@y", 2, nil, 4, "a b", ""},
		"oldest first":                 {"a@x b@y c@x", 3, map[string]int{"x": 1, "y": 1}, 4, "a b", "c"},
		"no place":                     {"a@z b@w", 3, map[string]int{"z": 2, "w": 2}, 4, "", "a b"},
		"more taken than there are":    {"a@z", 9, map[string]int{"z": 2, "w": 3}, 4, "", "a"},
		"two that hang":                {"a@z b@x c@x d@w e@y", 2, map[string]int{"z": 2, "w": 2}, 4, "b e", "a c d"},
		"a bound for first places":     {"a@x b@y c@v", 2, map[string]int{"z": 3, "w": 3}, 4, "a b", "c"},
		"first places at their bound":  {"a@x", 2, map[string]int{"z": 4, "w": 4}, 4, "", "a"},
		"a place is free again":        {"a@z b@w", 2, map[string]int{"z": 1, "w": 1, "x": 1}, 4, "a", "b"},
		"a full group blocks nobody":   {"a@x b@x c@y", 2, map[string]int{"x": 2}, 4, "c", "a b"},
		"a group keeps its own order":  {"a@x b@x c@x", 2, map[string]int{"x": 1}, 4, "a", "b c"},
		"a place is left to others":    {"a@x b@x c@x d@x e@y", 9, nil, 4, "a b c e", "d"},
		"a place is kept for others":   {"a@x", 9, map[string]int{"x": 3}, 4, "", "a"},
		"one place is for everybody":   {"a@x b@x c@y d@z", 9, nil, 1, "a c", "b d"},
		"nothing begins":               {"a@x", 2, nil, 0, "", "a"},
		"a limit of nothing means one": {"a@x b@x", 0, nil, 4, "a", "b"},
	} {
		t.Run(name, func(t *testing.T) {
			waiting := wishes(test.waiting, test.limit)
			slices.Reverse(waiting) // The order in which they come is not the order in which they are.
			begin, wait := reconcile.Decide(waiting, test.taken, test.total)
			if diff := cmp.Diff([]string{test.begin, test.wait}, []string{words(begin), words(wait)}); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestDecideFairly lets random runs come and go: limits hold, no place stays free that somebody could have, nobody who
// could have begun is passed by a younger one, and everybody's turn comes, also while as many groups as there are places
// hang for ever.
func TestDecideFairly(t *testing.T) {
	for seed := range uint64(60) {
		dice := rand.New(rand.NewPCG(seed, 1))
		total, limit := 1+dice.IntN(6), 1+dice.IntN(4)
		hanging := map[string]bool{} // groups whose runs never end
		for range dice.IntN(total + 1) {
			hanging[fmt.Sprint(dice.IntN(8))] = true
		}
		var waiting []reconcile.Wish
		running := map[types.UID]string{}
		number := 20 + dice.IntN(30)
		begun := map[types.UID]bool{}
		for step := range 20 * number {
			if step < number {
				waiting = append(waiting, reconcile.Wish{
					UID: types.UID(fmt.Sprintf("%04d", step)), Group: fmt.Sprint(dice.IntN(8)), GroupLimit: limit,
					Since: dawn.Add(time.Duration(dice.IntN(number)) * time.Second),
				})
			}
			taken := map[string]int{}
			for _, group := range running {
				taken[group]++
			}
			begin, wait := reconcile.Decide(waiting, taken, total)
			checkDecision(t, begin, wait, taken, total)
			for _, wish := range begin {
				running[wish.UID], begun[wish.UID] = wish.Group, true
			}
			waiting = wait
			for uid, group := range running {
				if !hanging[group] && dice.IntN(3) == 0 {
					delete(running, uid)
				}
			}
		}
		for _, wish := range waiting {
			if !hanging[wish.Group] {
				t.Fatalf("seed %d: %s of group %s never began; %v are running of %d", seed, wish.UID, wish.Group, running, total)
			}
		}
	}
}

func checkDecision(t *testing.T, begin, wait []reconcile.Wish, taken map[string]int, total int) {
	t.Helper()
	in, all := map[string]int{}, 0
	for group, number := range taken {
		in[group] = number
		all += number
	}
	passed := map[string]int{}
	for _, wish := range slices.Concat(begin, wait) {
		passed[wish.Group] = max(passed[wish.Group], wish.Passed)
	}
	for _, wish := range begin {
		in[wish.Group]++
		all++
		if in[wish.Group] > max(1, min(wish.GroupLimit, total-1)) {
			t.Fatalf("group %s has %d of %d", wish.Group, in[wish.Group], wish.GroupLimit)
		}
		isLate := passed[wish.Group] >= 8 && all-len(in) <= total-2
		if all > 2*total || all > total && in[wish.Group] > 1 && !isLate {
			t.Fatalf("%d of %d places are taken, %d by group %s", all, total, in[wish.Group], wish.Group)
		}
	}
	for _, left := range wait {
		isFree := all < total || all < 2*total && in[left.Group] == 0
		if isFree && in[left.Group] < max(1, min(left.GroupLimit, total-1)) {
			t.Fatalf("%s waits although it could begin: %v of %d", left.UID, in, total)
		}
		for _, other := range begin {
			if other.Group == left.Group && other.Since.After(left.Since) {
				t.Fatalf("%s passed %s of its own group", other.UID, left.UID)
			}
		}
	}
}

// enter asks for a place for the object of that number, which is as old as its number is low.
func enter(of *tasks, number int, group string) reconcile.Turn {
	return of.Enter(numbered(number), reconcile.Wish{
		Group: group, GroupLimit: 2, Since: dawn.Add(time.Duration(number) * time.Second),
	})
}

// TestTurns: who waits is told when its turn has come, and nobody else.
func TestTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		all := reconcile.NewTasks[int, string](3)
		if turn := enter(all, 1, "x"); turn.Position == 0 {
			t.Errorf("a turn without a manager: %+v", turn)
		}
		defer start(t, all)()
		if diff := cmp.Diff([]string{"1"}, heard(all)); diff != "" {
			t.Errorf("the first: %s", diff)
		}
		results := make(chan string)
		for number, want := range map[int]int{1: 0, 2: 0} {
			if turn := enter(all, number, "x"); turn.Position != want {
				t.Errorf("%d: %+v", number, turn)
			}
		}
		if turn := enter(all, 3, "x"); turn.Position != 1 || turn.InGroup != 2 || turn.GroupLimit != 2 || turn.Taken != 2 || turn.Total != 3 {
			t.Errorf("a full group: %+v", turn)
		}
		if turn := enter(all, 5, "x"); turn.Position != 2 {
			t.Errorf("behind it: %+v", turn)
		}
		if turn := enter(all, 4, "x"); turn.Position != 2 || turn.Waiting != 3 {
			t.Errorf("an older one: %+v", turn)
		}
		if turn := enter(all, 6, "y"); turn.Position != 0 {
			t.Errorf("of another group: %+v", turn)
		}
		synctest.Wait()
		heard(all)
		for _, number := range []int{1, 2, 6} {
			if !all.Begin(numbered(number), until(results)) {
				t.Fatalf("%d did not begin", number)
			}
		}
		if all.Begin(numbered(3), until(results)) {
			t.Error("one began that waits")
		}
		results <- "done"
		results <- "done"
		results <- "done"
		synctest.Wait()
		names := heard(all)
		for _, want := range []string{"3", "4", "5"} {
			if !slices.Contains(names, want) {
				t.Errorf("%s heard nothing: %v", want, names)
			}
		}
		for number, want := range map[int]int{3: 0, 4: 0, 5: 1} {
			if turn := enter(all, number, "x"); turn.Position != want {
				t.Errorf("%d: %+v", number, turn)
			}
		}
		synctest.Wait()
		if names := heard(all); len(names) > 0 {
			t.Errorf("who asked was told again: %v", names)
		}
	})
}

// TestPlacesAreGivenBack: by those who give up, are gone, or are over before they began.
func TestPlacesAreGivenBack(t *testing.T) {
	for name, give := range map[string]func(all *tasks){
		"left":      func(all *tasks) { all.Leave(uid) },
		"forgotten": func(all *tasks) { all.Forget(uid) },
		"gone":      func(all *tasks) { all.Release("1", "") },
		"another":   func(all *tasks) { all.Release("1", "uid-new") },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				all := reconcile.NewTasks[int, string](1)
				defer start(t, all)()
				if turn := enter(all, 1, "x"); turn.Position != 0 {
					t.Fatalf("got %+v", turn)
				}
				if turn := enter(all, 2, "x"); turn.Position != 1 {
					t.Fatalf("got %+v", turn)
				}
				heard(all)
				give(all)
				synctest.Wait()
				if diff := cmp.Diff([]string{"2"}, heard(all)); diff != "" {
					t.Error(diff)
				}
				if turn := enter(all, 2, "x"); turn.Position != 0 || all.Taken() != 1 {
					t.Errorf("got %+v, %d taken", turn, all.Taken())
				}
			})
		})
	}
	synctest.Test(t, func(t *testing.T) {
		all := reconcile.NewTasks[int, string](1)
		defer start(t, all)()
		enter(all, 1, "x")
		all.Begin(numbered(1), until(nil))
		all.Leave(uid)
		all.Release("1", uid)
		if all.Taken() != 1 {
			t.Error("the place of a task that runs was given away")
		}
	})
}

// TestLimitIsOfTheGroup: whoever hears first of a greater limit does not pass older ones that came with the old one.
func TestLimitIsOfTheGroup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		all := reconcile.NewTasks[int, string](4)
		defer start(t, all)()
		enterWith := func(number, limit int) reconcile.Turn {
			return all.Enter(numbered(number), reconcile.Wish{
				Group: "x", GroupLimit: limit, Since: dawn.Add(time.Duration(number) * time.Second),
			})
		}
		for number, want := range []int{0, 1, 2} {
			if turn := enterWith(number, 1); turn.Position != want {
				t.Fatalf("%d is at %d", number, turn.Position)
			}
		}
		if turn := enterWith(2, 2); turn.Position != 1 {
			t.Errorf("the youngest is at %d", turn.Position)
		}
		if turn := enterWith(1, 2); turn.Position != 0 {
			t.Errorf("the older one is at %d", turn.Position)
		}
	})
}

// TestLongQueuesAreTold: of a long queue the first hear of every move, and the others from time to time.
func TestLongQueuesAreTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const number = 400
		all := reconcile.NewTasks[int, string](1)
		defer start(t, all)()
		for i := range number {
			enter(all, i, "x")
		}
		told := 0
		for i := range number {
			synctest.Wait()
			names := heard(all)
			told += len(names)
			for _, name := range names {
				if at, _ := strconv.Atoi(name); at > i {
					enter(all, at, "x")
				}
			}
			if turn := enter(all, i, "x"); turn.Position != 0 {
				t.Fatalf("%d is at %d", i, turn.Position)
			}
			all.Forget(types.UID("uid-" + strconv.Itoa(i)))
		}
		if told < number || told > 40*number {
			t.Errorf("told %d times", told)
		}
	})
}
