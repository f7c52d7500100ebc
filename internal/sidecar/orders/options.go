package orders

import (
	"cmp"
	"context"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"

	"github.com/soda-cdm/kahu/provider"
)

// The defaults.
const (
	DefaultParallel      = 8
	DefaultCallTimeout   = time.Minute
	DefaultPatience      = 10 * time.Minute
	DefaultCancelTimeout = 2 * time.Minute
)

// Limits bound the work on orders. A zero takes the default.
type Limits struct {
	// Parallel is how many orders the driver works on at once; further ones stay New. Those that a process finds begun go on
	// whatever their number.
	Parallel int
	// CallTimeout bounds one call of the driver.
	CallTimeout time.Duration
	// Patience is how long there may be no progress while the driver is there.
	Patience time.Duration
	// CancelTimeout is how long it is waited for the driver to confirm that it has ended the work on an order.
	CancelTimeout time.Duration
}

// completed returns the limits with their defaults.
func (l Limits) completed() Limits {
	return Limits{
		Parallel:      cmp.Or(l.Parallel, DefaultParallel),
		CallTimeout:   cmp.Or(l.CallTimeout, DefaultCallTimeout),
		Patience:      cmp.Or(l.Patience, DefaultPatience),
		CancelTimeout: cmp.Or(l.CancelTimeout, DefaultCancelTimeout),
	}
}

// Options say for whom orders are carried out, and how.
type Options struct {
	// Config reaches the cluster.
	Config *rest.Config
	// Driver carries the orders out.
	Driver provider.VolumeDriver
	// Health tells how the driver is.
	Health Health
	// Places tells what the driver is to know of a location.
	Places Places
	// Limits bound the work.
	Limits Limits
	// Clock measures the waiting.
	Clock clock.PassiveClock
	// Logger receives what happens.
	Logger logr.Logger
}

// Health tells how the driver is.
type Health interface {
	// Look returns the name of the provider, empty while it is not known.
	Look() (name string, condition Condition)
}

// Condition is how the driver is.
type Condition struct {
	// Standby says that the orders are another process's to carry out.
	Standby bool
	// Err says why the driver cannot be used, nil when it can.
	Err error
}

// Places looks up locations.
type Places interface {
	// Place returns what the driver is to know of a location, and the credentials in it.
	Place(ctx context.Context, location string) (provider.Attributes, provider.Redactor, error)
}
