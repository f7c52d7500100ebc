package location_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/archive"
	enginelocation "github.com/soda-cdm/kahu/internal/engine/location"
	"github.com/soda-cdm/kahu/internal/testkit/world"
	"github.com/soda-cdm/kahu/provider"
)

func locationOf(w *world.World, newID string) *enginelocation.Location {
	return &enginelocation.Location{Files: w.Files, Clock: w.Clock, NewID: func() string { return newID }}
}

func TestOpen(t *testing.T) {
	marked := func(w *world.World) {
		if _, err := locationOf(w, "first").Open(w.T.Context(), ""); err != nil {
			w.T.Fatal(err)
		}
	}
	cases := map[string]struct {
		prepare func(w *world.World)
		known   string
		want    string
		err     error
	}{
		"empty":                     {func(*world.World) {}, "", "new", nil},
		"empty, cannot list":        {func(w *world.World) { w.Driver.Unlisted = true }, "", "new", nil},
		"marked, not known":         {marked, "", "first", nil},
		"marked and known":          {marked, "first", "first", nil},
		"marked, another one known": {marked, "second", "", enginelocation.ErrMarkerMismatch},
		"empty, known":              {func(*world.World) {}, "first", "", enginelocation.ErrMarkerMissing},
		"not empty":                 {func(w *world.World) { w.Put("holiday.jpg", "x") }, "", "", enginelocation.ErrNotEmpty},
		"not empty, known":          {func(w *world.World) { w.Put("holiday.jpg", "x") }, "first", "", enginelocation.ErrMarkerMissing},
		"a broken marker":           {func(w *world.World) { w.Put(archive.MarkerName, "{") }, "", "", core.ErrCorrupt},
		"an endless marker": {
			func(w *world.World) { w.Put(archive.MarkerName, string(make([]byte, archive.MaxSmallFileSize+1))) }, "", "", core.ErrCorrupt,
		},
		"away": {
			func(w *world.World) {
				w.Driver.Before = func(int, string, string) error { return provider.ErrUnavailable }
			}, "first", "", core.ErrUnavailable,
		},
	}
	for name, test := range cases {
		t.Run(name, func(t *testing.T) {
			w := world.New(t)
			test.prepare(w)
			before := w.Names()
			got, err := locationOf(w, "new").Open(t.Context(), test.known)
			if got != test.want || !errors.Is(err, test.err) || (err == nil) != (test.err == nil) {
				t.Errorf("got %q and %v, want %q and %v", got, err, test.want, test.err)
			}
			if diff := cmp.Diff(before, w.Names()); test.want != "new" && diff != "" {
				t.Errorf("the place was changed: %s", diff)
			}
			if test.err == nil {
				if again, err := locationOf(w, "other").Open(t.Context(), got); err != nil || again != got {
					t.Errorf("opened again: %q and %v", again, err)
				}
			}
		})
	}
}

// TestRaceOfTwo lets another one make the place its location before each call of the first one: both must believe in the
// same location, the one that the marker names.
func TestRaceOfTwo(t *testing.T) {
	for _, more := range []string{"", "clusters/of/others"} {
		for late := range 3 { // Reading the marker, listing, creating the marker.
			t.Run(fmt.Sprintf("call %d %s", late, more), func(t *testing.T) {
				w := world.New(t)
				marker, err := archive.EncodeMarker(archive.Marker{LocationID: "other", Created: w.Clock.Now()})
				if err != nil {
					t.Fatal(err)
				}
				w.Driver.Before = func(number int, _, _ string) error {
					if number == late {
						w.Put(archive.MarkerName, string(marker))
						if more != "" {
							w.Put(more, "x")
						}
					}
					return nil
				}
				if got, err := locationOf(w, "mine").Open(t.Context(), ""); err != nil || got != "other" {
					t.Errorf("got %q and %v", got, err)
				}
				if diff := cmp.Diff(string(marker), string(w.Content(archive.MarkerName))); diff != "" {
					t.Errorf("the marker of the other one was written over: %s", diff)
				}
			})
		}
	}
}

func TestOwner(t *testing.T) {
	cases := map[string]struct {
		written    string
		remembered []string
		err        error
	}{
		"nobody":                   {"", []string{"a"}, nil},
		"nobody, nothing known":    {"", nil, nil},
		"this one":                 {"a", []string{"a", ""}, nil},
		"this one, just taking":    {"b", []string{"a", "b"}, nil},
		"another one":              {"c", []string{"a", "b"}, enginelocation.ErrNotOwner},
		"another one, none known":  {"c", []string{"", ""}, enginelocation.ErrNotOwner},
		"another one, none at all": {"c", nil, enginelocation.ErrNotOwner},
	}
	for name, test := range cases {
		t.Run(name, func(t *testing.T) {
			w := world.New(t)
			location := locationOf(w, "x")
			if test.written != "" {
				for _, nonce := range []string{"before", test.written} {
					if err := location.TakeOwner(t.Context(), world.ClusterID, nonce); err != nil {
						t.Fatal(err)
					}
				}
			}
			if err := location.CheckOwner(t.Context(), world.ClusterID, test.remembered...); !errors.Is(err, test.err) || (err == nil) != (test.err == nil) {
				t.Errorf("got %v, want %v", err, test.err)
			}
			if err := location.CheckOwner(t.Context(), "another-cluster"); err != nil {
				t.Errorf("the part of another cluster: %v", err)
			}
		})
	}
	t.Run("broken", func(t *testing.T) {
		w := world.New(t)
		w.Put(archive.OwnerName(world.ClusterID), "{}")
		if err := locationOf(w, "x").CheckOwner(t.Context(), world.ClusterID, "a"); !errors.Is(err, core.ErrCorrupt) {
			t.Errorf("got %v", err)
		}
	})
}

// TestSurvey: what lies there of which cluster is told by the store's own times, and nothing of it is read.
func TestSurvey(t *testing.T) {
	w := world.New(t)
	id := archive.BackupID{ClusterID: world.ClusterID, Name: "nightly", UID: "a-uid"}
	for _, name := range []string{
		archive.MarkerName, archive.OwnerName(world.ClusterID), id.ManifestName(), id.IndexName(), "clusters/no id!/owner.json", archive.OwnerName("b"),
	} {
		w.Put(name, "x")
	}
	found, err := enginelocation.Survey(t.Context(), w.Files)
	if err != nil || len(found.Parts) != 2 || len(found.Backups) != 1 || found.Backups[0] != id {
		t.Fatalf("found %+v (%v)", found, err)
	}
	alone, err := enginelocation.PartOf(t.Context(), w.Files, world.ClusterID)
	for _, part := range found.Parts {
		if part.ClusterID == world.ClusterID && (err != nil || part != alone || part.Files != 3 || part.Backups != 1 || part.Owner.IsZero() || part.Newest.IsZero() ||
			part.NewestBackup.IsZero()) {
			t.Errorf("found %+v, and alone %+v (%v)", part, alone, err)
		}
	}
	if none, err := enginelocation.PartOf(t.Context(), w.Files, "nobody"); err != nil || none.Files != 0 {
		t.Errorf("of nobody: %+v (%v)", none, err)
	}
}

// TestInherit: an owner file that another cluster wrote says so, to the one whose part it is.
func TestInherit(t *testing.T) {
	w := world.New(t)
	location := locationOf(w, "x")
	if err := location.Inherit(t.Context(), world.ClusterID, "nonce", "heir-of-it"); err != nil {
		t.Fatal(err)
	}
	if owner, there, err := location.OwnerOf(t.Context(), world.ClusterID); err != nil || !there || owner.Heir != "heir-of-it" || owner.Nonce != "nonce" {
		t.Errorf("it says %+v, %t (%v)", owner, there, err)
	}
	if err := location.CheckOwner(t.Context(), world.ClusterID, "nonce"); err != nil {
		t.Errorf("to the heir: %v", err)
	}
	if err := location.CheckOwner(t.Context(), world.ClusterID, "mine"); !errors.Is(err, enginelocation.ErrNotOwner) || !strings.Contains(err.Error(), "heir-of-it") {
		t.Errorf("to the one whose part it is: %v", err)
	}
}

// TestClaim: what this process wrote is told from what another manager of the cluster wrote, and that from what somebody else did.
func TestClaim(t *testing.T) {
	for name, test := range map[string]struct {
		written, own string
		err          error
	}{
		"this process":                      {"own", "own", nil},
		"another manager":                   {"successor", "own", enginelocation.ErrNotClaimed},
		"another manager, this one not yet": {"successor", "", enginelocation.ErrNotClaimed},
		"nobody":                            {"", "own", enginelocation.ErrNotClaimed},
		"nobody yet":                        {"", "", enginelocation.ErrNotClaimed},
		"somebody else":                     {"stranger", "own", enginelocation.ErrNotOwner},
		"somebody else, this one not yet":   {"stranger", "", enginelocation.ErrNotOwner},
	} {
		t.Run(name, func(t *testing.T) {
			at := locationOf(world.New(t), "x")
			if test.written != "" {
				if err := at.TakeOwner(t.Context(), world.ClusterID, test.written); err != nil {
					t.Fatal(err)
				}
			}
			err := at.CheckClaim(t.Context(), world.ClusterID, test.own, "successor", "")
			if !errors.Is(err, test.err) || (err == nil) != (test.err == nil) {
				t.Errorf("got %v, want %v", err, test.err)
			}
			if errors.Is(err, core.ErrNotFound) != (test.written == "") {
				t.Errorf("%v does not say whether nobody has claimed it ever", err)
			}
			if errors.Is(err, enginelocation.ErrNotClaimed) != errors.Is(err, core.ErrUnavailable) {
				t.Errorf("%v does not pass by itself", err)
			}
		})
	}
}
