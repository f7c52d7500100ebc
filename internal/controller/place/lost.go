package place

import (
	"context"

	enginelocation "github.com/soda-cdm/kahu/internal/engine/location"
)

// Lost returns an error where the place does not have the marker of the location, whose identity is known: what is missing there,
// or is other than it was, says nothing of a backup. A disk that is not mounted has lost nothing. Where no identity is known it is
// nil.
func Lost(ctx context.Context, files Files, known string) error {
	if known == "" {
		return nil
	}
	_, err := (&enginelocation.Location{Files: files, ReadOnly: true}).Open(ctx, known)
	return err
}
