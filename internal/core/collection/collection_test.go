package collection_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/archive"
	"github.com/soda-cdm/kahu/internal/core/collection"
	"github.com/soda-cdm/kahu/internal/core/copyplan"
)

func id(name string) archive.BackupID {
	return archive.BackupID{ClusterID: clusterID, Name: name, UID: "u"}
}

func segment(attempt string, number int) string {
	return archive.SegmentID{ClusterID: clusterID, Attempt: attempt, Number: number}.Name()
}

// manifest is one of the first attempt, with segments.
func manifest(name, attempt string, segments ...string) archive.Manifest {
	made := archive.Manifest{ID: id(name), Attempt: attempt, Index: archive.File{Name: id(name).IndexName()}}
	for _, segment := range segments {
		made.Segments = append(made.Segments, archive.File{Name: segment})
	}
	return made
}

// TestVerdicts: what is removed, what stays, and why.
func TestVerdicts(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	old, young := now.Add(-grace), now.Add(-grace+time.Second)
	file := func(name string, modified time.Time) core.FileInfo {
		return core.FileInfo{Name: name, Modified: modified}
	}
	for name, test := range map[string]struct {
		found   func(s *collection.Survey)
		running string
		undated bool // the store's clock is not known
		want    []string
		folders []archive.BackupID
		kept    map[collection.Reason]int
		unknown []archive.BackupID
	}{
		"Nothing": {found: func(*collection.Survey) {}, kept: map[collection.Reason]int{}},
		"Old": {
			found: func(s *collection.Survey) {
				s.Segment(file(segment("a", 1), old))
				s.Segment(file(segment("a", 2), old))
			},
			want: []string{segment("a", 2), segment("a", 1)}, kept: map[collection.Reason]int{},
		},
		"OneOfTheAttemptIsYoung": {
			found: func(s *collection.Survey) {
				s.Segment(file(segment("a", 1), old))
				s.Segment(file(segment("a", 2), young))
			},
			kept: map[collection.Reason]int{collection.Young: 2},
		},
		"FromTheFuture": {
			found: func(s *collection.Survey) { s.Segment(file(segment("a", 1), now.Add(time.Hour))) },
			kept:  map[collection.Reason]int{collection.Young: 1},
		},
		"TheStoreHasNoTimes": {
			found: func(s *collection.Survey) { s.Segment(file(segment("a", 1), time.Time{})) },
			kept:  map[collection.Reason]int{collection.Undated: 1},
		},
		"TheStoreHasNoClock": {
			found:   func(s *collection.Survey) { s.Segment(file(segment("a", 1), old)) },
			undated: true, kept: map[collection.Reason]int{collection.Undated: 1},
		},
		"Shared": {
			found: func(s *collection.Survey) {
				s.Segment(file(segment("a", 1), old))
				s.Segment(file(segment("a", 2), old))
				s.Segment(file(segment("b", 1), old))
				s.Manifest(collection.NeedsOf(manifest("later", "b", segment("a", 2), segment("b", 1))))
			},
			want: []string{segment("a", 1)}, kept: map[collection.Reason]int{collection.Named: 2},
		},
		"NotKahus": {
			found: func(s *collection.Survey) {
				s.Segment(file(archive.SegmentsFolder(clusterID)+"notes.txt", old))
				s.Segment(file(archive.SegmentsFolder("other")+"a-000001.tar.zst", old))
				s.File(file(archive.BackupsFolder(clusterID)+"notes.txt", old))
			},
			kept: map[collection.Reason]int{},
		},
		"UnderWayByItsAge": {
			found: func(s *collection.Survey) {
				s.Segment(file(segment("a", 1), old))
				s.Segment(file(segment("b", 1), old))
				s.File(file(id("run").IntentName(), young))
				s.Intent(id("run"), archive.Intent{Attempt: "b", Uses: []string{"a"}})
			},
			kept: map[collection.Reason]int{collection.UnderWay: 2},
		},
		"UnderWayByItsObject": {
			found: func(s *collection.Survey) {
				s.Segment(file(segment("a", 1), old))
				s.File(file(id("run").IntentName(), old))
				s.Intent(id("run"), archive.Intent{Attempt: "b", Uses: []string{"a"}})
			},
			running: "run", kept: map[collection.Reason]int{collection.UnderWay: 1},
		},
		"UnderWayByItsSegments": {
			found: func(s *collection.Survey) {
				s.Segment(file(segment("a", 1), old))
				s.Segment(file(segment("b", 1), young))
				s.File(file(id("run").IntentName(), old))
				s.Intent(id("run"), archive.Intent{Attempt: "b", Uses: []string{"a"}})
			},
			kept: map[collection.Reason]int{collection.UnderWay: 2},
		},
		"AbandonedGoesInTwoSteps": {
			found: func(s *collection.Survey) {
				s.Segment(file(segment("b", 1), old))
				s.File(file(id("run").IntentName(), old))
				s.Intent(id("run"), archive.Intent{Attempt: "b"})
			},
			folders: []archive.BackupID{id("run")}, kept: map[collection.Reason]int{collection.Abandoned: 1},
		},
		"AnotherUsesTheSame": {
			found: func(s *collection.Survey) {
				s.Segment(file(segment("a", 1), old))
				s.File(file(id("gone").IntentName(), old))
				s.Intent(id("gone"), archive.Intent{Attempt: "a"})
				s.File(file(id("run").IntentName(), young))
				s.Intent(id("run"), archive.Intent{Attempt: "b", Uses: []string{"a"}})
			},
			folders: []archive.BackupID{id("gone")}, kept: map[collection.Reason]int{collection.UnderWay: 1},
		},
		"IntentsOfABackupHoldNothing": {
			found: func(s *collection.Survey) {
				s.Segment(file(segment("a", 1), old))
				s.Manifest(collection.NeedsOf(manifest("whole", "b")))
				s.File(file(id("whole").ManifestName(), old))
				s.File(file(id("whole").IndexName(), old))
				s.File(file(id("whole").IntentName(), old))
				s.Intent(id("whole"), archive.Intent{Attempt: "b", Uses: []string{"a"}})
			},
			want: []string{segment("a", 1)}, kept: map[collection.Reason]int{},
		},
		"LeftoversOfABackup": {
			found: func(s *collection.Survey) {
				s.Manifest(collection.NeedsOf(manifest("whole", "b")))
				s.File(file(id("whole").CheckpointName("a", 1), old))
				s.File(file(id("whole").IndexName(), old))
				s.File(file(id("whole").IntentName(), old))
				s.File(file(id("whole").ManifestName(), old))
				s.File(file(id("whole").ReportName(), old))
			},
			folders: []archive.BackupID{id("whole")}, kept: map[collection.Reason]int{},
		},
		"AManifestThatCameLate": {
			found: func(s *collection.Survey) {
				s.Segment(file(segment("a", 1), old))
				s.File(file(id("late").IntentName(), old))
				s.File(file(id("late").ManifestName(), old))
				s.Intent(id("late"), archive.Intent{Attempt: "a"})
			},
			kept: map[collection.Reason]int{collection.UnderWay: 1},
		},
		"ADamagedManifest": {
			found: func(s *collection.Survey) {
				s.Segment(file(segment("a", 1), old))
				s.Segment(file(segment("b", 1), old))
				s.Unreadable(id("damaged"))
				s.File(file(id("damaged").IntentName(), old))
				s.Intent(id("damaged"), archive.Intent{Attempt: "a"})
			},
			want: []string{segment("b", 1)}, kept: map[collection.Reason]int{collection.UnderWay: 1},
		},
		"ADamagedManifestWithoutIntent": {
			found: func(s *collection.Survey) {
				s.Segment(file(segment("a", 1), old))
				s.Unreadable(id("damaged"))
			},
			kept: map[collection.Reason]int{collection.Unknown: 1}, unknown: []archive.BackupID{id("damaged")},
		},
		"ADamagedIntentOfARunUnderWay": {
			found: func(s *collection.Survey) {
				s.Segment(file(segment("a", 1), old))
				s.File(file(id("run").IntentName(), young))
				s.UnreadableIntent(id("run"))
			},
			kept: map[collection.Reason]int{collection.Unknown: 1}, unknown: []archive.BackupID{id("run")},
		},
		"ADamagedIntentOfNobody": {
			found: func(s *collection.Survey) {
				s.Segment(file(segment("a", 1), old))
				s.File(file(id("run").IntentName(), old))
				s.UnreadableIntent(id("run"))
			},
			want: []string{segment("a", 1)}, folders: []archive.BackupID{id("run")}, kept: map[collection.Reason]int{},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			terms := collection.Terms{Now: now, Grace: grace, Running: func(of archive.BackupID) bool { return of.Name == test.running }}
			if test.undated {
				terms.Now = time.Time{}
			}
			survey := collection.NewSurvey(clusterID, terms)
			test.found(survey)
			verdict := survey.Decide()
			var names []string
			for _, garbage := range verdict.Garbage {
				before := len(names)
				for name := range garbage.Names() {
					names = append(names, name)
				}
				if len(names)-before != garbage.Count() {
					t.Errorf("%d names of %d", len(names)-before, garbage.Count())
				}
			}
			got := []any{names, verdict.Folders, verdict.Kept, verdict.Unknown}
			if diff := cmp.Diff([]any{test.want, test.folders, test.kept, test.unknown}, got); diff != "" {
				t.Error(diff)
			}
			if verdict.Empty() != (len(test.want) == 0 && len(test.folders) == 0) {
				t.Errorf("empty: %t", verdict.Empty())
			}
		})
	}
}

// TestLeftovers: what of a folder belongs to no backup, in which order it goes, and what is nobody's of ours to remove.
func TestLeftovers(t *testing.T) {
	t.Parallel()
	of := id("one")
	names := []string{
		of.CheckpointName("a", 1), of.DetailsNameOf("b"), of.IndexName(), of.IndexNameOf("b"), of.IntentNameOf("b"), of.IntentName(),
		of.ManifestName(), of.Folder() + "notes.txt", of.Folder() + "index-UPPER.zst", of.ReportName(),
	}
	made := manifest("one", "a")
	made.Report = archive.File{Name: of.ReportName()}
	for name, test := range map[string]struct {
		manifest *archive.Manifest
		want     []string
	}{
		"OfABackup": {
			manifest: &made,
			want:     []string{of.IntentNameOf("b"), of.CheckpointName("a", 1), of.DetailsNameOf("b"), of.IndexNameOf("b")},
		},
		"OfNone": {want: []string{
			of.IntentNameOf("b"), of.IntentName(), of.CheckpointName("a", 1), of.DetailsNameOf("b"), of.IndexName(), of.IndexNameOf("b"), of.ReportName(),
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(test.want, collection.Leftovers(of, names, test.manifest)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestLongCopy: a copy that began longer ago than the grace and sends segments at this very moment is not taken for abandoned.
func TestLongCopy(t *testing.T) {
	at := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	seg := func(n int) string {
		return archive.SegmentID{ClusterID: clusterID, Attempt: "big", Number: n}.Name()
	}
	of := archive.BackupID{ClusterID: clusterID, Name: "big", UID: "u"}
	made := archive.Manifest{ID: of, Attempt: "big", Segments: []archive.File{{Name: seg(1)}, {Name: seg(2)}}}
	intent := copyplan.Intent(&made, "copy1", at.Add(-3*time.Hour))
	survey := collection.NewSurvey(clusterID, collection.Terms{Now: at, Grace: 2 * time.Hour, Running: func(archive.BackupID) bool { return false }})
	survey.Segment(core.FileInfo{Name: seg(1), Modified: at.Add(-time.Second)}) // just sent
	survey.File(core.FileInfo{Name: of.IntentNameOf("copy1"), Modified: at.Add(-3 * time.Hour)})
	survey.File(core.FileInfo{Name: of.IndexName(), Modified: at.Add(-3 * time.Hour)})
	survey.Intent(of, intent)
	if verdict := survey.Decide(); len(verdict.Folders) > 0 {
		t.Errorf("a copy that wrote a segment one second ago is cleared away: %v, kept %v", verdict.Folders, verdict.Kept)
	}
}
