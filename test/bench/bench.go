package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"runtime"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/clock"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
)

// bench is one run of the program.
type bench struct {
	options

	dir    string
	out    io.Writer
	clock  clock.Clock
	begun  time.Time
	places []*place
	missed bool
}

func newBench(wish options, dir string, out io.Writer) *bench {
	now := clock.RealClock{}
	return &bench{options: wish, dir: dir, out: out, clock: now, begun: now.Now()}
}

func (b *bench) program(name string) string { return filepath.Join(b.bin, name) }

func (b *bench) store() string { return filepath.Join(b.dir, "store") }

// header says what is measured, and where.
func (b *bench) header() {
	b.sayf("%d objects of %d to %d bytes in %d namespaces, %d definitions; %d processors, load %s, %s",
		b.population.objects, leastBytes, mostBytes, b.population.namespaces, b.population.definitions,
		runtime.NumCPU(), load(), runtime.Version())
}

// sayf writes a line with the time since the beginning.
func (b *bench) sayf(format string, args ...any) {
	// Where it cannot be shown, nobody reads it.
	_, _ = fmt.Fprintf(b.out, "%7.1f s  %s\n", b.clock.Since(b.begun).Seconds(), fmt.Sprintf(format, args...))
}

// judgef says whether a target is met, and remembers if not.
func (b *bench) judgef(met bool, format string, args ...any) { //nolint:revive // Whether it is met is what is told.
	word := "met   "
	if !met {
		word, b.missed = "MISSED", true
	}
	b.sayf("%s  %s", word, fmt.Sprintf(format, args...))
}

// clear ends all that runs.
func (b *bench) clear() error {
	var failures []error
	for _, place := range slices.Backward(b.places) {
		failures = append(failures, place.end())
	}
	return errors.Join(failures...)
}

// look is the pause between two looks at what cannot be watched.
const look = 100 * time.Millisecond

// until looks at something again and again until it is so.
func (b *bench) until(ctx context.Context, limit time.Duration, what string, is func() (bool, error)) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	for {
		done, err := is()
		if err != nil {
			return fmt.Errorf("waiting for %s: %w", what, err)
		}
		if done {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting for %s: %w", what, ctx.Err())
		case <-b.clock.After(look):
		}
	}
}

// calm waits until the processes of a place have nothing left to do: a new cluster, or one with new definitions, is
// busy with itself for a while, and so is one whose history is being compacted.
func (p *place) calm(ctx context.Context) error {
	const window, quiet, patience = time.Second, 0.12, 2 * time.Minute
	last, at := time.Duration(-1), p.bench.clock.Now()
	begun := at
	return p.bench.until(ctx, 2*patience, "a quiet cluster", func() (bool, error) {
		now := p.bench.clock.Now()
		if last >= 0 && now.Sub(at) < window {
			return false, nil
		}
		spent := p.processes.used()
		sum := spent[apiServer] + spent[etcd] + spent[controllers] + spent[manager]
		calm := last >= 0 && float64(sum-last) < quiet*float64(now.Sub(at))
		last, at = sum, now
		return calm || now.Sub(begun) > patience, nil
	})
}

func isReady(conditions []metav1.Condition) bool {
	return meta.IsStatusConditionTrue(conditions, kahuv1.ConditionReady)
}
