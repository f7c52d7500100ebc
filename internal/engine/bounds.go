package engine

import (
	"time"

	"github.com/soda-cdm/kahu/internal/core/archive"
)

// The bounds that several use cases have in common.
const (
	// Chunk is how many records are held while their objects are read.
	Chunk = 512
	// MaxRows bounds the rows of anything that is shown; the report has all of them.
	MaxRows = archive.MaxMissing
	// MaxChanges bounds how often a change begins again because somebody else changed the object.
	MaxChanges = 5
	// Patience is how long what is being deleted is waited for, and then what is not ready, where it is not said.
	Patience = 2 * time.Minute
)
