package orders

import (
	"context"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	"github.com/soda-cdm/kahu/internal/core/volumeorder"
	"github.com/soda-cdm/kahu/provider"
)

// kind is one of the two kinds of orders.
type kind struct {
	name   string
	object func() client.Object
	list   func() client.ObjectList
	// order and orders return the orders that objects of the kind are.
	order  func(client.Object) *order
	orders func(client.ObjectList) []*order
}

// order is a work order of either kind. What it points to is a copy, and the worker's own.
type order struct {
	object   client.Object
	status   *kahuv1.VolumeOrderStatus
	provider string
	location string
	facts    volumeorder.Order // Without what is the same for both kinds.
	timeout  time.Duration
	patient  bool // Whether the order may stand still.
	work     work
}

// work is what differs between the kinds. Each asks the driver.
type work interface {
	// begin asks to begin, and puts the answer into the status.
	begin(ctx context.Context, with call) error
	// stat asks how far the work is.
	stat(ctx context.Context, with call) (provider.VolumeStat, error)
	// cancel asks to end the work.
	cancel(ctx context.Context, with call) error
	// remove asks to remove the data.
	remove(ctx context.Context, with call) error
}

// call is what a call of the driver needs besides what the order says.
type call struct {
	attributes provider.Attributes
	secrets    provider.Redactor
	// ending says that the order is to end, and the driver is asked to begin only to learn the handle.
	ending bool
}

// ended tells whether the order is at its end.
func (o *order) ended() bool {
	return o.status.Phase == kahuv1.VolumePhaseCompleted || o.status.Phase == kahuv1.VolumePhaseFailed || o.status.Phase == kahuv1.VolumePhaseDeleting
}

// waits tells whether the order goes on without the driver, for as long as the application takes: it needs no place. Those who
// come after it may be what it waits for.
func (o *order) waits() bool { return o.begun() && o.patient }

// begun tells whether the driver may be working on the order.
func (o *order) begun() bool { return !o.status.StartTimestamp.IsZero() && !o.ended() }
