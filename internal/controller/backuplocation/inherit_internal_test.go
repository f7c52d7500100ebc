package backuplocation

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clocktesting "k8s.io/utils/clock/testing"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	"github.com/soda-cdm/kahu/internal/controller/place"
)

// TestNotBefore: a part that was written to just now is not listed again and again, unless a person wishes something else.
func TestNotBefore(t *testing.T) {
	t.Parallel()
	clock := clocktesting.NewFakeClock(time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC))
	c := &Controller{Clock: clock, waits: map[string]waits{}}
	location := &kahuv1.BackupLocation{ObjectMeta: metav1.ObjectMeta{Generation: 1}}
	s, row := &scope{location: location}, &kahuv1.InheritedCluster{ClusterID: "a", Reason: kahuv1.ReasonWrittenRecently}
	if left := c.notBefore(s, row); left > 0 {
		t.Errorf("before the first look it waits for %s", left)
	}
	c.putOff(s, row, time.Hour)
	clock.Step(time.Minute)
	if left := c.notBefore(s, row); left != 59*time.Minute {
		t.Errorf("it waits for %s", left)
	}
	if left := c.notBefore(s, &kahuv1.InheritedCluster{ClusterID: "b", Reason: kahuv1.ReasonWrittenRecently}); left > 0 {
		t.Errorf("another part waits for %s", left)
	}
	location.Annotations = map[string]string{kahuv1.AnnotationTakeOwnership: place.Decision(location, "a")}
	if left := c.notBefore(s, row); left > 0 {
		t.Errorf("after a decision it waits for %s", left)
	}
	location.Annotations = nil
	location.Generation++
	if left := c.notBefore(s, row); left > 0 {
		t.Errorf("after a change it waits for %s", left)
	}
	location.Generation--
	clock.Step(time.Hour)
	if left := c.notBefore(s, row); left > 0 {
		t.Errorf("when it is time it waits for %s", left)
	}
}

func TestInWords(t *testing.T) {
	t.Parallel()
	for duration, want := range map[time.Duration]string{
		3 * time.Hour: "3h", 10 * time.Minute: "10m", 90 * time.Minute: "1h30m", 100 * time.Minute: "1h40m", 20 * time.Second: "20s",
		time.Hour + time.Second: "1h0m1s", 10 * time.Hour: "10h", 0: "0s",
	} {
		if got := inWords(duration); got != want {
			t.Errorf("%s is %q", duration, got)
		}
	}
}
