// Package model_test holds backups and restores against a model: the words of docs/selection.md and docs/restore.md once
// more, in plain loops over all objects, which know nothing of how the product does it. The cases are random: sets of
// objects that refer to one another, filters, mappings, clusters that are not empty, and processes that end in between.
//
// A case that fails is made smaller and printed as a whole, with its seed and number. More cases, or other ones:
//
//	KAHU_MODEL_CASES=100000 KAHU_MODEL_SEED=7 go test ./test/model -run Pure
package model_test

import (
	"encoding/json"
	"math/rand/v2"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
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
		"of the restores %d created, %d existing, %d controlled, %d failed; %d restores with a mapping",
		seed, min(next.Load(), cases), seen.backupsRefused.Load(), seen.restoresRefused.Load(), seen.died.Load(), seen.objects.Load(),
		seen.created.Load(), seen.existing.Load(), seen.controlled.Load(), seen.failed.Load(), seen.mapped.Load())
	if failures.Load() > 0 || cases < 1000 {
		return
	}
	for what, count := range map[string]int64{
		"refused backups": seen.backupsRefused.Load(), "refused restores": seen.restoresRefused.Load(), "ended processes": seen.died.Load(),
		"created": seen.created.Load(), "existing": seen.existing.Load(), "controlled": seen.controlled.Load(),
		"failed": seen.failed.Load(), "mapped": seen.mapped.Load(),
	} {
		if count < int64(cases)/200 {
			t.Errorf("%s: the cases have only %d of them, and test too little", what, count)
		}
	}
}

// report makes a failing case smaller and prints it.
func report(t *testing.T, seed, number uint64, failing scenario) {
	t.Helper()
	smallest, difference := shrink(t, failing)
	text, err := json.MarshalIndent(smallest, "", "  ")
	if err != nil {
		t.Error(err)
	}
	t.Errorf("seed %d, case %d:\n%s\n\nthe case, made smaller:\n%s", seed, number, difference, text)
}

// shrink leaves out of a case whatever it fails without.
func shrink(t *testing.T, failing scenario) (scenario, string) {
	t.Helper()
	difference := run(t, failing, &outcome{})
	for again := true; again; {
		again = false
		for _, smaller := range smaller(failing) {
			if !possible(smaller.World) || !possible(smaller.Target) {
				continue
			}
			if other := run(t, smaller, &outcome{}); other != "" {
				failing, difference, again = smaller, other, true
				break
			}
		}
	}
	return failing, difference
}

// possible tells whether a cluster can be so: nothing is in a namespace that is not there.
func possible(things []thing) bool {
	return !slices.ContainsFunc(things, func(t thing) bool {
		return t.Namespace != "" && !slices.ContainsFunc(things, func(n thing) bool { return n.Kind == "Namespace" && n.Name == t.Namespace })
	})
}

// smaller returns the cases that have one thing less.
func smaller(s scenario) []scenario {
	var made []scenario
	add := func(change func(s *scenario)) {
		copied := s
		copied.World, copied.Target = cloned(s.World), cloned(s.Target)
		change(&copied)
		made = append(made, copied)
	}
	for i := range s.World {
		add(func(s *scenario) { s.World = slices.Delete(s.World, i, i+1) })
	}
	for i := range s.Target {
		add(func(s *scenario) { s.Target = slices.Delete(s.Target, i, i+1) })
	}
	for i := range s.World {
		for j := range s.World[i].Refers {
			add(func(s *scenario) { s.World[i].Refers = slices.Delete(slices.Clone(s.World[i].Refers), j, j+1) })
		}
		if len(s.World[i].Owners) > 0 {
			add(func(s *scenario) { s.World[i].Owners = nil })
		}
		if len(s.World[i].Labels) > 0 {
			add(func(s *scenario) { s.World[i].Labels = nil })
		}
	}
	for name := range s.Mapping {
		add(func(s *scenario) {
			kept := map[string]string{}
			for other, to := range s.Mapping {
				if other != name {
					kept[other] = to
				}
			}
			s.Mapping = kept
		})
	}
	if s.BackupDies > 0 {
		add(func(s *scenario) { s.BackupDies = 0 })
	}
	if s.RestoreDies > 0 {
		add(func(s *scenario) { s.RestoreDies = 0 })
	}
	for _, of := range []func(s *scenario) *wish{
		func(s *scenario) *wish { return &s.Backup }, func(s *scenario) *wish { return &s.Restore },
	} {
		for _, less := range of(&s).smaller() {
			add(func(s *scenario) { *of(s) = less })
		}
	}
	return made
}

func cloned(things []thing) []thing { return slices.Clone(things) }

// smaller returns the filters that have one wish less.
func (w wish) smaller() []wish {
	var made []wish
	for i := range w.In {
		less := w
		less.In = slices.Delete(slices.Clone(w.In), i, i+1)
		made = append(made, less)
	}
	for i := range w.Out {
		less := w
		less.Out = slices.Delete(slices.Clone(w.Out), i, i+1)
		made = append(made, less)
	}
	for i := range w.Want {
		less := w
		less.Want = slices.Delete(slices.Clone(w.Want), i, i+1)
		made = append(made, less)
	}
	for i := range w.Refuse {
		less := w
		less.Refuse = slices.Delete(slices.Clone(w.Refuse), i, i+1)
		made = append(made, less)
	}
	if len(w.Labels) > 0 {
		less := w
		less.Labels = nil
		made = append(made, less)
	}
	if w.Cluster != nil {
		less := w
		less.Cluster = nil
		made = append(made, less)
	}
	return made
}
