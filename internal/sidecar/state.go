package sidecar

import (
	"errors"
	"sync"
)

// errNotMet: the driver has not been there yet.
var errNotMet = errors.New("the driver has not answered yet")

// state is what the parts of the sidecar know about the driver. Its zero value knows nothing.
type state struct {
	mutex sync.Mutex
	name  string // The driver's name, once it was met; it never changes. Guarded by mutex.
	err   error  // Why the driver cannot be used, or nil. Guarded by mutex.
}

// get returns the name of the driver, and why it cannot be used, if so.
func (s *state) get() (name string, err error) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if s.name == "" && s.err == nil {
		return "", errNotMet
	}
	return s.name, s.err
}

// set records how the driver is, and tells whether that is another answer than before. The name counts when there is
// no error, for the first time.
func (s *state) set(name string, err error) (changed bool) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	first := s.name == "" && err == nil
	changed = first || (s.err == nil) != (err == nil) || (err != nil && s.err.Error() != err.Error())
	if first {
		s.name = name
	}
	s.err = err
	return changed
}
