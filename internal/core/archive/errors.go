package archive

import (
	"fmt"

	"github.com/soda-cdm/kahu/internal/core"
)

// NewerFormatError says that a file is of a format that came after this program. It is a core.ErrUnsupported.
type NewerFormatError struct {
	// What is the file, for people.
	What string
	// Found is the version of the file.
	Found int
	// Supported is the newest version that this program reads.
	Supported int
}

// Error says what to do.
func (e *NewerFormatError) Error() string {
	return fmt.Sprintf("%s has format version %d and this version of Kahu reads up to %d: upgrade Kahu to read it",
		e.What, e.Found, e.Supported)
}

// Unwrap returns the class.
func (e *NewerFormatError) Unwrap() error { return core.ErrUnsupported }

// RefusedError says that an object has no place in an archive, although the API server has it: its name or its size
// does not allow it. It is a core.ErrInvalid. The backup goes on without the object, and must say so.
type RefusedError struct {
	// Object is the object.
	Object core.Key
	// Message says why.
	Message string
}

// Error names the object.
func (e *RefusedError) Error() string {
	return fmt.Sprintf("%s has no place in an archive: %s", clip(e.Object.String()), e.Message)
}

// Unwrap returns the class.
func (e *RefusedError) Unwrap() error { return core.ErrInvalid }

// checkFormat returns nil for the versions that can be read.
func checkFormat(what string, found int) error {
	if found > FormatVersion {
		return &NewerFormatError{What: what, Found: found, Supported: FormatVersion}
	}
	if found < 1 {
		return fmt.Errorf("%s has format version %d: %w", what, found, core.ErrCorrupt)
	}
	return nil
}

// corrupt says that what was read is not what was written. The class of the cause does not shine through, as the
// input of a writer and the content of a file are blamed on different people.
func corrupt(what string, cause error) error {
	return fmt.Errorf("%s: %w: %s", what, core.ErrCorrupt, cause.Error())
}
