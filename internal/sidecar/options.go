package sidecar

import (
	"cmp"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"
)

const (
	// DefaultLeaseDuration is how long a driver is taken to be healthy after its last sign of life.
	DefaultLeaseDuration = 15 * time.Second
	// shortestLease leaves time for three renewals by an API server that is slow.
	shortestLease = time.Second
	// leaseParts is how many renewals there are to a lease.
	leaseParts = 3
)

// Options say what a sidecar serves, and where.
type Options struct {
	// Driver is the driver's endpoint: unix:///path.
	Driver string
	// ProviderName is the name that the driver must have. Empty means the one that it has when it is first met; it
	// cannot change while the sidecar runs.
	ProviderName string
	// Listen is host:port, where the driver is served over TCP. Port 0 means a free one.
	Listen string
	// Advertise is the address that clients are told, as host or host:port. What it lacks is taken from Listen.
	Advertise string
	// ServerName is the name in the sidecar's certificate, which clients are told too.
	ServerName string
	// TLS configures the server; it must verify its clients.
	TLS *tls.Config
	// Health is host:port for /healthz and /readyz over plain HTTP. Empty means none.
	Health string
	// Config reaches the cluster.
	Config *rest.Config
	// Namespace is Kahu's own: of the Lease, and of the Secrets that locations refer to.
	Namespace string
	// Holder names this process in the Lease.
	Holder string
	// Place says what is served, such as a folder of a machine: a sidecar of the same place goes on where this one ended, and
	// one of another place stands by while this one lives. ServerName by default.
	Place string
	// LeaseDuration is the duration of the Lease; DefaultLeaseDuration by default, in whole seconds, at least one.
	LeaseDuration time.Duration
	// StopTime is how long calls under way may take to end; 10 s by default.
	StopTime time.Duration
	// Clock measures the waiting and gives the times of the Lease.
	Clock clock.Clock
	// Logger receives what happens.
	Logger logr.Logger

	// service is what the sidecar does for the driver.
	service service
}

// completed returns the options with their defaults, or what is wrong with them.
func (o Options) completed() (Options, error) {
	o.service = metaService()
	o, err := o.common()
	errs := []error{err}
	for name, missing := range map[string]bool{
		"the address to listen at": o.Listen == "",
		"the name of the server":   o.ServerName == "",
		"the configuration of TLS": o.TLS == nil,
	} {
		if missing {
			errs = append(errs, fmt.Errorf("%s is missing", name))
		}
	}
	if o.TLS != nil && o.TLS.ClientAuth != tls.RequireAndVerifyClientCert {
		errs = append(errs, errors.New("the configuration of TLS lets clients in without a certificate"))
	}
	return o, errors.Join(errs...)
}

// common returns the options with defaults for those that every sidecar has, or what is wrong with these.
func (o Options) common() (Options, error) {
	o.LeaseDuration = cmp.Or(o.LeaseDuration, DefaultLeaseDuration)
	o.StopTime = cmp.Or(o.StopTime, 10*time.Second)
	o.Place = cmp.Or(o.Place, o.ServerName)
	if o.Clock == nil {
		o.Clock = clock.RealClock{}
	}
	var errs []error
	for name, missing := range map[string]bool{
		"the endpoint of the driver":   o.Driver == "",
		"the namespace":                o.Namespace == "",
		"the name of the holder":       o.Holder == "",
		"the way to reach the cluster": o.Config == nil,
	} {
		if missing {
			errs = append(errs, fmt.Errorf("%s is missing", name))
		}
	}
	if o.LeaseDuration < shortestLease || o.LeaseDuration%time.Second != 0 {
		errs = append(errs, fmt.Errorf("the duration of the lease is %s: whole seconds are wanted, at least one", o.LeaseDuration))
	}
	if problems := validation.IsDNS1123Subdomain(o.ProviderName); o.ProviderName != "" && len(problems) > 0 {
		errs = append(errs, fmt.Errorf("provider name %q: %s", o.ProviderName, problems[0]))
	}
	return o, errors.Join(errs...)
}

// advertised returns the address that clients are told, where the server listens at that one.
func (o Options) advertised(listening net.Addr) (string, error) {
	host, port, err := net.SplitHostPort(listening.String())
	if err != nil {
		return "", fmt.Errorf("reading the address %s: %w", listening, err)
	}
	if o.Advertise == "" {
		if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
			return "", fmt.Errorf("listening at %s, which is every address: say which one clients are to use", listening)
		}
		return listening.String(), nil
	}
	if _, _, err := net.SplitHostPort(o.Advertise); err == nil {
		return o.Advertise, nil
	}
	return net.JoinHostPort(o.Advertise, port), nil
}
