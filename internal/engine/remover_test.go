package engine_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/soda-cdm/kahu/internal/engine"
)

// slowRemover takes its time for each file.
type slowRemover struct {
	removed []string
	takes   time.Duration
}

func (s *slowRemover) Remove(ctx context.Context, name string) error {
	timer := time.NewTimer(s.takes)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		s.removed = append(s.removed, name)
		return nil
	}
}

// TestRemover: nothing is removed later than a window after the last question, however slow the store is, and what did not fit
// into one is removed in the next.
func TestRemover(t *testing.T) {
	t.Parallel()
	var names []string
	for number := range 250 {
		names = append(names, fmt.Sprint(number))
	}
	for name, test := range map[string]struct {
		takes     time.Duration
		questions int
		err       error
	}{
		"a quick store":                      {0, 3, nil},
		"a slow one":                         {time.Second, 28, nil}, // The tenth file of a window ends with it.
		"one that removes nothing in a time": {time.Minute, 6, context.DeadlineExceeded},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				files, questions := &slowRemover{takes: test.takes}, 0
				remover := &engine.Remover{Files: files, Owned: func(context.Context) error { questions++; return nil }}
				removed, err := remover.Remove(t.Context(), names)
				if !errors.Is(err, test.err) || removed != len(files.removed) || err == nil && removed != len(names) {
					t.Errorf("%d removed, in truth %d: %v", removed, len(files.removed), err)
				}
				if questions < test.questions-3 || questions > test.questions {
					t.Errorf("asked %d times, not %d", questions, test.questions)
				}
			})
		})
	}
}

// TestRemoverLosesThePlace: when the place is another's, nothing more is removed.
func TestRemoverLosesThePlace(t *testing.T) {
	t.Parallel()
	lost := errors.New("another manager leads")
	files, left := &slowRemover{}, 2
	remover := &engine.Remover{Files: files, Owned: func(context.Context) error {
		if left--; left < 0 {
			return lost
		}
		return nil
	}}
	names := make([]string, 250)
	if removed, err := remover.Remove(t.Context(), names); !errors.Is(err, lost) || removed != 200 || len(files.removed) != 200 {
		t.Errorf("%d removed: %v", removed, err)
	}
}
