package place

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// TestSharing: who removes and who counts on what is there are never at work at once, several of one sort are, and each sort
// gets its turn while the other one keeps coming.
func TestSharing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &sharing{}
		first, err := s.use(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		second, err := s.use(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if _, ok := s.remove(); ok {
			t.Fatal("something is removed that others count on")
		}
		late := make(chan func(), 1)
		go func() {
			leave, _ := s.use(t.Context())
			late <- leave
		}()
		first()
		first() // Nobody leaves twice.
		second()
		synctest.Wait()
		if len(late) > 0 {
			t.Error("another user did not let the remover go first")
		}
		done, ok := s.remove()
		if !ok {
			t.Fatal("nobody counts on what is there, and nothing can be removed")
		}
		also, ok := s.remove()
		if !ok {
			t.Error("only one at a time may remove")
		}
		also()
		synctest.Wait()
		if len(late) > 0 {
			t.Error("somebody counts on what is being removed")
		}
		done()
		synctest.Wait()
		if len(late) != 1 {
			t.Fatal("the user is not let in")
		}
		(<-late)()
	})
}

// TestSharingWithSomebodyWhoGaveUp: who was sent away and does not come again holds nobody up for long.
func TestSharingWithSomebodyWhoGaveUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &sharing{}
		leave, err := s.use(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		s.remove()
		leave()
		began := time.Now() //nolint:forbidigo // It is the bubble's.
		leave, err = s.use(t.Context())
		if took := time.Since(began); err != nil || took != politeTime { //nolint:forbidigo // It is the bubble's.
			t.Errorf("after %s: %v", took, err)
		}
		leave()
		if _, ok := s.remove(); !ok {
			t.Error("a place was kept")
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		if _, err := s.use(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
	})
}
