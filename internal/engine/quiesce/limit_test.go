package quiesce_test

import (
	"context"
	"strings"
	"testing"
	"time"
)

// TestWhoseTimeIsUp: whoever cuts volumes can say that it is the quiet time that was over.
func TestWhoseTimeIsUp(t *testing.T) {
	t.Parallel()
	s := newStage(t, "db")
	request := s.request()
	request.Limit = 50 * time.Millisecond
	var cause error
	_, _ = s.around(t.Context(), t, request, func(ctx context.Context) error {
		<-ctx.Done()
		cause = context.Cause(ctx)
		return ctx.Err()
	})
	if cause == nil || !strings.Contains(cause.Error(), "the 50ms of spec.hook.quiesceTimeout were over") {
		t.Errorf("the cut ended with %v", cause)
	}
}
