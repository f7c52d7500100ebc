package engine_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/utils/clock"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/selection"
	"github.com/soda-cdm/kahu/internal/engine"
	"github.com/soda-cdm/kahu/internal/engine/backup"
	"github.com/soda-cdm/kahu/internal/engine/removal"
	"github.com/soda-cdm/kahu/internal/engine/restore"
	"github.com/soda-cdm/kahu/internal/engine/verify"
	"github.com/soda-cdm/kahu/internal/store"
	"github.com/soda-cdm/kahu/internal/testkit/fakecluster"
	"github.com/soda-cdm/kahu/internal/testkit/faultyprovider"
	"github.com/soda-cdm/kahu/internal/testkit/world"
)

// The campaigns. KAHU_FAULT_SEED begins at another seed, KAHU_FAULT_TIME goes on for that long.
const (
	campaignCases = 50
	caseLimit     = 30 * time.Second
)

// TestFaults backs up and restores over a store and a cluster that fail at random. Each case has a seed, which is in its
// name; the same seed makes the same faults as far as the order of the calls is the same.
func TestFaults(t *testing.T) {
	first, until := campaign(t)
	before := runtime.NumGoroutine()
	happened := map[string]int{}
	finished, made := 0, 0
	for seed := first; ; seed++ {
		if done := seed - first; until.IsZero() && done >= campaignCases || !until.IsZero() && (clock.RealClock{}).Now().After(until) {
			break
		}
		t.Run("seed "+strconv.FormatUint(seed, 10), func(t *testing.T) {
			c := newCampaign(t, seed)
			c.run()
			for name, number := range c.happened() {
				happened[name] += number
			}
			made += c.made
			finished++
		})
		if t.Failed() {
			t.Logf("to see it again: KAHU_FAULT_SEED=%d", seed)
			return
		}
	}
	t.Logf("%d cases from seed %d on, %d backups made; faults: %v", finished, first, made, happened)
	for _, name := range []string{
		"slow", "unavailable", "late", "reset", "short", "full", "denied", "stale", "twice", "disordered", "cluster",
	} {
		if happened[name] == 0 {
			t.Errorf("the fault %q never happened", name)
		}
	}
	if made < finished/10 || made > 2*finished-finished/10 {
		t.Errorf("%d of %d backups were made: the faults are too many, or too few", made, 2*finished)
	}
	awaitGoroutines(t, before)
}

func campaign(t *testing.T) (first uint64, until time.Time) {
	t.Helper()
	first = 1
	if text := os.Getenv("KAHU_FAULT_SEED"); text != "" { //nolint:forbidigo // It is how a person asks for more.
		seed, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			t.Fatalf("KAHU_FAULT_SEED: %v", err)
		}
		first = seed
	}
	if text := os.Getenv("KAHU_FAULT_TIME"); text != "" { //nolint:forbidigo // It is how a person asks for more.
		length, err := time.ParseDuration(text)
		if err != nil {
			t.Fatalf("KAHU_FAULT_TIME: %v", err)
		}
		until = clock.RealClock{}.Now().Add(length)
	}
	return first, until
}

// awaitGoroutines fails the test where goroutines are left.
func awaitGoroutines(t *testing.T, before int) {
	t.Helper()
	deadline := clock.RealClock{}.After(5 * time.Second)
	for runtime.NumGoroutine() > before {
		select {
		case <-deadline:
			stacks := make([]byte, 1<<20)
			t.Fatalf("%d goroutines, %d before:\n%s", runtime.NumGoroutine(), before, stacks[:runtime.Stack(stacks, true)])
		case <-clock.RealClock{}.After(10 * time.Millisecond):
		}
	}
}

// faultCase is one case of the campaign: a world, and how it fails.
type faultCase struct {
	*world.World

	random  *rand.Rand
	drivers []*faultyprovider.Driver
	made    int
	mu      sync.Mutex
	refused int
}

func newCampaign(t *testing.T, seed uint64) *faultCase {
	t.Helper()
	c := &faultCase{World: world.New(t), random: rand.New(rand.NewPCG(seed, 5))}
	c.Workers = 1 + c.random.IntN(3)
	c.Cluster.PageSize = 1 + c.random.IntN(10)
	populate(t, c.Cluster, c.random)
	return c
}

// faulty returns the store with faults of its own.
func (c *faultCase) faulty() *store.Store { return c.through(c.faults()) }

// faults chooses how often what happens.
func (c *faultCase) faults() faultyprovider.Faults {
	rate := func(most float64) float64 {
		if c.random.IntN(3) == 0 {
			return 0
		}
		return most * c.random.Float64()
	}
	return faultyprovider.Faults{
		Slow: rate(0.3), Unavailable: rate(0.3), Late: rate(0.3), Reset: rate(0.3), Short: rate(0.05), Full: rate(0.05),
		Denied: rate(0.02), Stale: rate(0.3), Twice: rate(0.2), Disordered: rate(0.2), Endless: rate(0.2),
	}
}

// through returns the store with these faults.
func (c *faultCase) through(faults faultyprovider.Faults) *store.Store {
	driver := faultyprovider.New(c.Driver.Store, c.random.Uint64(), faults)
	c.drivers = append(c.drivers, driver)
	return store.New(driver, store.Options{Attempts: 1 + c.random.IntN(4), Clock: quick{}})
}

// quick is a clock on which pauses between attempts are over at once, and limits are as they are.
type quick struct{ clock.RealClock }

func (q quick) NewTimer(length time.Duration) clock.Timer { return q.RealClock.NewTimer(length / 200) }

func (c *faultCase) happened() map[string]int {
	sum := map[string]int{"cluster": c.refused}
	for _, driver := range c.drivers {
		for name, number := range driver.Happened() {
			sum[name] += number
		}
	}
	return sum
}

// strain lets calls of a cluster fail, as one behind a bad network does after all repetitions.
func (c *faultCase) strain(cluster *fakecluster.Cluster) (calm func()) {
	random := rand.New(rand.NewPCG(c.random.Uint64(), 6))
	often := 0.0
	if c.random.IntN(2) == 0 {
		often = 0.1 * c.random.Float64()
	}
	classes := []error{core.ErrUnavailable, core.ErrExpired, core.ErrUnavailable, core.ErrConflict, core.ErrDenied}
	cluster.Intercept = func(call fakecluster.Call) error {
		c.mu.Lock()
		defer c.mu.Unlock()
		if random.Float64() >= often {
			return nil
		}
		c.refused++
		class := classes[random.IntN(len(classes))]
		if errors.Is(class, core.ErrExpired) && call.Verb != "page" {
			class = core.ErrUnavailable
		}
		return fmt.Errorf("%s %s: %w", call.Verb, call.Key, class)
	}
	return func() { cluster.Intercept = nil }
}

// run goes through the life of two backups.
func (c *faultCase) run() {
	c.T.Helper()
	ctx, cancel := context.WithTimeout(c.T.Context(), caseLimit)
	defer cancel()
	whole := map[string]bool{}
	for _, name := range []string{"one", "two"} {
		whole[name] = c.backUp(ctx, name)
	}
	for _, name := range []string{"one", "two"} {
		if whole[name] {
			c.made++
			c.restoreThrough(ctx, name)
			c.verifyThrough(ctx, name)
		}
	}
	for _, name := range []string{"one", "two"} {
		if err := removal.Delete(ctx, c.Plain(), world.ID(name), "attempt"+name); err != nil {
			c.T.Fatalf("deleting backup %s: %v", name, err)
		}
	}
	if names := c.Names(); len(names) > 0 {
		c.T.Errorf("left after deletion: %v", names)
	}
}

// backUp makes a backup through faults, and returns whether there is one: it is then whole, or says that it is not.
func (c *faultCase) backUp(ctx context.Context, name string) bool {
	c.T.Helper()
	files, calm := c.faulty(), c.strain(c.Cluster)
	use := &backup.Runner{Cluster: c.Cluster, Clock: c.Clock, Listers: c.Workers, Packers: c.Workers, Writer: "test"}
	result, err := use.Run(ctx, backup.Request{
		ID: world.ID(name), Attempt: "attempt" + name, LocationID: "location", ServerVersion: "v1", Object: []byte(`{}`),
		Filters: selection.Filters{}, Confirm: func(context.Context) error { return nil },
	}, files)
	calm()
	if err != nil {
		c.explained("backup", err)
	}
	manifest, readErr := engine.ReadManifest(ctx, c.Plain(), world.ID(name))
	if err != nil && errors.Is(readErr, core.ErrNotFound) {
		return false
	}
	if readErr != nil {
		c.T.Fatalf("backup %s ended with %v, and its manifest says %v", name, err, readErr)
	}
	if err == nil && manifest.Complete != (len(result.Missing) == 0) {
		c.T.Errorf("backup %s: complete is %t with %v missing", name, manifest.Complete, result.Missing)
	}
	found, err := c.verified(ctx, name, c.Plain())
	if err != nil || found.DamagedTotal > 0 {
		c.T.Fatalf("backup %s is real and not as it says: %v, %+v", name, err, found.Damaged)
	}
	if diff := cmp.Diff(c.Cluster.Contents(), c.restoredFrom(ctx, name)); manifest.Complete && diff != "" {
		c.T.Fatalf("backup %s says that it is complete: %s", name, diff)
	}
	return manifest.Complete
}

// explained checks that an error says what went wrong and where, in a class on which code can act.
func (c *faultCase) explained(what string, err error) {
	c.T.Helper()
	classes := []error{
		core.ErrNotFound, core.ErrAlreadyExists, core.ErrConflict, core.ErrDenied, core.ErrInvalid, core.ErrFull,
		core.ErrUnavailable, core.ErrExpired, core.ErrUnsupported, core.ErrCorrupt,
	}
	classed := slices.ContainsFunc(classes, func(class error) bool { return errors.Is(err, class) })
	if errors.Is(err, context.DeadlineExceeded) || !classed || strings.Count(err.Error(), ": ") < 2 {
		c.T.Errorf("%s: an error that does not say what or where: %v", what, err)
	}
}

// restoredFrom restores without faults into an empty cluster.
func (c *faultCase) restoredFrom(ctx context.Context, name string) map[string]string {
	c.T.Helper()
	target := fakecluster.New(world.AllKinds()...)
	c.restoreInto(ctx, target, name, c.Plain())
	return target.Contents()
}

func (c *faultCase) restoreInto(ctx context.Context, target *fakecluster.Cluster, name string, files engine.FileReader) (bool, error) {
	use := &restore.Runner{Cluster: target, Clock: c.Clock, Creators: 1 + c.random.IntN(4)}
	result, err := use.Run(ctx, restore.Request{Backup: world.ID(name), AllowIncomplete: true}, world.ReadOnly{FileReader: files})
	return result.FailedTotal == 0, err
}

// restoreThrough restores through faults: what is there afterwards is right, all of it where the run says so, and the
// next run without faults completes it.
func (c *faultCase) restoreThrough(ctx context.Context, name string) {
	c.T.Helper()
	want := c.Cluster.Contents()
	target := fakecluster.New(world.AllKinds()...)
	calm := c.strain(target)
	complete, err := c.restoreInto(ctx, target, name, c.faulty())
	calm()
	if err != nil {
		c.explained("restore", err)
	}
	got := target.Contents()
	if diff := cmp.Diff(want, got); err == nil && complete && diff != "" {
		c.T.Fatalf("restore of %s says that it is complete: %s", name, diff)
	}
	for key, content := range got {
		if want[key] != content {
			c.T.Errorf("restore of %s made %s of %s into %s", name, key, want[key], content)
		}
	}
	if complete, err := c.restoreInto(ctx, target, name, c.Plain()); err != nil || !complete {
		c.T.Fatalf("restoring %s again: %t, %v", name, complete, err)
	}
	if diff := cmp.Diff(want, target.Contents()); diff != "" {
		c.T.Fatalf("restoring %s again: %s", name, diff)
	}
}

func (c *faultCase) verified(ctx context.Context, name string, files engine.FileReader) (verify.Result, error) {
	use := &verify.Runner{Clock: c.Clock, Readers: c.Workers, Batch: 1 + c.random.IntN(50)}
	return use.Run(ctx, verify.Request{Backup: world.ID(name)}, files)
}

// verifyThrough reads the backup back through faults of a store that does not lie about its files: it finds no damage.
func (c *faultCase) verifyThrough(ctx context.Context, name string) {
	c.T.Helper()
	found, err := c.verified(ctx, name, c.through(c.faults().Honest()))
	if found.DamagedTotal > 0 {
		c.T.Errorf("faults of the store are taken for damage: %+v", found.Damaged)
	}
	if err != nil {
		c.explained("verify", err)
	}
}
