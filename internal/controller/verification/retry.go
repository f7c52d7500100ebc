package verification

import (
	"errors"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	"github.com/soda-cdm/kahu/internal/controller/failure"
	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/archive"
	"github.com/soda-cdm/kahu/internal/reconcile"
)

const (
	// maxAttempts is how many readings the store may end early before the question is answered with Unknown.
	maxAttempts = 5
	// firstPause is the time between the first reading and the second; each further pause is twice as long.
	firstPause = 5 * time.Second
)

// isPassing tells whether a reading that ended with an error may come to its end at another time. The store has said so
// only of what it classed; of anything else nothing is known.
func isPassing(err error) bool {
	if err == nil {
		return false
	}
	if newer := (*archive.NewerFormatError)(nil); errors.As(err, &newer) {
		return false
	}
	for _, lasting := range []error{
		core.ErrNotFound, core.ErrCorrupt, core.ErrDenied, core.ErrInvalid, core.ErrUnsupported,
	} {
		if errors.Is(err, lasting) {
			return false
		}
	}
	return true
}

// retryLater puts on record that a reading ended early, and when the next one begins. The task is kept until then, so
// that a record which could not be written is made again.
func (c *Controller) retryLater(s *scope, err error) error {
	pause := firstPause << s.answer().Attempts
	s.answer().Attempts++
	s.answer().RetryTime = &metav1.Time{Time: c.Clock.Now().Add(pause)}
	reason := failure.OfReading(err).Reason
	message := fmt.Sprintf("Reading ended early, %d of %d times at most, and begins again in %s: %s",
		s.answer().Attempts, maxAttempts, pause, err.Error())
	s.say(metav1.ConditionUnknown, reason, message)
	return reconcile.Waiting(reason, message, pause)
}

// awaitRetry ends the pass until a reading that ended early is due again, and forgets it then.
func (c *Controller) awaitRetry(s *scope) error {
	due := s.answer().RetryTime
	if due == nil {
		return nil
	}
	if left := due.Sub(c.Clock.Now()); left > 0 {
		return reconcile.Waiting(kahuv1.ReasonPending, "the backup is read again", left)
	}
	c.Tasks.Forget(s.backup.UID) // One that goes on again already stays.
	return nil
}
