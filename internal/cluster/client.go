package cluster

import (
	"fmt"
	"net"
	"net/http"
	"net/url"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"
)

const (
	// defaultTimeout is as long as an API server works on a request unless it is told otherwise, and a little more, so
	// that the server's own words come first.
	defaultTimeout = 65 * time.Second
	// defaultAttempts makes a request wait for about 20 seconds: as long as an API server takes to restart.
	defaultAttempts = 10
)

// Options are what a Client can be told. The zero value is good.
type Options struct {
	// Version is the version of Kahu, for the user agent "kahu/<version>"; empty means "unknown".
	Version string
	// Clock measures the waits between attempts; nil means the real one.
	Clock clock.Clock
	// Timeout is the deadline of one request, its answer read; 0 means 65 seconds. Watches are not subject to it.
	Timeout time.Duration
	// Attempts is how often a request is sent at most; 0 means 10, which without an advice of the server takes about
	// 20 seconds.
	Attempts int
}

// Client speaks to one API server. It can be used by several goroutines at once.
type Client struct {
	http     *http.Client
	base     *url.URL
	clock    clock.Clock
	timeout  time.Duration
	attempts int
	// plain tells that answers shall not be compressed.
	plain bool
}

// New returns a Client for the API server that config names. It sends nothing yet. The config is not changed; its
// rate limits, timeout, user agent and content type are not used.
//
// Answers come compressed unless the server is on this machine: there, compression would take the time of the same
// processors and save none. config.DisableCompression turns it off everywhere.
func New(config *rest.Config, options Options) (*Client, error) {
	config = rest.CopyConfig(config)
	config.Timeout = 0
	config.UserAgent = "kahu/" + orDefault(options.Version, "unknown")
	config.GroupVersion = nil
	config.APIPath = ""
	base, _, err := rest.DefaultServerUrlFor(config)
	if err != nil {
		return nil, fmt.Errorf("reading the API server's address: %w", err)
	}
	client, err := rest.HTTPClientFor(config)
	if err != nil {
		return nil, fmt.Errorf("preparing connections to the API server: %w", err)
	}
	var realClock clock.Clock = clock.RealClock{}
	return &Client{
		http:     client,
		base:     base,
		clock:    orDefault(options.Clock, realClock),
		timeout:  orDefault(options.Timeout, defaultTimeout),
		attempts: orDefault(options.Attempts, defaultAttempts),
		plain:    config.DisableCompression || isLoopback(base.Hostname()),
	}, nil
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

func orDefault[T comparable](value, fallback T) T {
	var zero T
	if value == zero {
		return fallback
	}
	return value
}
