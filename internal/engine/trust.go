package engine

import (
	"fmt"
	"slices"

	"github.com/soda-cdm/kahu/internal/core/archive"
	"github.com/soda-cdm/kahu/internal/core/seal"
)

// Trust says whose backups may be restored. The zero value asks nobody.
type Trust struct {
	// Required tells that a backup must be signed by one of the signers. Whoever can write to the store can put a manifest
	// there that is not signed, so a location that has encryption requires it.
	Required bool
	// Signers are those who are trusted.
	Signers []seal.Signer
}

// UnknownSignerError says that a backup is not signed by anybody who is trusted.
type UnknownSignerError struct {
	// Backup is the backup, Signer who signed it; empty for nobody.
	Backup archive.BackupID
	Signer seal.Signer
}

// Error says what to do.
func (e *UnknownSignerError) Error() string {
	text := fmt.Sprintf("backup %s is signed by %s, whom the location does not trust", e.Backup, e.Signer)
	if e.Signer == "" {
		text = fmt.Sprintf("backup %s is signed by nobody, and its location is an encrypted one", e.Backup)
	}
	return "spec.allowUnknownSigner: " + text + ": if you know where the backup comes from, add the signer to " +
		"spec.encryption.trustedSigners of the BackupLocation, or set allowUnknownSigner to true for this restore (--allow-unknown-signer)"
}

// Judge returns nil for a backup that may be restored, and an UnknownSignerError otherwise.
func (t Trust) Judge(manifest *archive.Manifest) error {
	if !t.Required || manifest.Signer != "" && slices.Contains(t.Signers, manifest.Signer) {
		return nil
	}
	return &UnknownSignerError{Backup: manifest.ID, Signer: manifest.Signer}
}
