// Package owned has locations in memory that belong to somebody, for tests of those who ask whose a location is.
package owned

import (
	"testing"

	"k8s.io/utils/clock"

	enginelocation "github.com/soda-cdm/kahu/internal/engine/location"
	"github.com/soda-cdm/kahu/internal/store"
	"github.com/soda-cdm/kahu/provider/memory"
)

// What Location makes.
const (
	ID      = "l"    // of the location
	Cluster = "this" // whose part of it is claimed
)

// Location returns a location of which the part of Cluster was last claimed with a nonce, and its files.
func Location(t *testing.T, nonce string) (*enginelocation.Location, *store.Store) {
	t.Helper()
	files := store.New(memory.New(memory.Options{}), store.Options{})
	at := &enginelocation.Location{Files: files, Clock: clock.RealClock{}, NewID: func() string { return ID }}
	if _, err := at.Open(t.Context(), ""); err != nil {
		t.Fatal(err)
	}
	Claim(t, at, nonce)
	return at, files
}

// Claim lets somebody with another nonce claim the part of Cluster.
func Claim(t *testing.T, at *enginelocation.Location, nonce string) {
	t.Helper()
	if err := at.TakeOwner(t.Context(), Cluster, nonce); err != nil {
		t.Fatal(err)
	}
}
