package leaks_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// TestClaimsWithoutTheirData restores claims of a backup of objects alone: beside the originals each gets a volume of its own; in
// their place the one whose volume was retained gets that again, and the other, whose volume went with it, a new one.
func TestClaimsWithoutTheirData(t *testing.T) {
	w := newWorld(t)
	w.make(w.kahu("backuplocations"), `{"apiVersion":"kahu.io/v1beta1","kind":"BackupLocation","metadata":{"name":"third"},
		"spec":{"providerName":"filesystem"}}`)
	w.claims("bare", "deleted", "retained")
	before := map[string]string{}
	for _, name := range []string{"deleted", "retained"} {
		before[name] = w.volumeOf("bare", name)
	}
	w.policy(before["retained"], "Retain")
	w.make(w.kahu("backups"), `{"apiVersion":"kahu.io/v1beta1","kind":"Backup","metadata":{"name":"objects"},
		"spec":{"metadataLocation":"third","enableVolumeBackup":false,"deletionPolicy":"Delete","includeNamespaces":["bare"]}}`)
	w.field(w.kahu("backups"), "objects", "Completed", "status", "state")

	w.restore("beside-bare", `,"namespaceMapping":{"bare":"beside"}`)
	w.warns("beside-bare", "beside/deleted", "beside/retained")
	for name, original := range before {
		if got := w.volumeOf("beside", name); got == original {
			t.Errorf("%s has the volume of the original", name)
		}
	}

	w.make(w.kahu("restores"), `{"apiVersion":"kahu.io/v1beta1","kind":"Restore","metadata":{"name":"no-class"},
		"spec":{"backupName":"objects","metadataLocation":"third","namespaceMapping":{"bare":"never"},"storageClassMapping":{"shared":"nowhere"}}}`)
	w.field(w.kahu("restores"), "no-class", "Failed", "status", "state")
	found, err := w.kahu("restores").Get(t.Context(), "no-class", metav1.GetOptions{})
	if err != nil || !w.says(found, "InvalidTransform") || !strings.Contains(fmt.Sprint(found.Object["status"]), "spec.storageClassMapping[shared]") {
		t.Errorf("%v, %v", found, err)
	}

	w.remove(w.of("", "v1", "namespaces", ""), "bare")
	w.field(w.of("", "v1", "persistentvolumes", ""), before["retained"], "Released", "status", "phase")
	w.restore("in-place", "")
	w.warns("in-place", "bare/deleted", "bare/retained")
	if got := w.volumeOf("bare", "retained"); got != before["retained"] {
		t.Errorf("the volume that was retained is %s, and the claim has %s", before["retained"], got)
	}
	if got := w.volumeOf("bare", "deleted"); got == before["deleted"] {
		t.Errorf("the claim has %s, which went with the one before", got)
	}

	w.policy(before["retained"], "Delete")
	for _, name := range []string{"bare", "beside"} {
		w.remove(w.of("", "v1", "namespaces", ""), name)
	}
}

// restore restores the backup of the objects.
func (w *world) restore(name, more string) {
	w.Helper()
	w.make(w.kahu("restores"), `{"apiVersion":"kahu.io/v1beta1","kind":"Restore","metadata":{"name":"`+name+`"},
		"spec":{"backupName":"objects","metadataLocation":"third"`+more+`}}`)
	w.field(w.kahu("restores"), name, "Completed", "status", "state")
}

// warns waits for a warning of a restore about each claim.
func (w *world) warns(restore string, claims ...string) {
	w.Helper()
	found, err := w.kahu("restores").Get(w.Context(), restore, metav1.GetOptions{})
	if err != nil {
		w.Fatal(err)
	}
	text := fmt.Sprint(found.Object["status"])
	for _, claim := range claims {
		if !strings.Contains(text, "PersistentVolumeClaim "+claim+": its data is not in the backup") {
			w.Errorf("nothing is said of %s: %s", claim, text)
		}
	}
}

// volumeOf returns the volume to which a claim is bound.
func (w *world) volumeOf(namespace, claim string) string {
	w.Helper()
	claims, volume := w.of("", "v1", "persistentvolumeclaims", namespace), ""
	w.until(namespace+"/"+claim+" is bound", func(ctx context.Context) error {
		found, err := claims.Get(ctx, claim, metav1.GetOptions{})
		if err != nil {
			return err
		}
		if phase := w.text(found, "status", "phase"); phase != "Bound" {
			return fmt.Errorf("it is %s: %v", phase, found.Object["spec"])
		}
		volume = w.text(found, "spec", "volumeName")
		return nil
	})
	return volume
}

// policy sets what becomes of a volume when its claim is deleted.
func (w *world) policy(volume, policy string) {
	w.Helper()
	patch := []byte(`{"spec":{"persistentVolumeReclaimPolicy":"` + policy + `"}}`)
	_, err := w.of("", "v1", "persistentvolumes", "").Patch(w.Context(), volume, types.MergePatchType, patch, metav1.PatchOptions{})
	if err != nil {
		w.Fatal(err)
	}
}
