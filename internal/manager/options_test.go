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

// TestValidateAddresses: nothing that is not protected is shown to the network.
func TestValidateAddresses(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		change func(options *manager.Options)
		wrong  string
	}{
		"Off":             {func(*manager.Options) {}, ""},
		"Loopback":        {func(o *manager.Options) { o.MetricsAddress, o.PprofAddress = "127.0.0.1:9090", "[::1]:0" }, ""},
		"Localhost":       {func(o *manager.Options) { o.MetricsAddress, o.PprofAddress = "localhost:9090", "localhost:6060" }, ""},
		"MetricsForAll":   {func(o *manager.Options) { o.MetricsAddress = ":9090" }, "--metrics-address"},
		"MetricsNoPort":   {func(o *manager.Options) { o.MetricsAddress = "127.0.0.1:99999" }, "--metrics-address"},
		"PprofNoPort":     {func(o *manager.Options) { o.PprofAddress = "127.0.0.1" }, "--pprof-address"},
		"MetricsForOther": {func(o *manager.Options) { o.MetricsAddress = "10.0.0.1:9090" }, "--metrics-address"},
		"MetricsOverTLS":  {func(o *manager.Options) { o.MetricsAddress, o.MetricsPKI = ":9090", "/pki" }, ""},
		"PprofForAll":     {func(o *manager.Options) { o.PprofAddress, o.MetricsPKI = "0.0.0.0:6060", "/pki" }, "--pprof-address"},
		"PprofNowhere":    {func(o *manager.Options) { o.PprofAddress = "6060" }, "--pprof-address"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			options := manager.Options{
				Runs: 1, RunsPerLocation: 1, LeaseDuration: manager.DefaultLeaseDuration,
				RenewDeadline: manager.DefaultRenewDeadline, RetryPeriod: manager.DefaultRetryPeriod,
			}
			test.change(&options)
			err := options.Validate()
			if (err == nil) != (test.wrong == "") || err != nil && !strings.HasPrefix(err.Error(), test.wrong) {
				t.Errorf("the verdict is %v", err)
			}
		})
	}
}
