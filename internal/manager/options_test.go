package manager_test

import (
	"strings"
	"testing"
	"time"

	"github.com/soda-cdm/kahu/internal/manager"
)

func TestValidateTimesOfLeaderElection(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		lease, renew, retry time.Duration
		wrong               string
	}{
		"Defaults":    {manager.DefaultLeaseDuration, manager.DefaultRenewDeadline, manager.DefaultRetryPeriod, ""},
		"Short":       {time.Second, 500 * time.Millisecond, 100 * time.Millisecond, ""},
		"NoRetry":     {15 * time.Second, 10 * time.Second, 0, "retry-period"},
		"LateRetry":   {15 * time.Second, 2 * time.Second, 2 * time.Second, "renew-deadline"},
		"NoSlack":     {10 * time.Second, 10 * time.Second, 2 * time.Second, "lease-duration"},
		"UnderSecond": {900 * time.Millisecond, 500 * time.Millisecond, 100 * time.Millisecond, "lease-duration"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := manager.Options{Runs: 1, RunsPerLocation: 1, LeaseDuration: test.lease, RenewDeadline: test.renew, RetryPeriod: test.retry}.Validate()
			if (err == nil) != (test.wrong == "") {
				t.Fatalf("the verdict is %v", err)
			}
			if err != nil && !strings.HasPrefix(err.Error(), "--leader-election-"+test.wrong) {
				t.Errorf("the flag is not named: %v", err)
			}
		})
	}
}
