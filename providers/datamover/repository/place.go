package repository

import (
	"fmt"
	"strings"

	"github.com/soda-cdm/kahu/provider"
)

// Store is what a place must be able to do: list with times, read ranges, and replace objects as a whole.
type Store interface {
	provider.ObjectStore
	provider.Lister
	provider.RangeReader
}

// Place is where a repository lies.
type Place struct {
	// Store is the storage.
	Store Store
	// Attributes are those of the backup location.
	Attributes provider.Attributes
	// Prefix is what the names of all objects of the repository begin with. It ends at a slash, or is empty.
	Prefix string
}

// Needs are the capabilities that a driver must have for its storage to hold a repository.
func Needs() []provider.Capability {
	return []provider.Capability{provider.CapabilityList, provider.CapabilityRangeDownload, provider.CapabilityAtomicOverwrite}
}

func (p Place) validate() error {
	if p.Prefix != "" && !strings.HasSuffix(p.Prefix, "/") {
		return fmt.Errorf("the prefix %q of a repository does not end at a slash: %w", p.Prefix, provider.ErrInvalidArgument)
	}
	return provider.ValidatePrefix(p.Prefix)
}
