package cli

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
)

// TestHeldDeletion: what holds a deletion is shown when it changes, and again when the time for waiting ran out.
func TestHeldDeletion(t *testing.T) {
	var said strings.Builder
	held := &awaitedEnd{session: &session{Options: Options{Err: &said}}, word: "restore", name: "back"}
	restore := &kahuv1.Restore{}
	see := func(message string) {
		t.Helper()
		meta.SetStatusCondition(&restore.Status.Conditions, metav1.Condition{
			Type: kahuv1.ConditionReady, Status: metav1.ConditionFalse, Reason: kahuv1.ReasonVolumesWaiting, Message: message,
		})
		if over, err := held.see(restore); over || err != nil {
			t.Error(over, err)
		}
	}
	see("not yet deleted")
	restore.DeletionTimestamp = &metav1.Time{Time: time.Unix(1, 0)}
	see("a and b")
	see("a and b")
	see("b")
	if want := "restore back: VolumesWaiting: a and b\nrestore back: VolumesWaiting: b\n"; said.String() != want {
		t.Errorf("it says %q", said.String())
	}
	if err := held.end(ErrTimeout); !errors.Is(err, ErrTimeout) || !strings.Contains(err.Error(), "VolumesWaiting: b") {
		t.Error(err)
	}
	if err := held.end(fmt.Errorf("back: %w", errGone)); err != nil {
		t.Error(err)
	}
}
