package place

import (
	"context"
	"fmt"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	"github.com/soda-cdm/kahu/internal/core"
)

// ErrReadOnly says that a location is one that nothing is written to, and nothing removed from.
var ErrReadOnly = fmt.Errorf("the accessMode of the location is ReadOnly: %w", core.ErrDenied)

// Writable returns why nothing may be written to a location, nil where it may.
func Writable(location *kahuv1.BackupLocation) error {
	if location.Spec.AccessMode != kahuv1.AccessReadOnly {
		return nil
	}
	return &NotUsableError{
		Reason: kahuv1.ReasonLocationReadOnly,
		Message: fmt.Sprintf("BackupLocation %q is read-only: name another one, or change its spec.accessMode to ReadWrite "+
			"if backups may be written and deleted there", location.Name),
	}
}

// readOnly are files that can be read and listed. Whatever else is asked for is refused here, and the store does not hear
// of it.
type readOnly struct{ Files }

// Create refuses.
func (readOnly) Create(_ context.Context, name string) (core.FileWriter, error) {
	return nil, refused(name)
}

// Replace refuses.
func (readOnly) Replace(_ context.Context, name string, _ []byte) error { return refused(name) }

// Remove refuses.
func (readOnly) Remove(_ context.Context, name string) error { return refused(name) }

func refused(name string) error { return fmt.Errorf("%s: %w", name, ErrReadOnly) }
