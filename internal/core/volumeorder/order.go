// Package volumeorder decides what is done next about a work order for a volume.
//
// An order is begun at the driver, looked at until it has ended, and ended earlier where that is asked for or takes too
// long. Before the driver is asked to begin, it is written down that it will be; so an order about which nothing is written
// was never begun, and one that was written down and has no handle may have been: to begin once more gives the handle, as a
// driver begins nothing twice under one name. Nothing is left behind at the driver by whoever dies wherever.
package volumeorder

import (
	"fmt"
	"time"
)

// Order is what is known of a work order.
type Order struct {
	// Ended says that the order was Completed or Failed.
	Ended bool
	// Held says that the object cannot go before it is let go.
	Held bool
	// Intended says that it was written down that the driver is asked to begin.
	Intended bool
	// Known says that there is a handle.
	Known bool
	// Unsure says that the order ended before it was known whether the driver had begun.
	Unsure bool
	// Existing says that there is a result already, and nothing to begin.
	Existing bool
	// Deleted says that the object is to go, Removed that the driver's data goes with it.
	Deleted, Removed bool
	// Cancelled says that the order is to end.
	Cancelled bool
	// Elapsed is the time since the driver was asked to begin, and Timeout its limit; no limit is 0.
	Elapsed, Timeout time.Duration
	// Still is the time without progress while the driver was there, and Patience its limit; no limit is 0.
	Still, Patience time.Duration
}

// Step is what is done next.
type Step string

// The steps.
const (
	// Nothing is to be done until the object changes.
	Nothing Step = "Nothing"
	// Hold keeps the object from going.
	Hold Step = "Hold"
	// Intend writes down that the driver will be asked to begin, as soon as there is a place for the order.
	Intend Step = "Intend"
	// Begin asks the driver to begin, and writes the handle down.
	Begin Step = "Begin"
	// Look asks the driver how far it is.
	Look Step = "Look"
	// Cancel asks the driver to end the work, and looks whether it has.
	Cancel Step = "Cancel"
	// Complete writes down that the order is done.
	Complete Step = "Complete"
	// Fail writes down that the order came to nothing.
	Fail Step = "Fail"
	// Remove has the driver remove the data.
	Remove Step = "Remove"
	// Release lets the object go.
	Release Step = "Release"
)

// Cause is why an order is ended before it is done.
type Cause struct {
	// Reason is one word, empty for none, Message a sentence.
	Reason, Message string
}

// The reasons why an order is ended.
const (
	ReasonCancelled  = "Cancelled"
	ReasonTimeout    = "Timeout"
	ReasonNoProgress = "NoProgress"
)

// Next returns what is done next, and for Begin, Cancel and Fail why the order is to end, if it is.
func Next(order Order) (Step, Cause) {
	if order.Deleted {
		return leaving(order)
	}
	switch {
	case order.Ended:
		return Nothing, Cause{}
	case !order.Held:
		return Hold, Cause{}
	case order.Existing:
		return Complete, Cause{}
	}
	return working(order, cause(order))
}

// leaving is Next for an object that is to go.
func leaving(order Order) (Step, Cause) {
	switch {
	case !order.Held:
		return Nothing, Cause{}
	case !order.Ended && order.Intended:
		return working(order, deleted())
	case order.Removed && (order.Known || order.Existing):
		return Remove, Cause{}
	case order.Removed && order.Unsure:
		return Begin, deleted()
	}
	return Release, Cause{}
}

// deleted is the cause of an order whose object is to go.
func deleted() Cause { return Cause{ReasonCancelled, "The order was deleted."} }

// EndedEarly tells whether an order that ended for this reason was ended before it was done.
func EndedEarly(reason string) bool {
	return reason == ReasonCancelled || reason == ReasonTimeout || reason == ReasonNoProgress
}

// working is Next for an order that is not at its end.
func working(order Order, why Cause) (Step, Cause) {
	switch {
	case !order.Intended && why.Reason != "":
		return Fail, why
	case !order.Intended:
		return Intend, Cause{}
	case !order.Known:
		return Begin, why
	case why.Reason != "":
		return Cancel, why
	}
	return Look, Cause{}
}

// cause returns why the order is to end, if it is.
func cause(order Order) Cause {
	switch {
	case order.Cancelled:
		return Cause{ReasonCancelled, "The order was cancelled."}
	case order.Timeout > 0 && order.Elapsed >= order.Timeout:
		return Cause{ReasonTimeout, fmt.Sprintf("The order has taken %s, which is all that spec.timeout gives it.", order.Timeout)}
	case order.Patience > 0 && order.Still >= order.Patience:
		return Cause{ReasonNoProgress, fmt.Sprintf("There was no progress for %s.", order.Patience)}
	}
	return Cause{}
}
