package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
)

// sample is one measurement.
type sample struct {
	what    string
	took    time.Duration
	objects int64
	bytes   int64
	cpu     map[string]time.Duration
	load    string
	note    string
}

func (s *sample) rate() float64 { return float64(s.objects) / s.took.Seconds() }

// line shows the raw figures.
func (s *sample) line() string {
	text := fmt.Sprintf("%-22s %8.3f s  %8d objects  %8.0f objects/s", s.what, s.took.Seconds(), s.objects, s.rate())
	if s.bytes > 0 {
		text += fmt.Sprintf("  %7.1f MB", float64(s.bytes)/1e6)
	}
	return text + "  CPU s:" + s.cpuText() + "  load " + s.load
}

func (s *sample) cpuText() string {
	var text strings.Builder
	for _, name := range []string{manager, metaService, driver, apiServer, etcd, controllers, itself} {
		if spent := s.cpu[name]; spent > 0 {
			_, _ = fmt.Fprintf(&text, " %s %.2f", name, spent.Seconds()) // A builder takes everything.
		}
	}
	return text.String()
}

// take measures one thing in a place.
func (p *place) take(ctx context.Context, what string, do func(into *sample) error) (sample, error) {
	if err := p.calm(ctx); err != nil {
		return sample{}, err
	}
	made := sample{what: what, cpu: map[string]time.Duration{}, load: load()}
	before := p.processes.used()
	began := p.bench.clock.Now()
	if err := do(&made); err != nil {
		return made, err
	}
	if made.took == 0 {
		made.took = p.bench.clock.Since(began)
	}
	for name, spent := range p.processes.used() {
		made.cpu[name] = spent - before[name]
	}
	p.bench.sayf("%s", made.line())
	if made.note != "" {
		p.bench.sayf("    %s", made.note)
	}
	return made, nil
}

// median returns the sample with the median rate: of an even number the lower one.
func median(of []sample) sample {
	sorted := slices.Clone(of)
	slices.SortFunc(sorted, func(a, b sample) int {
		switch {
		case a.rate() < b.rate():
			return -1
		case a.rate() > b.rate():
			return 1
		}
		return strings.Compare(a.what, b.what)
	})
	return sorted[(len(sorted)-1)/2]
}

// span shows the rates from the lowest to the highest.
func span(of []sample) string {
	lowest, highest := of[0].rate(), of[0].rate()
	for i := range of {
		lowest, highest = min(lowest, of[i].rate()), max(highest, of[i].rate())
	}
	middle := median(of)
	return fmt.Sprintf("%.0f (%.0f to %.0f)", middle.rate(), lowest, highest)
}
