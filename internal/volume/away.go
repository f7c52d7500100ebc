package volume

import (
	"context"
	"fmt"
	"time"

	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	"github.com/soda-cdm/kahu/internal/core/volumeplan"
)

// rounds is how often within the patience it is asked for how long a provider has been away.
const rounds = 4

// watchProviders gives up the orders of providers that are away for too long.
func (w *backingUp) watchProviders(ctx context.Context, over func() bool) error {
	var names []string
	w.mu.Lock()
	for _, outcome := range w.outcomes {
		names = append(names, outcome.Decision.Provider)
	}
	w.mu.Unlock()
	watched := newAbsences(w.clock, names...)
	for !over() {
		round, cancel := context.WithTimeout(ctx, w.options.Patience/rounds)
		err := w.follow(round, follower{list: func() client.ObjectList { return &kahuv1.ProviderList{} }, over: over, look: watched.look})
		cancel()
		if err == nil || ctx.Err() != nil {
			return ctx.Err()
		}
		for name, since := range watched.away {
			if w.clock.Since(since) >= w.options.Patience {
				w.abandon(name)
			}
		}
	}
	return nil
}

// absences remember since when providers are away.
type absences struct {
	clock clock.PassiveClock
	away  map[string]time.Time
}

// newAbsences takes providers for away until they are seen: of one whose object is gone nothing else will ever tell.
func newAbsences(passing clock.PassiveClock, providers ...string) *absences {
	made := &absences{clock: passing, away: map[string]time.Time{}}
	for _, name := range providers {
		made.away[name] = passing.Now()
	}
	return made
}

func (a *absences) look(_ context.Context, object client.Object, gone bool) error {
	provider, is := object.(*kahuv1.Provider)
	switch {
	case !is:
	case !gone && provider.Status.State == kahuv1.ProviderStateAvailable:
		delete(a.away, provider.Name)
	case a.away[provider.Name].IsZero():
		a.away[provider.Name] = a.clock.Now()
	}
	return nil
}

// abandon gives up what a provider has not finished.
func (w *backingUp) abandon(provider string) {
	w.mu.Lock()
	var left []*volumeplan.Decision
	for name, outcome := range w.outcomes {
		if outcome.Decision.Provider == provider && (w.states[name] == nil || !w.states[name].over) {
			left = append(left, &outcome.Decision)
		}
	}
	w.mu.Unlock()
	for _, decision := range left {
		w.fail(decision, ReasonOrderFailed, fmt.Errorf("provider %s gave no sign of life for %s", provider, w.options.Patience))
	}
}
