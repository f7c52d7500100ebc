package core

import "errors"

// The classes of errors that cross the seams of the system. Adapters turn the codes of their world into these, and
// whoever acts on an error asks with errors.Is. The text around a class says what was being done, where, and what
// a person can do.
var (
	// ErrNotFound: the object or file is not there.
	ErrNotFound = errors.New("not found")
	// ErrAlreadyExists: the object or file is there already, and must not be written over.
	ErrAlreadyExists = errors.New("already exists")
	// ErrConflict: somebody else changed it in the meantime.
	ErrConflict = errors.New("conflict")
	// ErrDenied: the other side knows who asks and refuses, or does not know who asks.
	ErrDenied = errors.New("denied")
	// ErrInvalid: the other side refuses what was sent, and would refuse it again.
	ErrInvalid = errors.New("invalid")
	// ErrFull: no space or no quota is left.
	ErrFull = errors.New("full")
	// ErrUnavailable: the other side cannot be reached or cannot answer now; later it may.
	ErrUnavailable = errors.New("unavailable")
	// ErrExpired: a position in a list is too old to go on from; the list must begin again.
	ErrExpired = errors.New("expired")
	// ErrUnsupported: the other side has no such function.
	ErrUnsupported = errors.New("unsupported")
	// ErrCorrupt: what was read is not what was written.
	ErrCorrupt = errors.New("corrupt")
)
