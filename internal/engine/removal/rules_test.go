package removal_test

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/archive"
	"github.com/soda-cdm/kahu/internal/core/collection"
	"github.com/soda-cdm/kahu/internal/core/selection"
	"github.com/soda-cdm/kahu/internal/engine/removal"
	"github.com/soda-cdm/kahu/internal/testkit/world"
)

// overtaken are the files of a collection that something comes in between before it lists a folder, once.
type overtaken struct {
	removal.CollectionFiles

	folder string
	after  int // so many listings of the folder
	by     func()
}

func (o *overtaken) List(ctx context.Context, prefix string, visit func(file core.FileInfo) error) error {
	if by := o.by; prefix == o.folder && by != nil {
		if o.after--; o.after < 0 {
			o.by = nil
			by()
		}
	}
	return o.CollectionFiles.List(ctx, prefix, visit)
}

// TestWhoLivesIsNotCleared: a run that was quiet for longer than the grace is gone on with when the collection has decided
// that it is abandoned. Nothing of it is removed, neither what is new nor what was there.
func TestWhoLivesIsNotCleared(t *testing.T) {
	run := world.ID("run")
	for name, test := range map[string]struct {
		comes string
		left  []string
	}{
		"Nothing":    {left: nil},
		"Intent":     {comes: run.IntentNameOf("second"), left: []string{run.CheckpointName("first", 1), run.IntentNameOf("second"), run.IntentName()}},
		"Checkpoint": {comes: run.CheckpointName("first", 2), left: []string{run.CheckpointName("first", 1), run.CheckpointName("first", 2), run.IntentName()}},
	} {
		t.Run(name, func(t *testing.T) {
			w := world.New(t)
			intent, err := archive.EncodeIntent(archive.Intent{Backup: run, Attempt: "first", Started: w.Clock.Now()})
			if err != nil {
				t.Fatal(err)
			}
			segment := archive.SegmentID{ClusterID: world.ClusterID, Attempt: "first", Number: 1}.Name()
			w.Put(run.IntentName(), string(intent))
			w.Put(segment, "x")
			w.Put(run.CheckpointName("first", 1), "x")
			files := &overtaken{CollectionFiles: w.Files, folder: run.Folder(), by: func() {
				if test.comes != "" {
					w.Put(test.comes, string(intent))
				}
			}}
			found, err := collectionOf(time.Second).Run(t.Context(), files)
			if err != nil || !found.Again || files.by != nil {
				t.Fatalf("the run is not taken for an abandoned one: %+v, %v", found, err)
			}
			var left []string
			for _, each := range w.Names() {
				if _, is := archive.ParseBackupFile(each); is {
					left = append(left, each)
				}
			}
			if diff := cmp.Diff(test.left, left); diff != "" {
				t.Error(diff)
			}
			if !w.Has(segment) {
				t.Error("the segment is gone although the intent is only now")
			}
		})
	}
}

// TestManifestGoesBeforeTheQuestion: a run begins to build on a backup that is being deleted, just before the deletion asks
// who needs its segments. That the manifest is gone by then is what tells the run.
func TestManifestGoesBeforeTheQuestion(t *testing.T) {
	w := world.New(t)
	w.Shop()
	if _, err := w.Backup("base", selection.Filters{}); err != nil {
		t.Fatal(err)
	}
	there := true
	files := &overtaken{CollectionFiles: w.Files, folder: archive.SegmentsFolder(world.ClusterID), by: func() {
		there = w.Has(world.ID("base").ManifestName())
	}}
	if err := removal.Delete(t.Context(), files, world.ID("base")); err != nil {
		t.Fatal(err)
	}
	if there || files.by != nil {
		t.Errorf("the manifest is there: %t; asked: %t", there, files.by == nil)
	}
}

// TestLateRunIsSeen: a run begins to build on a backup, which is deleted in the same moment, while a collection looks. It
// comes too late for the collection to see its intent, or too late for it not to see the backup: either way its segments stay.
func TestLateRunIsSeen(t *testing.T) {
	for name, test := range map[string]struct {
		listing int // of the folder of the backups, before which it happens
		kept    collection.Reason
	}{
		"BeforeTheManifests": {1, collection.UnderWay},
		"BeforeTheIntents":   {2, collection.Named},
	} {
		t.Run(name, func(t *testing.T) {
			w := world.New(t)
			w.Shop()
			made, err := w.Backup("base", selection.Filters{})
			if err != nil {
				t.Fatal(err)
			}
			base, run := world.ID("base"), world.ID("run")
			intent := intentOf(t, w, base, made)
			files := &overtaken{CollectionFiles: w.Files, folder: archive.BackupsFolder(world.ClusterID), after: test.listing - 1, by: func() {
				w.Put(run.IntentName(), intent)
				if err := removal.Delete(t.Context(), w.Files, base); err != nil {
					t.Error(err)
				}
			}}
			w.Put("clusters/another/clock.json", "{}") // The store's time goes on by what is written.
			found, err := collectionOf(time.Second).Run(t.Context(), files)
			if err != nil || files.by != nil {
				t.Fatalf("collected %+v: %v", found, err)
			}
			if want := len(made.Manifest.Segments); found.Kept[test.kept] != want || !w.Has(made.Manifest.Segments[0].Name) {
				t.Errorf("collected %+v", found)
			}
		})
	}
}
