package removal_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/archive"
	"github.com/soda-cdm/kahu/internal/core/collection"
	"github.com/soda-cdm/kahu/internal/core/selection"
	"github.com/soda-cdm/kahu/internal/engine/backup"
	"github.com/soda-cdm/kahu/internal/engine/removal"
	"github.com/soda-cdm/kahu/internal/testkit/world"
)

var errNotOurs = errors.New("somebody else wrote the owner file")

// collectionOf returns a collection by a cluster that owns its part and knows of no run.
func collectionOf(grace time.Duration) *removal.Collection {
	return &removal.Collection{
		ClusterID: world.ClusterID, Grace: grace,
		Running: func(context.Context) (func(archive.BackupID) bool, error) {
			return func(archive.BackupID) bool { return false }, nil
		},
		Owned: func(context.Context) error { return nil },
	}
}

// share makes two backups, and the manifest of the second one name a segment of the first.
func share(w *world.World) (shared string) {
	w.T.Helper()
	w.Shop()
	var made []archive.Manifest
	for _, name := range []string{"first", "second"} {
		result, err := w.Backup(name, selection.Filters{})
		if err != nil {
			w.T.Fatal(err)
		}
		made = append(made, result.Manifest)
	}
	second, file := made[1], made[0].Segments[0]
	second.Segments = append(slices.Clone(second.Segments), file)
	second.Sizes.Segments += file.Size
	content, err := archive.EncodeManifest(second)
	if err != nil {
		w.T.Fatal(err)
	}
	w.Put(second.ID.ManifestName(), string(content))
	return file.Name
}

// TestSharedSegments: a segment stays until the last backup that needs it is deleted, and is collected then.
func TestSharedSegments(t *testing.T) {
	w := world.New(t)
	shared := share(w)
	if err := removal.Delete(t.Context(), w.Files, world.ID("first")); err != nil {
		t.Fatal(err)
	}
	if !w.Has(shared) {
		t.Fatal("a segment was removed that another backup needs")
	}
	found, err := collectionOf(0).Run(t.Context(), w.Files)
	if err != nil || found.Segments != 0 || !w.Has(shared) {
		t.Fatalf("collected %+v: %v", found, err)
	}
	if err := removal.Delete(t.Context(), w.Files, world.ID("second")); err != nil {
		t.Fatal(err)
	}
	found, err = collectionOf(time.Hour).Run(t.Context(), w.Files)
	if diff := cmp.Diff(map[collection.Reason]int{collection.Young: 1}, found.Kept); err != nil || diff != "" || !w.Has(shared) {
		t.Fatalf("before the grace is over: %v %s", err, diff)
	}
	found, err = collectionOf(time.Nanosecond).Run(t.Context(), w.Files)
	if err != nil || found.Segments != 1 {
		t.Fatalf("collected %+v: %v", found, err)
	}
	if diff := cmp.Diff([]string{archive.ClockName(world.ClusterID)}, w.Names()); diff != "" {
		t.Errorf("left: %s", diff)
	}
}

// intentOf returns what the backup named run says while it builds on a base.
func intentOf(t *testing.T, w *world.World, base archive.BackupID, made backup.Result) string {
	t.Helper()
	intent, err := archive.EncodeIntent(archive.Intent{
		Backup: world.ID("run"), Attempt: "a1", Started: w.Clock.Now(), Base: &base, Uses: made.Manifest.Attempts(),
	})
	if err != nil {
		t.Fatal(err)
	}
	return string(intent)
}

// TestUsedByARun: what the intent of a run under way uses stays, whatever is deleted.
func TestUsedByARun(t *testing.T) {
	w := world.New(t)
	w.Shop()
	made, err := w.Backup("first", selection.Filters{})
	if err != nil {
		t.Fatal(err)
	}
	base, run := world.ID("first"), world.ID("run")
	w.Put(run.IntentName(), intentOf(t, w, base, made))
	segments := made.Manifest.Segments
	if err := removal.Delete(t.Context(), w.Files, base); err != nil {
		t.Fatal(err)
	}
	found, err := collectionOf(time.Hour).Run(t.Context(), w.Files)
	if err != nil || found.Kept[collection.UnderWay] != len(segments) || !w.Has(segments[0].Name) {
		t.Fatalf("collected %+v: %v", found, err)
	}
	// Nobody knows the run, and nothing was written for longer than the grace: it goes, and the segments after it.
	found, err = collectionOf(time.Nanosecond).Run(t.Context(), w.Files)
	if err != nil || !found.Again || found.Others != 1 || w.Has(run.IntentName()) || !w.Has(segments[0].Name) {
		t.Fatalf("collected %+v: %v", found, err)
	}
	found, err = collectionOf(time.Nanosecond).Run(t.Context(), w.Files)
	if err != nil || found.Segments != len(segments) {
		t.Fatalf("collected %+v: %v", found, err)
	}
}

// TestCollectedByTheOwner: who does not own the part removes nothing, and writes nothing.
func TestCollectedByTheOwner(t *testing.T) {
	for name, after := range map[string]int{"FromTheBeginning": 0, "Meanwhile": 1} {
		t.Run(name, func(t *testing.T) {
			w := world.New(t)
			garbage := archive.SegmentID{ClusterID: world.ClusterID, Attempt: "gone", Number: 1}.Name()
			w.Put(garbage, "nobody's")
			collection, asked := collectionOf(time.Nanosecond), 0
			collection.Owned = func(context.Context) error {
				if asked++; asked > after {
					return errNotOurs
				}
				return nil
			}
			if _, err := collection.Run(t.Context(), w.Files); !errors.Is(err, errNotOurs) {
				t.Errorf("got %v", err)
			}
			if !w.Has(garbage) {
				t.Error("it was removed")
			}
			if after == 0 && len(w.Names()) != 1 {
				t.Errorf("there is now %v", w.Names())
			}
		})
	}
}

// TestNothingToCollect: a cluster that has nothing at a location leaves no file there.
func TestNothingToCollect(t *testing.T) {
	w := world.New(t)
	found, err := collectionOf(0).Run(t.Context(), w.Files)
	if err != nil || found.Segments != 0 || len(w.Names()) != 0 {
		t.Errorf("%+v, %v: %v", found, w.Names(), err)
	}
	w.Driver.Unlisted = true
	if _, err := collectionOf(0).Run(t.Context(), w.Plain()); !errors.Is(err, core.ErrUnsupported) {
		t.Errorf("where nothing can be listed: %v", err)
	}
}

// TestDeletionRemembers: the second deletion reads none of the manifests that the first one has read.
func TestDeletionRemembers(t *testing.T) {
	w := world.New(t)
	w.Shop()
	for _, name := range []string{"a", "b", "c", "d"} {
		if _, err := w.Backup(name, selection.Filters{}); err != nil {
			t.Fatal(err)
		}
	}
	deletion := &removal.Deletion{Memory: &removal.Memory{}}
	if err := deletion.Delete(t.Context(), w.Files, world.ID("a")); err != nil {
		t.Fatal(err)
	}
	w.Driver.Recorded()
	if err := deletion.Delete(t.Context(), w.Files, world.ID("b")); err != nil {
		t.Fatal(err)
	}
	calls := w.Driver.Recorded()
	for _, name := range []string{"c", "d"} {
		if slices.Contains(calls, "download "+world.ID(name).ManifestName()) {
			t.Errorf("the manifest of %s was read again", name)
		}
	}
}
