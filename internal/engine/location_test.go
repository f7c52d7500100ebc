package engine_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/archive"
	"github.com/soda-cdm/kahu/internal/engine"
	"github.com/soda-cdm/kahu/provider"
)

func (w *world) location(newID string) *engine.Location {
	return &engine.Location{Files: w.files, Clock: w.clock, NewID: func() string { return newID }}
}

func TestOpen(t *testing.T) {
	marked := func(w *world) {
		if _, err := w.location("first").Open(w.t.Context(), ""); err != nil {
			w.t.Fatal(err)
		}
	}
	cases := map[string]struct {
		prepare func(w *world)
		known   string
		want    string
		err     error
	}{
		"empty":                     {func(*world) {}, "", "new", nil},
		"empty, cannot list":        {func(w *world) { w.driver.unlisted = true }, "", "new", nil},
		"marked, not known":         {marked, "", "first", nil},
		"marked and known":          {marked, "first", "first", nil},
		"marked, another one known": {marked, "second", "", engine.ErrMarkerMismatch},
		"empty, known":              {func(*world) {}, "first", "", engine.ErrMarkerMissing},
		"not empty":                 {func(w *world) { w.put("holiday.jpg", "x") }, "", "", engine.ErrNotEmpty},
		"not empty, known":          {func(w *world) { w.put("holiday.jpg", "x") }, "first", "", engine.ErrMarkerMissing},
		"a broken marker":           {func(w *world) { w.put(archive.MarkerName, "{") }, "", "", core.ErrCorrupt},
		"an endless marker": {
			func(w *world) { w.put(archive.MarkerName, string(make([]byte, archive.MaxSmallFileSize+1))) }, "", "", core.ErrCorrupt,
		},
		"away": {
			func(w *world) {
				w.driver.before = func(int, string, string) error { return provider.ErrUnavailable }
			}, "first", "", core.ErrUnavailable,
		},
	}
	for name, test := range cases {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			test.prepare(w)
			before := w.names()
			got, err := w.location("new").Open(t.Context(), test.known)
			if got != test.want || !errors.Is(err, test.err) || (err == nil) != (test.err == nil) {
				t.Errorf("got %q and %v, want %q and %v", got, err, test.want, test.err)
			}
			if diff := cmp.Diff(before, w.names()); test.want != "new" && diff != "" {
				t.Errorf("the place was changed: %s", diff)
			}
			if test.err == nil {
				if again, err := w.location("other").Open(t.Context(), got); err != nil || again != got {
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
				w := newWorld(t)
				marker, err := archive.EncodeMarker(archive.Marker{LocationID: "other", Created: w.clock.Now()})
				if err != nil {
					t.Fatal(err)
				}
				w.driver.before = func(number int, _, _ string) error {
					if number == late {
						w.put(archive.MarkerName, string(marker))
						if more != "" {
							w.put(more, "x")
						}
					}
					return nil
				}
				if got, err := w.location("mine").Open(t.Context(), ""); err != nil || got != "other" {
					t.Errorf("got %q and %v", got, err)
				}
				if diff := cmp.Diff(string(marker), string(w.content(archive.MarkerName))); diff != "" {
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
		"another one":              {"c", []string{"a", "b"}, engine.ErrNotOwner},
		"another one, none known":  {"c", []string{"", ""}, engine.ErrNotOwner},
		"another one, none at all": {"c", nil, engine.ErrNotOwner},
	}
	for name, test := range cases {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			location := w.location("x")
			if test.written != "" {
				for _, nonce := range []string{"before", test.written} {
					if err := location.TakeOwner(t.Context(), clusterID, nonce); err != nil {
						t.Fatal(err)
					}
				}
			}
			if err := location.CheckOwner(t.Context(), clusterID, test.remembered...); !errors.Is(err, test.err) || (err == nil) != (test.err == nil) {
				t.Errorf("got %v, want %v", err, test.err)
			}
			if err := location.CheckOwner(t.Context(), "another-cluster"); err != nil {
				t.Errorf("the part of another cluster: %v", err)
			}
		})
	}
	t.Run("broken", func(t *testing.T) {
		w := newWorld(t)
		w.put(archive.OwnerName(clusterID), "{}")
		if err := w.location("x").CheckOwner(t.Context(), clusterID, "a"); !errors.Is(err, core.ErrCorrupt) {
			t.Errorf("got %v", err)
		}
	})
}
