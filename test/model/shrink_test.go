package model_test

import (
	"encoding/json"
	"maps"
	"slices"
	"testing"

	"github.com/soda-cdm/kahu/internal/core/restoreplan"
)

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
		if s.World[i].Content != "" {
			add(func(s *scenario) { s.World[i].Content = "" })
		}
	}
	for _, less := range s.Restore.smaller() {
		add(func(s *scenario) { s.Restore = less })
	}
	if s.BackupDies > 0 {
		add(func(s *scenario) { s.BackupDies = 0 })
	}
	if s.RestoreDies > 0 {
		add(func(s *scenario) { s.RestoreDies = 0 })
	}
	for _, less := range s.Backup.smaller() {
		add(func(s *scenario) { s.Backup = less })
	}
	return made
}

func cloned(things []thing) []thing { return slices.Clone(things) }

// smaller returns the wishes that say one thing less.
func (w restoreWish) smaller() []restoreWish {
	var made []restoreWish
	add := func(change func(w *restoreWish)) {
		less := w
		change(&less)
		made = append(made, less)
	}
	for _, filters := range w.wish.smaller() {
		add(func(w *restoreWish) { w.wish = filters })
	}
	for name := range w.Mapping {
		add(func(w *restoreWish) {
			w.Mapping = maps.Clone(w.Mapping)
			delete(w.Mapping, name)
		})
	}
	if w.Policy != restoreplan.Skip {
		add(func(w *restoreWish) { w.Policy = restoreplan.Skip })
	}
	if w.Addresses || w.Ports {
		add(func(w *restoreWish) { w.Addresses, w.Ports = false, false })
	}
	if w.Prefix != "" {
		add(func(w *restoreWish) { w.Prefix = "" })
	}
	if w.Classes != nil {
		add(func(w *restoreWish) { w.Classes = nil })
	}
	if w.Marks != nil {
		add(func(w *restoreWish) { w.Marks = nil })
	}
	return made
}

// smaller returns the filters that have one wish less.
func (w wish) smaller() []wish {
	var made []wish
	add := func(change func(w *wish)) {
		less := w
		change(&less)
		made = append(made, less)
	}
	for i := range w.In {
		add(func(w *wish) { w.In = slices.Delete(slices.Clone(w.In), i, i+1) })
	}
	for i := range w.Out {
		add(func(w *wish) { w.Out = slices.Delete(slices.Clone(w.Out), i, i+1) })
	}
	for i := range w.Want {
		add(func(w *wish) { w.Want = slices.Delete(slices.Clone(w.Want), i, i+1) })
	}
	for i := range w.Refuse {
		add(func(w *wish) { w.Refuse = slices.Delete(slices.Clone(w.Refuse), i, i+1) })
	}
	if len(w.Labels) > 0 {
		add(func(w *wish) { w.Labels = nil })
	}
	if w.Cluster != nil {
		add(func(w *wish) { w.Cluster = nil })
	}
	return made
}
