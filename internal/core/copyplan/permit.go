package copyplan

import (
	"bytes"
	"fmt"
	"time"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/archive"
)

// The reasons of a RefusedError. They are stable.
const (
	// NotEncrypted: it would lie in plain text where everything else is encrypted.
	NotEncrypted = "SourceNotEncrypted"
	// SamePlace: the backup and its copy would be the same files.
	SamePlace = "SameLocation"
	// Differs: something else is in the place of a file of the copy.
	Differs = "CopyDiffers"
	// Gone: a copy that was made is not at its location any more. It is the reason of a row, and of no error.
	Gone = "CopyGone"
)

// RefusedError says that a copy is not made, whenever it is tried.
type RefusedError struct {
	// Reason is one of the reasons of this package, Message says what to do.
	Reason, Message string
}

// Error returns the message.
func (e *RefusedError) Error() string { return e.Message }

// Place is one end of a copy.
type Place struct {
	// Name is the name of the location for people, ID its identity.
	Name, ID string
	// Encrypted tells whether what is written there is to be encrypted.
	Encrypted bool
	// Epoch is the key with which this cluster encrypts there; empty for none.
	Epoch string
}

// Permit returns nil where the backup of a manifest may be copied from one place to the other, or a RefusedError.
func Permit(manifest *archive.Manifest, from, to Place) error {
	switch {
	case from.ID == to.ID:
		return &RefusedError{SamePlace, fmt.Sprintf("location %q is the place at which the backup is: name another one", to.Name)}
	case to.Encrypted && manifest.Encryption.IsZero():
		return &RefusedError{NotEncrypted, fmt.Sprintf("the backup is not encrypted, and what is written to location %q is: "+
			"make another backup at a location that is encrypted, and copy that one", to.Name)}
	}
	return nil
}

// Note says what is to be known of a copy that may be made, or nothing.
func Note(manifest *archive.Manifest, from, to Place) string {
	epoch := manifest.Encryption.Epoch
	switch {
	case epoch == "":
		return ""
	case !to.Encrypted:
		return fmt.Sprintf("It stays encrypted: whoever can read it at location %q can read it here. To restore from here, "+
			"give this location spec.encryption with such an identity.", from.Name)
	case epoch != to.Epoch:
		return fmt.Sprintf("It stays encrypted with the key of epoch %s: whoever can read it at location %q can read it here. "+
			"The recipients of this location can where this cluster has an identity that opens that key.", epoch, from.Name)
	}
	return ""
}

// Compare compares the manifest of the backup with what is in its place at the target. It returns a RefusedError where
// that is another one.
func Compare(id archive.BackupID, manifest, found []byte) error {
	if bytes.Equal(manifest, found) {
		return nil
	}
	return &RefusedError{Differs, fmt.Sprintf("%s is there and is not that of this backup: if it is a damaged copy, "+
		"delete that one and ask again", id.ManifestName())}
}

// Order returns the files of a backup in batches, each of which is sent before the next one. The intent, which says what
// the others are for, comes first; the manifest, which is last, is not among them.
func Order(manifest *archive.Manifest) [][]archive.File {
	var first, rest []archive.File
	for _, file := range manifest.Files() {
		if manifest.ID.IsIntent(file.Name) {
			first = append(first, file)
			continue
		}
		rest = append(rest, file)
	}
	if len(first) == 0 {
		return [][]archive.File{rest}
	}
	return [][]archive.File{first, rest}
}

// Intent returns what an attempt at a copy says at the target before it sends anything: of whose segments it names some. It
// builds on the backup, as an incremental backup builds on its base.
func Intent(manifest *archive.Manifest, attempt string, now time.Time) archive.Intent {
	uses := manifest.Attempts()
	over := max(0, len(uses)-archive.MaxUses) // A backup may name those of its own besides.
	return archive.Intent{
		Backup: manifest.ID, Attempt: attempt, Started: now, Base: &manifest.ID, Earlier: uses[:over], Uses: uses[over:],
	}
}

// IsOfCopy tells whether a file in the folder of a backup is the intent of an attempt at copying it there, and not that of
// the backup.
func IsOfCopy(manifest *archive.Manifest, name string) bool {
	return manifest.ID.IsIntent(name) && name != manifest.Intent.Name && name != manifest.ID.IntentName()
}

// Size returns the number of bytes of the files of a backup, the manifest besides.
func Size(manifest *archive.Manifest) int64 {
	var size int64
	for _, file := range manifest.Files() {
		size += file.Size
	}
	return size
}

// Lack returns the first of the files of a backup that is not among those found, with its size, and how many are not.
func Lack(manifest *archive.Manifest, found map[string]int64) (first string, number int64) {
	for _, file := range manifest.Files() {
		if size, there := found[file.Name]; there && size == file.Size {
			continue
		}
		if number == 0 {
			first = file.Name
		}
		number++
	}
	return first, number
}

// LackError says that a file that was at the target when it was looked for is not there any more. Another try sends it.
func LackError(first string, number int64) error {
	return fmt.Errorf("not at the location any more: %s of the copy, the first is %s: %w",
		core.Count(number, "file"), first, core.ErrUnavailable)
}
