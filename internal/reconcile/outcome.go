package reconcile

import (
	"errors"
	"time"
)

// shortest is the time after which a pass that lost a race is repeated.
const shortest = 50 * time.Millisecond

// ErrDone ends a pass early: the steps that follow have nothing to do.
var ErrDone = errors.New("done")

// AfterError ends a pass, all being well, and asks for the next one after a time.
type AfterError struct {
	// After is the time to the next pass.
	After time.Duration
}

// Error says when the next pass is due.
func (e *AfterError) Error() string { return "done until " + e.After.String() + " have passed" }

// After returns the outcome of a step that has nothing more to do until a time has passed.
func After(pause time.Duration) error { return &AfterError{After: pause} }

// WaitingError ends a pass that can go on only after something else has happened.
type WaitingError struct {
	// Reason is a stable word for it, in camel case.
	Reason string
	// Message says what is waited for.
	Message string
	// After is the time after which to look again; zero means that a watch tells.
	After time.Duration
}

// Error returns the message.
func (e *WaitingError) Error() string { return e.Message }

// Waiting returns the outcome of a step that waits.
func Waiting(reason, message string, after time.Duration) error {
	return &WaitingError{Reason: reason, Message: message, After: after}
}

// StalledError ends a pass that cannot go on unless a person changes something.
type StalledError struct {
	// Reason is a stable word for it, in camel case.
	Reason string
	// Message says which field or thing is wrong and what to do.
	Message string
}

// Error returns the message.
func (e *StalledError) Error() string { return e.Message }

// Stalled returns the outcome of a step that a person must help.
func Stalled(reason, message string) error {
	return &StalledError{Reason: reason, Message: message}
}

func isStalled(err error) bool {
	var stalled *StalledError
	return errors.As(err, &stalled)
}

// isWell tells whether a pass ended with nothing left to do for now.
func isWell(err error) bool {
	var after *AfterError
	return err == nil || errors.Is(err, ErrDone) || errors.As(err, &after)
}

func isOutcome(err error) bool {
	var waiting *WaitingError
	return isWell(err) || errors.As(err, &waiting) || isStalled(err)
}
