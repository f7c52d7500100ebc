package backuplocation_test

import (
	"encoding/json"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	"github.com/soda-cdm/kahu/internal/core/archive"
)

// copied makes a Backup whose copy at the location is at that state, of another cluster where there is an origin.
func (w *world) copied(t *testing.T, name string, state kahuv1.State, reason string, origin *kahuv1.BackupOrigin) {
	t.Helper()
	made := &kahuv1.Backup{
		ObjectMeta: metav1.ObjectMeta{Name: name, UID: types.UID("uid-" + name)},
		Spec:       kahuv1.BackupSpec{MetadataLocation: "elsewhere", Origin: origin, Copies: []kahuv1.BackupCopy{{Location: "main"}}},
	}
	if err := w.client.Create(t.Context(), made); err != nil {
		t.Fatal(err)
	}
	made.Status.Copies = []kahuv1.BackupCopyStatus{{Location: "main", State: state, Reason: reason}}
	if err := w.client.Status().Update(t.Context(), made); err != nil {
		t.Fatal(err)
	}
}

// putManifest puts the manifest of a backup of another cluster to the location, which is all of it that is looked at.
func (w *world) putManifest(t *testing.T) {
	t.Helper()
	file := func(name string) archive.File {
		return archive.File{Name: name, Size: 1, Digest: archive.DigestOf([]byte("x"))}
	}
	content, err := archive.EncodeManifest(archive.Manifest{
		LocationID: "elsewhere", ID: w.id, Attempt: "attempt", Started: noon, Completed: noon, Complete: true, Backup: json.RawMessage(`{}`),
		Intent: file(w.id.IntentName()), Index: file(w.id.IndexName()), Report: file(w.id.ReportName()),
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.files.Replace(t.Context(), w.id.ManifestName(), content); err != nil {
		t.Fatal(err)
	}
}

// TestCopiesThatAreGone: when the location is looked through, the rows of copies say which of them are not there any more, and
// which are back.
func TestCopiesThatAreGone(t *testing.T) {
	w := newWorld(t, itself)
	w.putManifest(t)
	here := &kahuv1.BackupOrigin{ClusterID: w.id.ClusterID, Name: w.id.Name, UID: w.id.UID}
	w.copied(t, "is-there", kahuv1.StateCompleted, kahuv1.ReasonCopied, here)
	w.copied(t, "is-back", kahuv1.StateFailed, kahuv1.ReasonCopyGone, here)
	w.copied(t, "is-gone", kahuv1.StateCompleted, kahuv1.ReasonCopied, nil)
	w.copied(t, "was-gone", kahuv1.StateFailed, kahuv1.ReasonCopyGone, nil)
	w.copied(t, "is-on-its-way", kahuv1.StateProcessing, "", nil)
	w.copied(t, "failed", kahuv1.StateFailed, kahuv1.ReasonCopyDiffers, here)
	w.passes(t, 2)
	for name, want := range map[string]struct {
		state  kahuv1.State
		reason string
	}{
		"is-there":      {kahuv1.StateCompleted, kahuv1.ReasonCopied},
		"is-back":       {kahuv1.StateCompleted, kahuv1.ReasonCopied},
		"is-gone":       {kahuv1.StateFailed, kahuv1.ReasonCopyGone},
		"was-gone":      {kahuv1.StateFailed, kahuv1.ReasonCopyGone},
		"is-on-its-way": {kahuv1.StateProcessing, ""},
		"failed":        {kahuv1.StateFailed, kahuv1.ReasonCopyDiffers},
	} {
		found := &kahuv1.Backup{}
		if err := w.client.Get(t.Context(), client.ObjectKey{Name: name}, found); err != nil {
			t.Fatal(err)
		}
		row := found.Status.Copies[0]
		if row.State != want.state || row.Reason != want.reason {
			t.Errorf("%s: %+v", name, row)
		}
		if name == "is-gone" && (row.Message == "" || row.Time == nil) {
			t.Errorf("nobody knows what to do: %+v", row)
		}
	}
}
