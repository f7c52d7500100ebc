package copies

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	"github.com/soda-cdm/kahu/internal/controller/place"
	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/archive"
	"github.com/soda-cdm/kahu/internal/core/copyplan"
	"github.com/soda-cdm/kahu/internal/testkit/fakeapi"
)

// TestTargetBecameReadOnly: what was writable when the copy began is asked about anew, and the store is not.
func TestTargetBecameReadOnly(t *testing.T) {
	t.Parallel()
	known := &kahuv1.BackupLocation{ObjectMeta: metav1.ObjectMeta{Name: "offsite"}}
	now := known.DeepCopy()
	now.Spec.AccessMode = kahuv1.AccessReadOnly
	c := &Controller{
		Direct: fakeapi.New(t).WithObjects(now).Build(), Finder: &place.Finder{}, ClusterID: "this",
	}
	err := c.holdOf(known, nil, archive.BackupID{ClusterID: "this"})(t.Context())
	if err == nil || reasonOf(err) != kahuv1.ReasonLocationReadOnly {
		t.Errorf("got %v", err)
	}
	// Nothing is tried again: it stays so until a person changes it.
	row := copyplan.Ended(copyplan.Row{Phase: copyplan.Running, Tries: 1}, final(err), reasonOf(err), time.Unix(1e9, 0))
	if row.Phase != copyplan.GivenUp || row.Reason != kahuv1.ReasonLocationReadOnly {
		t.Errorf("the row is %+v", row)
	}
	if other := final(core.ErrUnavailable); copyplan.IsLasting(other) || final(nil) != nil {
		t.Errorf("%v is final", other)
	}
}
