package sidecar

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/soda-cdm/kahu/internal/sidecar/orders"
	"github.com/soda-cdm/kahu/provider"
)

// RunVolumes carries out the work orders for the volumes of a driver until the context ends. Of the options it needs none that
// says how the driver is served over TCP. It does not wait for the driver to be there, and does not end when it dies.
func RunVolumes(ctx context.Context, options Options, limits orders.Limits) (err error) {
	options.service = volumeService()
	options.Place = cmp.Or(options.Place, options.Holder)
	options, err = options.common()
	if err != nil {
		return fmt.Errorf("reading the options: %w", err)
	}
	beside, err := open(options)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, beside.link.connection.Close()) }()
	options.Logger.Info("carrying out orders", "driver", options.Driver)
	return beside.run(ctx, "", func(ctx context.Context) error {
		return orders.Run(ctx, orders.Options{
			Config: options.Config, Driver: beside.link.client, Limits: limits, Clock: options.Clock, Logger: options.Logger,
			Health: health{beside.state}, Places: places{beside.locations()},
		})
	})
}

// health tells those who carry out orders how the driver is.
type health struct{ state *state }

// Look implements orders.Health.
func (h health) Look() (string, orders.Condition) {
	name, err := h.state.get()
	standby := errors.Is(err, errTaken) || errors.Is(err, errOtherDriver) || errors.Is(err, errNoVolumes)
	return name, orders.Condition{Standby: standby, Err: err}
}

// places looks up locations for those who carry out orders.
type places struct{ locations *locations }

// Place implements orders.Places.
func (p places) Place(ctx context.Context, location string) (provider.Attributes, provider.Redactor, error) {
	found, err := p.locations.named(ctx, location)
	return found.attributes, found.secrets, err
}
