package failure_test

import (
	"fmt"
	"strings"
	"testing"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	"github.com/soda-cdm/kahu/internal/controller/failure"
	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/engine/quiesce"
	"github.com/soda-cdm/kahu/internal/engine/restore"
)

// TestWhoIsAway: what a run waits for in vain is named by its reason.
func TestWhoIsAway(t *testing.T) {
	for name, test := range map[string]struct {
		err  error
		want string
	}{
		"the provider of volumes": {&restore.VolumesAwayError{Provider: "disks", Number: 2, Why: "it sleeps"}, kahuv1.ReasonProviderUnavailable},
		"the location":            {core.ErrUnavailable, kahuv1.ReasonLocationUnreachable},
	} {
		t.Run(name, func(t *testing.T) {
			for _, found := range []failure.Failure{
				failure.Of(fmt.Errorf("looking for the data of volumes: %w", test.err)), failure.OfReading(test.err),
			} {
				if found.Reason != test.want || !strings.Contains(found.Message, test.err.Error()) {
					t.Errorf("%+v", found)
				}
			}
		})
	}
}

// TestHookThatFailed: what failed is the hook, and not the step in which it ran: a cut that it follows is well.
func TestHookThatFailed(t *testing.T) {
	hooked := &quiesce.FailedError{Reason: kahuv1.ReasonHookFailed, Message: "PostHook in Pod shop/db: exit code 1"}
	if found := failure.Of(fmt.Errorf("cutting volumes: %w", hooked)); found.Reason != hooked.Reason || found.Message != hooked.Message {
		t.Errorf("%+v", found)
	}
}
