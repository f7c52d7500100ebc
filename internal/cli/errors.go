package cli

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/api/meta"
)

// explained makes the errors of a command speak to people.
func explained(command *cobra.Command) {
	run := command.RunE
	if run == nil {
		return
	}
	command.RunE = func(command *cobra.Command, args []string) error {
		err := run(command, args)
		switch {
		case meta.IsNoMatchError(err):
			return fmt.Errorf("Kahu's definitions are not installed in this cluster: apply config/crd of its release, "+ //nolint:staticcheck // It is a name.
				"or start `kahu standalone` with --install-crds: %w", err)
		case errors.Is(err, ErrFailed):
			return failedError{err}
		}
		return refused(err)
	}
}

// failedError is an ErrFailed that does not end with saying so: what went wrong is in its text already.
type failedError struct{ error }

// Error returns the text without the name of its class.
func (e failedError) Error() string {
	return strings.TrimSuffix(e.error.Error(), ": "+ErrFailed.Error())
}

// Unwrap returns the error itself.
func (e failedError) Unwrap() error { return e.error }
