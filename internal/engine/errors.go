package engine

import (
	"errors"
	"strings"

	"github.com/soda-cdm/kahu/internal/core/selection"
)

// ErrCluster marks errors that come from the API server, and not from the store.
var ErrCluster = errors.New("asking the API server")

// InvalidError says that the wish itself is wrong: nothing was read or written because of it.
type InvalidError struct {
	// Problems are all that is wrong, each with its field.
	Problems []selection.Problem
}

// Error returns the problems, each with its field.
func (e *InvalidError) Error() string {
	texts := make([]string, 0, len(e.Problems))
	for _, problem := range e.Problems {
		texts = append(texts, problem.Field+": "+problem.Message)
	}
	return strings.Join(texts, "; ")
}
