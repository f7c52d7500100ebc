// Package model_test holds backups and restores against a model: the words of docs/selection.md and docs/restore.md once
// more, in plain loops over all objects, which know nothing of how the product does it. The cases are random: sets of
// objects that refer to one another, filters, mappings, clusters that are not empty, and processes that end in between.
//
// A case that fails is made smaller and printed as a whole, with its seed and number. More cases, or other ones:
//
//	KAHU_MODEL_CASES=100000 KAHU_MODEL_SEED=7 go test ./test/model -run Pure
package model_test

import (
	"math/rand/v2"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	testcluster "github.com/soda-cdm/kahu/internal/testkit/cluster"
)

func TestMain(m *testing.M) { os.Exit(testcluster.Main(m)) } //nolint:forbidigo // This is the main of the tests.

const (
	usualSeed  = 1
	usualCases = 10_000
	// fewCollections, in percent: each case makes encoders, which are large and short-lived.
	fewCollections = 500
)

// setting returns a number from the environment, or the usual one.
func setting(t *testing.T, name string, usual uint64) uint64 {
	t.Helper()
	text := os.Getenv(name) //nolint:forbidigo // Whoever runs the tests says how many.
	if text == "" {
		return usual
	}
	number, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return number
}

// TestPure runs the cases on a cluster and a store in memory.
func TestPure(t *testing.T) {
	seed, cases := setting(t, "KAHU_MODEL_SEED", usualSeed), setting(t, "KAHU_MODEL_CASES", usualCases)
	defer debug.SetGCPercent(debug.SetGCPercent(fewCollections))
	var next, failures atomic.Uint64
	var seen outcome
	var workers sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		workers.Go(func() {
			for {
				number := next.Add(1) - 1
				if number >= cases || failures.Load() > 0 {
					return
				}
				made := maker{rand.New(rand.NewPCG(seed, number))}.scenario()
				if difference := run(t, made, &seen); difference != "" {
					failures.Add(1)
					report(t, seed, number, made)
				}
			}
		})
	}
	workers.Wait()
	t.Logf("seed %d, %d cases: %d backups and %d restores refused, %d processes ended; %d objects backed up; "+
		"of the restores %d created, %d updated, %d existing, %d controlled, %d failed; %d restores with a mapping, "+
		"%d ended by what was there",
		seed, min(next.Load(), cases), seen.backupsRefused.Load(), seen.restoresRefused.Load(), seen.died.Load(), seen.objects.Load(),
		seen.created.Load(), seen.updated.Load(), seen.existing.Load(), seen.controlled.Load(), seen.failed.Load(), seen.mapped.Load(),
		seen.inTheWay.Load())
	if failures.Load() > 0 || cases < 1000 {
		return
	}
	for what, count := range map[string]int64{
		"refused backups": seen.backupsRefused.Load(), "refused restores": seen.restoresRefused.Load(), "ended processes": seen.died.Load(),
		"created": seen.created.Load(), "existing": seen.existing.Load(), "controlled": seen.controlled.Load(),
		"failed": seen.failed.Load(), "mapped": seen.mapped.Load(), "updated": seen.updated.Load(),
		"ended by what was there": seen.inTheWay.Load(),
	} {
		if count < int64(cases)/200 {
			t.Errorf("%s: the cases have only %d of them, and test too little", what, count)
		}
	}
}
