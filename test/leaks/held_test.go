package leaks_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// podTime is for how long a restore waits for the first pods of claims.
const podTime = 2 * time.Minute

// TestDeletedRestoreKeepsWhatItsClaimsNeed: a Restore that is over, and whose claim waits for a pod, is deleted. What the volume
// is made from stays until the claim is gone, and then goes with the Restore.
func TestDeletedRestoreKeepsWhatItsClaimsNeed(t *testing.T) {
	w := newWorld(t)
	w.make(w.kahu("backuplocations"), `{"apiVersion":"kahu.io/v1beta1","kind":"BackupLocation","metadata":{"name":"second"},
		"spec":{"providerName":"filesystem"}}`)
	w.field(w.kahu("providers"), "csi", "Available", "status", "state")
	w.claims("store", "cash")
	w.make(w.kahu("backups"), `{"apiVersion":"kahu.io/v1beta1","kind":"Backup","metadata":{"name":"held"},
		"spec":{"metadataLocation":"second","deletionPolicy":"Delete","includeNamespaces":["store"]}}`)
	w.field(w.kahu("backups"), "held", "Completed", "status", "state")
	before, err := w.count(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	w.make(w.kahu("restores"), `{"apiVersion":"kahu.io/v1beta1","kind":"Restore","metadata":{"name":"held"},
		"spec":{"backupName":"held","metadataLocation":"second","namespaceMapping":{"store":"later"},"storageClassMapping":{"shared":"shared-wait"}}}`)
	w.field(w.kahu("restores"), "held", "Volumes", "status", "stage")
	w.untilWithin(podTime+limit, "the restore is over", func(ctx context.Context) error {
		found, err := w.kahu("restores").Get(ctx, "held", metav1.GetOptions{})
		if err == nil && w.text(found, "status", "stage") != "Finished" {
			err = fmt.Errorf("it is %v", found.Object["status"])
		}
		return err
	})
	w.field(w.kahu("restores"), "held", "Completed", "status", "state")
	if err := w.kahu("restores").Delete(t.Context(), "held", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	w.until("the deletion waits", func(ctx context.Context) error {
		found, err := w.kahu("restores").Get(ctx, "held", metav1.GetOptions{})
		if err == nil && !w.says(found, "VolumesWaiting") {
			err = fmt.Errorf("it says %v", found.Object["status"])
		}
		return err
	})
	list, err := w.of("snapshot.storage.k8s.io", "v1", "volumesnapshots", "later").List(t.Context(), metav1.ListOptions{})
	if err != nil || len(list.Items) != 1 {
		t.Fatalf("what the volume is made from: %v, %v", list, err)
	}
	w.remove(w.of("", "v1", "persistentvolumeclaims", "later"), "cash")
	w.until("the Restore is gone", func(ctx context.Context) error {
		if _, err := w.kahu("restores").Get(ctx, "held", metav1.GetOptions{}); err == nil {
			return fmt.Errorf("it is there")
		}
		return nil
	})
	w.remove(w.of("", "v1", "namespaces", ""), "later")
	w.as(before)
}

func (*world) text(of *unstructured.Unstructured, path ...string) string {
	found, _, _ := unstructured.NestedString(of.Object, path...) // One of another type is none.
	return found
}

// says tells whether the condition Ready has a reason.
func (*world) says(of *unstructured.Unstructured, reason string) bool {
	conditions, _, _ := unstructured.NestedSlice(of.Object, "status", "conditions") // One of another type is none.
	for _, each := range conditions {
		if condition, is := each.(map[string]any); is && condition["type"] == "Ready" && condition["reason"] == reason {
			return true
		}
	}
	return false
}
