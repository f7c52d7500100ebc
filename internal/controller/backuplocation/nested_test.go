package backuplocation_test

import (
	"testing"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/archive"
	enginelocation "github.com/soda-cdm/kahu/internal/engine/location"
)

// forget makes the place of main an empty one that nobody has seen.
func (w *world) forget(t *testing.T) {
	t.Helper()
	var names []string
	if err := w.files.List(t.Context(), "", func(file core.FileInfo) error { names = append(names, file.Name); return nil }); err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if err := w.files.Remove(t.Context(), name); err != nil {
			t.Fatal(err)
		}
	}
	location := w.location(t)
	location.Status = kahuv1.BackupLocationStatus{}
	if err := w.client.Status().Update(t.Context(), location); err != nil {
		t.Fatal(err)
	}
	w.again()
}

// TestNestedPlaceIsRefused: no location is made in the place of another one, or around it. One that is a location already is
// used, and so is one whose place only looks alike.
func TestNestedPlaceIsRefused(t *testing.T) {
	for name, test := range map[string]struct {
		other   kahuv1.BackupLocationSpec
		id      string // under which the other one is known; empty for one that is not
		later   bool   // it was created after main
		marked  bool
		refused bool
	}{
		"a folder of it is one":        {other: kahuv1.BackupLocationSpec{ProviderName: "files", Config: map[string]string{"path": "a"}}, id: "other", refused: true},
		"later, and it was faster":     {other: kahuv1.BackupLocationSpec{ProviderName: "files", Config: map[string]string{"path": "a"}}, id: "other", later: true, refused: true},
		"both are new, that one older": {other: kahuv1.BackupLocationSpec{ProviderName: "files", Config: map[string]string{"path": "a"}}, refused: true},
		"both are new, this one older": {other: kahuv1.BackupLocationSpec{ProviderName: "files", Config: map[string]string{"path": "a"}}, later: true},
		"it is a location already":     {other: kahuv1.BackupLocationSpec{ProviderName: "files", Config: map[string]string{"path": "a"}}, id: "other", marked: true},
		"another provider":             {other: kahuv1.BackupLocationSpec{ProviderName: "others", Config: map[string]string{"path": "a"}}, id: "other"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, itself)
			w.forget(t)
			other := &kahuv1.BackupLocation{ObjectMeta: metav1.ObjectMeta{Name: "a-folder", UID: "another-uid"}, Spec: test.other}
			if test.later {
				other.Name = "the-folder" // Of two that are as old, the name decides.
			}
			if err := w.client.Create(t.Context(), other); err != nil {
				t.Fatal(err)
			}
			other.Status.LocationID = test.id
			if err := w.client.Status().Update(t.Context(), other); err != nil {
				t.Fatal(err)
			}
			if test.marked {
				marker, err := archive.EncodeMarker(archive.Marker{LocationID: "the-place", Created: noon})
				if err != nil {
					t.Fatal(err)
				}
				if err := w.files.Replace(t.Context(), archive.MarkerName, marker); err != nil {
					t.Fatal(err)
				}
			}
			w.passes(t, 3)
			location := w.location(t)
			stalled := meta.FindStatusCondition(location.Status.Conditions, kahuv1.ConditionStalled)
			isRefused := stalled != nil && stalled.Status == metav1.ConditionTrue && stalled.Reason == kahuv1.ReasonLocationNested
			if isRefused != test.refused || isRefused == (location.Status.LocationID != "") {
				t.Errorf("location %q, stalled %+v", location.Status.LocationID, stalled)
			}
			if id, err := (&enginelocation.Location{Files: w.files, ReadOnly: true}).Open(t.Context(), ""); (err != nil) != test.refused {
				t.Errorf("the marker is that of %q: %v", id, err)
			}
		})
	}
}
