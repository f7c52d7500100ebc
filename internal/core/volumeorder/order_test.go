package volumeorder_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/soda-cdm/kahu/internal/core/volumeorder"
)

func TestNext(t *testing.T) {
	for name, test := range map[string]struct {
		order  volumeorder.Order
		step   volumeorder.Step
		reason string
	}{
		"new":                                {volumeorder.Order{}, volumeorder.Hold, ""},
		"held":                               {volumeorder.Order{Held: true}, volumeorder.Intend, ""},
		"cancelled before it began":          {volumeorder.Order{Held: true, Cancelled: true}, volumeorder.Fail, volumeorder.ReasonCancelled},
		"intended":                           {volumeorder.Order{Held: true, Intended: true}, volumeorder.Begin, ""},
		"intended and cancelled":             {volumeorder.Order{Held: true, Intended: true, Cancelled: true}, volumeorder.Begin, volumeorder.ReasonCancelled},
		"begun":                              {volumeorder.Order{Held: true, Intended: true, Known: true}, volumeorder.Look, ""},
		"begun and cancelled":                {volumeorder.Order{Held: true, Intended: true, Known: true, Cancelled: true}, volumeorder.Cancel, volumeorder.ReasonCancelled},
		"too long":                           {volumeorder.Order{Held: true, Intended: true, Known: true, Elapsed: time.Hour, Timeout: time.Hour}, volumeorder.Cancel, volumeorder.ReasonTimeout},
		"long without a limit":               {volumeorder.Order{Held: true, Intended: true, Known: true, Elapsed: time.Hour}, volumeorder.Look, ""},
		"standing still":                     {volumeorder.Order{Held: true, Intended: true, Known: true, Still: time.Hour, Patience: time.Minute}, volumeorder.Cancel, volumeorder.ReasonNoProgress},
		"ended":                              {volumeorder.Order{Held: true, Intended: true, Known: true, Ended: true, Cancelled: true}, volumeorder.Nothing, ""},
		"existing":                           {volumeorder.Order{Held: true, Existing: true}, volumeorder.Complete, ""},
		"existing and cancelled":             {volumeorder.Order{Held: true, Existing: true, Cancelled: true}, volumeorder.Complete, ""},
		"existing, deleted before it is met": {volumeorder.Order{Held: true, Existing: true, Deleted: true, Removed: true}, volumeorder.Remove, ""},
		"deleted and not held":               {volumeorder.Order{Deleted: true, Intended: true, Known: true}, volumeorder.Nothing, ""},
		"deleted before it began":            {volumeorder.Order{Deleted: true, Held: true, Removed: true}, volumeorder.Release, ""},
		"deleted while it may have begun":    {volumeorder.Order{Deleted: true, Held: true, Intended: true}, volumeorder.Begin, volumeorder.ReasonCancelled},
		"deleted while it goes on":           {volumeorder.Order{Deleted: true, Held: true, Intended: true, Known: true, Removed: true}, volumeorder.Cancel, volumeorder.ReasonCancelled},
		"deleted with its data":              {volumeorder.Order{Deleted: true, Held: true, Intended: true, Known: true, Ended: true, Removed: true}, volumeorder.Remove, ""},
		"deleted when it may have begun":     {volumeorder.Order{Deleted: true, Held: true, Intended: true, Ended: true, Removed: true, Unsure: true}, volumeorder.Begin, volumeorder.ReasonCancelled},
		"deleted without its data":           {volumeorder.Order{Deleted: true, Held: true, Intended: true, Known: true, Ended: true}, volumeorder.Release, ""},
		"deleted after it could not begin":   {volumeorder.Order{Deleted: true, Held: true, Intended: true, Ended: true, Removed: true}, volumeorder.Release, ""},
	} {
		t.Run(name, func(t *testing.T) {
			step, why := volumeorder.Next(test.order)
			if step != test.step || why.Reason != test.reason {
				t.Errorf("got %s because of %q, want %s because of %q", step, why.Reason, test.step, test.reason)
			}
			if (why.Reason == "") != (why.Message == "") {
				t.Errorf("the reason is %q and the message %q", why.Reason, why.Message)
			}
		})
	}
}

// TestNothingIsLeft: whatever is asked for when, an object is never let go while the driver may work on it, and never with
// data that was to be removed; and every order comes to its end.
func TestNothingIsLeft(t *testing.T) {
	for seed := range uint64(3000) {
		dice := rand.New(rand.NewPCG(seed, 1))
		order := volumeorder.Order{Existing: dice.IntN(5) == 0}
		var begun, running, data, released bool
		data, order.Held = order.Existing, order.Existing // It is made so.
		for range 60 {
			chance(dice, 12, &order.Cancelled)
			chance(dice, 12, &order.Deleted)
			chance(dice, 12, &order.Removed)
			step, _ := volumeorder.Next(order)
			switch step {
			case volumeorder.Hold:
				order.Held = true
			case volumeorder.Intend:
				order.Intended = true
			case volumeorder.Begin:
				running = !begun || running // A repeated call begins nothing new.
				begun, data = true, true
				if dice.IntN(2) == 0 { // Whoever asked may die before it is written down.
					order.Known, order.Ended, order.Unsure = true, false, false
				} else if order.Cancelled && !order.Deleted && dice.IntN(2) == 0 { // Or it is given up.
					order.Ended, order.Unsure = true, true
				}
			case volumeorder.Look:
				if dice.IntN(4) == 0 {
					running, order.Ended = false, true
				}
			case volumeorder.Cancel:
				running, order.Ended = false, dice.IntN(2) == 0
			case volumeorder.Complete, volumeorder.Fail:
				order.Ended = true
			case volumeorder.Remove:
				if running {
					t.Fatalf("seed %d: data is removed while the driver works on it", seed)
				}
				data, order.Known, order.Existing = false, false, false
			case volumeorder.Release:
				released = true
			case volumeorder.Nothing:
				released = order.Deleted && !order.Held // Nothing keeps it.
			}
			if released {
				break
			}
		}
		if released && (running && !order.Unsure || order.Removed && data) {
			t.Fatalf("seed %d: let go while running is %t, and data is %t: %+v", seed, running, data, order)
		}
		if !released && !order.Ended && !order.Existing {
			t.Fatalf("seed %d: it never ends: %+v", seed, order)
		}
	}
}

// chance makes something true now and then, for good.
func chance(dice *rand.Rand, of int, what *bool) { *what = *what || dice.IntN(of) == 0 }
