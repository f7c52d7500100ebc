package reconcile

import (
	"context"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// readAttempts is how often Patient reads at most; with its pauses it takes about three seconds.
const readAttempts = 6

// Patient is a reader for a run that would be lost with one reading: what an API server refuses or breaks off is read
// again a few times. Lists are those of the reader behind.
type Patient struct {
	client.Reader

	// Clock measures the pauses.
	Clock clock.Clock
}

// Get reads an object. That it is not there, or that nobody may read it, is an answer.
func (p *Patient) Get(ctx context.Context, key types.NamespacedName, object client.Object, options ...client.GetOption) error {
	for attempt, pause := 1, 2*shortest; ; attempt, pause = attempt+1, 2*pause {
		err := p.Reader.Get(ctx, key, object, options...)
		final := err == nil || apierrors.IsNotFound(err) || apierrors.IsForbidden(err) || apierrors.IsUnauthorized(err)
		if final || attempt == readAttempts {
			return err
		}
		timer := p.Clock.NewTimer(pause)
		select {
		case <-timer.C():
		case <-ctx.Done():
			timer.Stop()
			return err
		}
	}
}
