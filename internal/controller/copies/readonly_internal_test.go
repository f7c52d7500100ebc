package copies

import (
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	"github.com/soda-cdm/kahu/internal/controller/place"
	"github.com/soda-cdm/kahu/internal/core/archive"
)

// TestTargetBecameReadOnly: what was writable when the copy began is asked about anew, and the store is not.
func TestTargetBecameReadOnly(t *testing.T) {
	t.Parallel()
	scheme := runtime.NewScheme()
	if err := kahuv1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	known := &kahuv1.BackupLocation{ObjectMeta: metav1.ObjectMeta{Name: "offsite"}}
	now := known.DeepCopy()
	now.Spec.AccessMode = kahuv1.AccessReadOnly
	c := &Controller{
		Direct: fake.NewClientBuilder().WithScheme(scheme).WithObjects(now).Build(), Finder: &place.Finder{}, ClusterID: "this",
	}
	err := c.holdOf(known, nil, archive.BackupID{ClusterID: "this"})(t.Context())
	if err == nil || reasonOf(err) != kahuv1.ReasonLocationReadOnly {
		t.Errorf("got %v", err)
	}
}
