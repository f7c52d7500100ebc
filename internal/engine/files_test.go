package engine_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/archive"
	"github.com/soda-cdm/kahu/internal/engine"
	"github.com/soda-cdm/kahu/internal/testkit/world"
)

// TestFileIsNamedOnce: what a person reads of a file that cannot be opened names it once.
func TestFileIsNamedOnce(t *testing.T) {
	t.Parallel()
	_, err := engine.ReadSmall(t.Context(), world.New(t).Plain(), archive.MarkerName)
	if !errors.Is(err, core.ErrNotFound) || strings.Count(err.Error(), "opening") != 1 {
		t.Errorf("got %v", err)
	}
}
