package manager

import (
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"time"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
)

// Options say how a manager works. Its program has a flag for each.
type Options struct {
	// Version is the version of the program.
	Version string
	// Namespace is Kahu's own namespace, where the leases are.
	Namespace string
	// PKI is a folder with tls.crt, tls.key and ca.crt, for the connections to providers.
	PKI string
	// HealthAddress is where /healthz and /readyz are served, MetricsAddress where /metrics is; "0" turns one off.
	HealthAddress  string
	MetricsAddress string
	// MetricsPKI is a folder with tls.crt, tls.key and ca.crt, without which metrics are served at loopback addresses
	// only; MetricsClient is the common name in the certificate of whoever reads them.
	MetricsPKI    string
	MetricsClient string
	// PprofAddress is where profiles are served, a loopback address; empty or "0" turns them off.
	PprofAddress string
	// LeaderElection lets only one of several managers work.
	LeaderElection bool
	// LeaseDuration is how long the others wait after the last sign of life of the one that leads, RenewDeadline how
	// long it goes on without renewing its lease, and RetryPeriod the time between two tries to get or renew it.
	LeaseDuration time.Duration
	RenewDeadline time.Duration
	RetryPeriod   time.Duration
	// Runs is how many backups, and how many restores, go on at once; a location at which nothing runs may begin one more, up
	// to twice as many in all.
	Runs int
	// RunsPerLocation is how many of them go on at once at a location that has no limits of its own.
	RunsPerLocation int
	// LocationEvery is the time between two looks at a location, Patience how long a new run waits for its location.
	LocationEvery time.Duration
	Patience      time.Duration
	// CollectEvery is the time between two looks for files that nobody needs, CollectGrace for how long nothing of an attempt
	// must have been written before anything of it is removed.
	CollectEvery time.Duration
	CollectGrace time.Duration
	// InheritAfter is for how long nothing must have been written in the part of another cluster that is taken over.
	InheritAfter time.Duration
	// ReadOnlyLocations has every location treated as if its accessMode were ReadOnly: this manager writes to none of them, and
	// makes no place a location.
	ReadOnlyLocations bool
	// KeepAnswers is how long the answer to an Inspection stays.
	KeepAnswers time.Duration
}

// What the flags say unless they are given.
const (
	// DefaultNamespace is Kahu's own namespace.
	DefaultNamespace = kahuv1.DefaultNamespace
	// DefaultRuns is how many backups, and how many restores, go on at once, DefaultRunsPerLocation how many of them at
	// one location.
	DefaultRuns            = 4
	DefaultRunsPerLocation = 2
	// DefaultMetricsClient is the name of whoever reads metrics over TLS.
	DefaultMetricsClient = "kahu-metrics"
	// DefaultLocationEvery is the time between two looks at a location.
	DefaultLocationEvery = time.Minute
	// DefaultPatience is how long a new run waits for its location.
	DefaultPatience = time.Minute
	// DefaultKeepAnswers is how long the answer to an Inspection stays.
	DefaultKeepAnswers = 10 * time.Minute
	// DefaultLeaseDuration and the other times of leader election are those that most controllers have.
	DefaultLeaseDuration = 15 * time.Second
	DefaultRenewDeadline = 10 * time.Second
	DefaultRetryPeriod   = 2 * time.Second
)

// retryJitter is by how much leader election lengthens a pause between two tries.
const retryJitter = 1.2

// Validate says which flag is wrong, and why.
func (o Options) Validate() error {
	if o.Runs < 1 {
		return fmt.Errorf("--runs %d: it must be at least 1", o.Runs)
	}
	if o.RunsPerLocation < 1 {
		return fmt.Errorf("--runs-per-location %d: it must be at least 1", o.RunsPerLocation)
	}
	if o.CollectEvery < 0 || o.CollectGrace < 0 {
		return fmt.Errorf("--collection-interval %s, --collection-grace %s: they must not be below zero", o.CollectEvery, o.CollectGrace)
	}
	if o.InheritAfter < 0 {
		return fmt.Errorf("--inherit-after %s: it must not be below zero", o.InheritAfter)
	}
	if err := o.ValidateAddresses(); err != nil {
		return err
	}
	return o.validateElection()
}

// ValidateAddresses sees to it that nothing is shown to the network that is not protected.
func (o Options) ValidateAddresses() error {
	if !isOff(o.PprofAddress) && !isLoopback(o.PprofAddress) {
		return fmt.Errorf("--pprof-address %s: it must be a loopback address such as 127.0.0.1:6060, as a profile can hold Secrets", o.PprofAddress)
	}
	if !isOff(o.MetricsAddress) && !isLoopback(o.MetricsAddress) && o.MetricsPKI == "" {
		return fmt.Errorf("--metrics-address %s: use a loopback address such as 127.0.0.1:9090, or set --metrics-pki: "+
			"other addresses are served over TLS", o.MetricsAddress)
	}
	return nil
}

// isOff tells whether an address says that nothing is served.
func isOff(address string) bool { return address == "" || address == "0" }

// isLoopback tells whether only this machine, or this pod, reaches an address.
func isLoopback(address string) bool {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return false
	}
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}

func (o Options) validateElection() error {
	if o.RetryPeriod <= 0 {
		return fmt.Errorf("--leader-election-retry-period %s: it must be above zero", o.RetryPeriod)
	}
	if float64(o.RenewDeadline) <= retryJitter*float64(o.RetryPeriod) {
		return fmt.Errorf("--leader-election-renew-deadline %s: it must be above %.1f times --leader-election-retry-period, which is %s",
			o.RenewDeadline, retryJitter, o.RetryPeriod)
	}
	if o.LeaseDuration <= o.RenewDeadline {
		return fmt.Errorf("--leader-election-lease-duration %s: it must be above --leader-election-renew-deadline, which is %s",
			o.LeaseDuration, o.RenewDeadline)
	}
	if o.LeaseDuration < time.Second {
		return fmt.Errorf("--leader-election-lease-duration %s: a lease has whole seconds, and at least one", o.LeaseDuration)
	}
	return nil
}
