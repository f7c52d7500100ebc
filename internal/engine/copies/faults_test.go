package copies_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/soda-cdm/kahu/internal/core/copyplan"
	"github.com/soda-cdm/kahu/internal/engine/copies"
	"github.com/soda-cdm/kahu/internal/testkit/faultyprovider"
)

const (
	faultCases = 30
	faultTries = 40
)

// TestCopyFaults copies backups that refer to one another between stores that fail at random, with processes that are killed
// at random and sometimes two at once. Whenever a copy is there it is whole, no fault makes it given up, and in the end it has
// the bytes of the backup.
func TestCopyFaults(t *testing.T) {
	t.Parallel()
	happened, killed, tries := map[string]int{}, 0, 0
	for seed := range uint64(faultCases) {
		c := &faultCase{t: t, world: newWorld(t), random: rand.New(rand.NewPCG(seed, 3))}
		c.build(seed)
		for try := 0; !c.done; try++ {
			if try == faultTries {
				t.Fatalf("seed %d: not made after %d tries", seed, try)
			}
			if try == faultTries/2 {
				c.from.Set(seed, faultyprovider.Faults{})
				c.to.Set(seed, faultyprovider.Faults{})
			}
			if err := c.try(fmt.Sprintf("copy%d", try)); err != nil {
				t.Fatalf("seed %d, try %d: %v", seed, try, err)
			}
		}
		if err := c.compare(); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		killed, tries = killed+c.killed, tries+c.tries
		for _, driver := range []*faultyprovider.Driver{c.from, c.to} {
			for name, number := range driver.Happened() {
				happened[name] += number
			}
		}
	}
	t.Logf("%d copies in %d tries, %d of them killed; faults: %v", 2*faultCases, tries, killed, happened)
	for _, name := range []string{"unavailable", "late", "reset", "full", "slow"} {
		if happened[name] == 0 {
			t.Errorf("%s never happened", name)
		}
	}
	if killed == 0 {
		t.Error("none was killed")
	}
}

// faultCase copies two backups, of which the second refers to segments of the first.
type faultCase struct {
	*world

	t        *testing.T
	random   *rand.Rand
	from, to *faultyprovider.Driver
	made     map[string]bool
	done     bool

	killed, tries int
}

func (c *faultCase) build(seed uint64) {
	c.t.Helper()
	often := func() float64 { return c.random.Float64() * 0.15 }
	faults := faultyprovider.Faults{Slow: often(), Unavailable: often(), Late: often(), Reset: often(), Full: often()}
	base := c.plain("base", 4)
	c.plain("next", 2, base.Segments[1:]...)
	c.from = faultyprovider.New(c.world.from, seed, faults)
	c.to = faultyprovider.New(c.world.to, seed+1000, faults)
	c.made = map[string]bool{}
}

// try makes one process's try, which may be killed, or two at once.
func (c *faultCase) try(attempt string) error {
	name := []string{"base", "next"}[c.random.IntN(2)]
	ctx, kill := context.WithCancel(c.t.Context())
	defer kill()
	wish := request(name)
	wish.Attempt = attempt
	left := c.random.IntN(16)
	wish.Confirm = func(ctx context.Context) error {
		if left == 0 {
			kill()
		}
		return ctx.Err()
	}
	if c.random.IntN(3) == 0 {
		kills := &killing{Full: c.to, left: left, kill: kill}
		c.check(name, c.run(ctx, kills, wish))
	} else {
		other := wish
		other.Attempt += "b"
		both := make(chan error, 1)
		go func() { both <- c.run(ctx, c.to, other) }()
		c.check(name, c.run(ctx, c.to, wish))
		c.check(name, <-both)
	}
	if ctx.Err() != nil {
		c.killed++
	}
	c.tries++
	c.done = c.made["base"] && c.made["next"]
	for _, name := range []string{"base", "next"} {
		if _, err := isWhole(c.t, c.world.to, name); err != nil {
			return err
		}
	}
	return nil
}

func (c *faultCase) run(ctx context.Context, to faultyprovider.Full, wish copies.Request) error {
	_, err := c.copy(ctx, c.from, to, wish)
	return err
}

func (c *faultCase) check(name string, err error) {
	c.t.Helper()
	if err == nil {
		c.made[name] = true
		return
	}
	if copyplan.IsLasting(err) {
		c.t.Fatalf("it would have been given up: %v", err)
	}
}

// compare compares the two stores.
func (c *faultCase) compare() error {
	source, target := contents(c.t, c.world.from), contents(c.t, c.world.to)
	maps.DeleteFunc(target, func(name, _ string) bool {
		return strings.Contains(name, "/intent-copy") // That of a try which was killed, or could not remove it.
	})
	if diff := cmp.Diff(names(source), names(target)); diff != "" {
		return errors.New("other files (-source +target):\n" + diff)
	}
	for _, name := range slices.Sorted(maps.Keys(source)) {
		if source[name] != target[name] {
			return fmt.Errorf("%s differs", name)
		}
	}
	return nil
}
