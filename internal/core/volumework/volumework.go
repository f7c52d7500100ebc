// Package volumework has the words in which a run speaks of the work on volumes that it has others do.
package volumework

import (
	"time"

	"github.com/soda-cdm/kahu/internal/core/volumeplan"
)

// Run names the Backup or the Restore to which volumes belong.
type Run struct {
	Name, UID string
	// LocationID is the identity of the location where the manifest of a Backup will be; empty where nobody knows.
	LocationID string
}

// Moment is that at which the volumes of a backup are cut.
type Moment struct {
	// Attempt is the one at the run that cuts.
	Attempt string
	// Held tells that applications hold still for it: what other attempts have cut is of another moment.
	Held bool
	// Over tells that they held still for it, between From and To, and have gone on: nothing is cut any more.
	Over     bool
	From, To time.Time
}

// Uncut is a claim whose volume was not cut, and why.
type Uncut struct {
	Namespace, Name string
	Message         string
}

// Outcome is what became of one volume.
type Outcome struct {
	Decision volumeplan.Decision
	// Reason and Message say why it failed; empty where it did not.
	Reason, Message string
	// Handle and Attributes are what the provider knows the backup by.
	Handle     string
	Attributes map[string]string
	// Bytes is how much data the provider has dealt with; nil where it does not tell.
	Bytes *int64
	Cut   time.Time
}

// Progress is how far the work on all volumes is.
type Progress struct {
	Done, Failed, Total   int64
	BytesDone, BytesTotal int64
}

// RestoreOrder is the wish to make the volume of one claim from its backup.
type RestoreOrder struct {
	// Namespace and Name are those of the claim that will be, Claim is that claim as JSON, without volume and data source.
	Namespace, Name string
	Claim           []byte
	// Provider and Location are who makes it and what it is given.
	Provider, Location string
	// Handle and Attributes are what the provider knows the backup by.
	Handle     string
	Attributes map[string]string
}

// Made is what a claim is created with, so that it gets the restored volume: a data source, or the name of a volume.
type Made struct {
	// Group, Kind and Source name the object from which the cluster makes the volume.
	Group, Kind, Source string
	// Volume is what the storage system knows the volume by, with its attributes.
	Volume     string
	Attributes map[string]string
}
