package store

import (
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/utils/clock"

	"github.com/soda-cdm/kahu/provider"
)

// Options say how a Store deals with its driver. The zero value of a field means its default.
type Options struct {
	// Prefix is put before every name, with a slash between. Empty means none, also after defaulting.
	Prefix string
	// Attributes go to the driver with every call.
	Attributes provider.Attributes
	// Clock measures the times of waiting; the real one by default.
	Clock clock.WithDelayedExecution
	// Attempts is how often a call that fails with core.ErrUnavailable is made in all; 8 by default, which takes up to
	// 10 s besides the calls. 1 means that nothing is repeated.
	Attempts int
	// CallTime bounds a call without a stream; 30 s by default.
	CallTime time.Duration
	// IdleTime bounds the time that a stream may stand still by the driver's fault; 1 min by default.
	IdleTime time.Duration
	// Transfers is how many streams may be read, and how many written, at once; 32 by default.
	Transfers int
	// ReplayBytes is how much of the content of a new file is held, so that its writing can begin again; 1 MiB by
	// default.
	ReplayBytes int
}

const (
	firstPause   = 50 * time.Millisecond
	longestPause = 4 * time.Second
)

// New returns the Store over the driver.
func New(driver provider.Driver, options Options) *Store {
	options = options.completed()
	return newStore(driver, &abilities{provider: driver, clock: options.Clock}, newPlaces(options.Transfers), options)
}

// newStore builds the chain of decorators, the innermost first.
func newStore(to provider.Driver, known knower, free places, options Options) *Store {
	var chain driver = base{provider: to, attributes: options.Attributes}
	chain = able{driver: chain, abilities: known}
	chain = idle{driver: chain, clock: options.Clock, call: options.CallTime, stream: options.IdleTime}
	chain = retry{driver: chain, clock: options.Clock, pauses: options.pauses(), replay: options.ReplayBytes}
	chain = whole{driver: chain}
	chain = limit{driver: chain, clock: options.Clock, wait: options.IdleTime, places: free}
	prefix := strings.Trim(options.Prefix, "/")
	if prefix != "" {
		prefix += "/"
	}
	return &Store{driver: chain, identity: to, prefix: prefix}
}

// completed returns the options with their defaults.
func (o Options) completed() Options {
	if o.Clock == nil {
		o.Clock = clock.RealClock{}
	}
	o.Attempts = or(o.Attempts, 8)
	o.CallTime = or(o.CallTime, 30*time.Second)
	o.IdleTime = or(o.IdleTime, time.Minute)
	o.Transfers = or(o.Transfers, 32)
	o.ReplayBytes = or(o.ReplayBytes, 1<<20)
	return o
}

// pauses returns the pauses between the attempts.
func (o Options) pauses() wait.Backoff {
	return wait.Backoff{
		Duration: firstPause,
		Factor:   2,
		Jitter:   0.5,
		Steps:    o.Attempts - 1,
		Cap:      longestPause,
	}
}

// or returns the value, or the default where it is not above zero.
func or[number ~int | ~int64](value, otherwise number) number {
	if value > 0 {
		return value
	}
	return otherwise
}
