package volume_test

import (
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	"github.com/soda-cdm/kahu/internal/core/leftover"
	"github.com/soda-cdm/kahu/internal/core/volumework"
	"github.com/soda-cdm/kahu/internal/volume"
)

// TestLeftovers finds all that bears the UID of a backup which nobody knows, on whatever page it is, and what it says of that.
func TestLeftovers(t *testing.T) {
	w := newWorld(t, volume.Options{Page: 2})
	w.run.LocationID = "home"
	w.provider("keeper-of-leftovers")
	w.class("leftovers")
	decisions := w.plan(w.claim("b"), w.claim("a"), w.claim("c"))
	w.serve()
	if failed, err := w.volumes.Cut(t.Context(), w.run, volumework.Moment{Attempt: "first"}, decisions); err != nil || len(failed) > 0 {
		t.Fatalf("cutting: %v, %v", failed, err)
	}
	w.provide(kahuv1.VolumePhaseCompleted)
	if _, err := w.volumes.BackUp(t.Context(), w.run, decisions, func(volumework.Progress) {}); err != nil {
		t.Fatal(err)
	}
	for i := range 5 {
		order := w.orders(t.Context())[0].DeepCopy()
		order.ObjectMeta = metav1.ObjectMeta{Name: "strange-" + strconv.Itoa(i), Labels: map[string]string{kahuv1.BackupUIDLabel: "uid-of-strange"}}
		order.Spec.BackupUID = "uid-of-strange"
		w.create(order)
	}
	w.create(&corev1.PersistentVolumeClaim{ // Somebody has copied what they found, with its labels.
		ObjectMeta: metav1.ObjectMeta{
			Namespace: w.namespace, Name: "copied", Labels: map[string]string{kahuv1.BackupUIDLabel: "uid-of-copied"},
		},
		Spec: corev1.PersistentVolumeClaimSpec{
			AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce},
			Resources:   corev1.VolumeResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("1Gi")}},
		},
	})
	all, err := w.volumes.Leftovers(t.Context(), func(string) bool { return false })
	if err != nil {
		t.Fatal(err)
	}
	ours := slices.DeleteFunc(slices.Clone(all), func(trace leftover.Trace) bool {
		return trace.UID != w.run.UID && !strings.HasPrefix(trace.UID, "uid-of-")
	})
	for i := range ours {
		if ours[i].Youngest.IsZero() || ours[i].Example.Kind != "VolumeBackupContent" || ours[i].Example.UID == "" {
			t.Errorf("%+v", ours[i])
		}
		ours[i] = leftover.Trace{Name: ours[i].Name, UID: ours[i].UID, LocationID: ours[i].LocationID}
	}
	want := []leftover.Trace{{UID: "uid-of-strange"}, {Name: w.run.Name, UID: w.run.UID, LocationID: "home"}}
	if diff := cmp.Diff(want, ours); diff != "" {
		t.Errorf("found is (-want +got):\n%s", diff)
	}
	known, err := w.volumes.Leftovers(t.Context(), func(uid string) bool { return uid == w.run.UID })
	if err != nil || slices.ContainsFunc(known, func(trace leftover.Trace) bool { return trace.UID == w.run.UID }) {
		t.Errorf("what is known is left: %v: %v", known, err)
	}
}
