package backup_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/archive"
	"github.com/soda-cdm/kahu/internal/core/increment"
	"github.com/soda-cdm/kahu/internal/core/selection"
	"github.com/soda-cdm/kahu/internal/engine"
	"github.com/soda-cdm/kahu/internal/engine/backup"
	"github.com/soda-cdm/kahu/internal/engine/removal"
	"github.com/soda-cdm/kahu/internal/testkit/world"
)

// The tests of this file are those of the rules by which segments are shared: each lets a deletion or a collection come
// between two steps of a run, just where the rule is what keeps the backup whole.

// between calls what happens when the store is asked for the first time to create a file of that name.
func (s *series) between(name string, what func()) {
	s.T.Helper()
	happened := false
	s.Driver.Before = func(_ int, call, of string) error {
		if call == "create" && of == name && !happened {
			happened = true
			what()
		}
		return nil
	}
	s.T.Cleanup(func() {
		if !happened {
			s.T.Errorf("%s was never written", name)
		}
	})
}

// confirming calls what happens when a run asks whether it is still wanted.
func (s *series) confirming(what func()) {
	s.change = func(request *backup.Request) {
		request.Confirm = func(context.Context) error {
			what()
			return nil
		}
	}
}

// delete deletes a backup past all faults.
func (s *series) delete(name string) {
	s.T.Helper()
	if err := removal.Delete(s.T.Context(), s.Plain(), world.ID(name), "attempt"+name); err != nil {
		s.T.Error(err)
	}
}

// collect collects what was not written a moment ago, past all faults, and knows of no run.
func (s *series) collect() removal.Collected {
	s.T.Helper()
	use := &removal.Collection{
		ClusterID: world.ClusterID, Grace: time.Second, Owned: func(context.Context) error { return nil },
		Running: func(context.Context) (func(archive.BackupID) bool, error) {
			return func(archive.BackupID) bool { return false }, nil
		},
	}
	collected, err := use.Run(s.T.Context(), s.Plain())
	if err != nil {
		s.T.Error(err)
	}
	return collected
}

// hasManifest tells whether a backup exists.
func (s *series) hasManifest(name string) bool {
	s.T.Helper()
	return s.Has(world.ID(name).ManifestName())
}

// TestIntentKeepsTheSegmentsOfTheBase: whatever the manifest may come to name, the intent names before. All backups from
// which the run takes something over are deleted before its manifest is there.
func TestIntentKeepsTheSegmentsOfTheBase(t *testing.T) {
	t.Parallel()
	s := newSeries(t)
	s.backup("one", increment.Full)
	s.Cluster.Change(t, world.ConfigMaps, "shop", "settings-1", `{"data":{"key":"other"}}`)
	s.backup("two", increment.Incremental)
	s.confirming(func() {
		s.delete("one")
		s.delete("two")
	})
	made := s.backup("three", increment.Incremental)
	s.change = nil
	if got := made.Manifest.Increment.Base; got != world.ID("two") || segmentsOf(t, made, "attemptone") == 0 || segmentsOf(t, made, "attempttwo") == 0 {
		t.Fatalf("it builds on %v, with the segments %v", got, made.Manifest.Segments)
	}
	s.check("three")
}

// TestNothingIsRealWithoutAnIntent: a collector took the run for an abandoned one. It has removed its intent and is about to
// remove what the run has written, and so the run must not end well.
func TestNothingIsRealWithoutAnIntent(t *testing.T) {
	t.Parallel()
	s := newSeries(t)
	s.backup("one", increment.Full)
	s.Cluster.Change(t, world.ConfigMaps, "shop", "settings-1", `{"data":{"key":"other"}}`)
	s.confirming(func() {
		s.Put("clusters/another/clock.json", "{}") // The store's time goes on by what is written.
		if collected := s.collect(); !collected.Again {
			t.Errorf("the run is not taken for an abandoned one: %+v", collected)
		}
	})
	if _, err := s.try("two", increment.Incremental); !errors.Is(err, core.ErrNotFound) {
		t.Errorf("got %v", err)
	}
	if s.hasManifest("two") {
		t.Error("the backup is there")
	}
	s.collect()
	s.change = nil
	s.contents("one")
}

// paused are the files of a deletion that stops before it removes the first segment, until it is told to go on.
type paused struct {
	removal.Files

	decided, goOn chan struct{}
	stopped       bool
}

func (p *paused) Remove(ctx context.Context, name string) error {
	if _, is := archive.ParseSegmentName(name); is && !p.stopped {
		p.stopped = true
		close(p.decided)
		<-p.goOn
	}
	return p.Files.Remove(ctx, name)
}

// TestBaseIsLookedAtAgain: somebody deletes the base after the run has chosen it, sees no intent, and has decided which
// segments go when the intent is there: none of these may come into the backup.
func TestBaseIsLookedAtAgain(t *testing.T) {
	t.Parallel()
	s := newSeries(t)
	s.backup("one", increment.Full)
	files := &paused{Files: s.Plain(), decided: make(chan struct{}), goOn: make(chan struct{})}
	deleted := make(chan error, 1)
	s.between(world.ID("two").IntentName(), func() {
		go func() { deleted <- removal.Delete(t.Context(), files, world.ID("one"), "attemptone") }()
		select {
		case <-files.decided:
		case err := <-deleted:
			t.Errorf("the deletion removed no segment: %v", err)
			deleted <- err
		}
	})
	made := s.backup("two", increment.Incremental)
	close(files.goOn)
	if err := <-deleted; err != nil {
		t.Fatal(err)
	}
	if made.Choice.Mode != increment.Full || made.Choice.Reason != increment.BaseGone {
		t.Errorf("got %+v", made.Choice)
	}
	s.check("two")
}

// TestSegmentsAreThereAtTheEnd: a run whose segments are not all in the store as it knows them makes nothing real, whoever
// wrote them.
func TestSegmentsAreThereAtTheEnd(t *testing.T) {
	t.Parallel()
	own := archive.SegmentID{ClusterID: world.ClusterID, Attempt: "attempttwo", Number: 1}.Name()
	base := archive.SegmentID{ClusterID: world.ClusterID, Attempt: "attemptone", Number: 1}.Name()
	for name, damage := range map[string]func(s *series){
		"OwnGone":       func(s *series) { s.remove(own) },
		"OwnCut":        func(s *series) { s.Put(own, "cut") },
		"OfTheBaseGone": func(s *series) { s.remove(base) },
		"OfTheBaseCut":  func(s *series) { s.Put(base, "cut") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSeries(t)
			s.backup("one", increment.Full)
			s.Cluster.Change(t, world.ConfigMaps, "shop", "settings-1", `{"data":{"key":"other"}}`)
			s.between(world.ID("two").IndexName(), func() { damage(s) })
			_, err := s.try("two", increment.Incremental)
			if !errors.Is(err, core.ErrCorrupt) || !strings.Contains(err.Error(), "1 segment") {
				t.Errorf("got %v", err)
			}
			if s.hasManifest("two") {
				t.Error("the backup is there")
			}
			if _, err := engine.ReadManifest(t.Context(), s.Plain(), world.ID("one")); err != nil {
				t.Errorf("the base is gone with it: %v", err)
			}
		})
	}
}

// TestSleeperMayStillWriteItsManifest: an attempt was confirmed, and sleeps before its manifest is written. Another one takes the
// run over meanwhile, fails at once and puts that on record: it removes nothing that the manifest names, as nobody has waited
// until it cannot come any more.
func TestSleeperMayStillWriteItsManifest(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	w.Shop()
	w.GiveUp = func(context.Context, error) error { return nil }
	overtaken := false
	w.Driver.Before = func(_ int, call, name string) error {
		if call != "create" || name != world.ID("one").ManifestName() || overtaken {
			return nil
		}
		overtaken = true
		w.Confirm = func(context.Context) error { return world.ErrRefused }
		if _, err := w.Try(t.Context(), 1, selection.Filters{}); !errors.Is(err, world.ErrRefused) {
			t.Errorf("got %v", err)
		}
		return nil
	}
	if _, err := w.Try(t.Context(), 0, selection.Filters{}); err != nil || !overtaken {
		t.Fatalf("overtaken: %t, %v", overtaken, err)
	}
	w.Driver.Before = nil
	if diff := cmp.Diff(w.Cluster.Contents(), w.Restored()); diff != "" {
		t.Error(diff)
	}
}
