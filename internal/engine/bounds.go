package engine

import (
	"time"

	"github.com/soda-cdm/kahu/internal/core/archive"
)

const (
	// chunk is how many records are held while their objects are read.
	chunk = 512
	// maxRows bounds the rows of anything that is shown; the report has all of them.
	maxRows = archive.MaxMissing
	// maxChanges bounds how often a change begins again because somebody else changed the object.
	maxChanges = 5
	// defaultPatience is how long what is being deleted is waited for, and then what is not ready, where it is not said.
	defaultPatience = 2 * time.Minute
)
