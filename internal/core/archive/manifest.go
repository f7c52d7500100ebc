package archive

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/seal"
)

// Manifest makes the files of a backup a backup. It is written last: a backup exists when, and only when, its
// manifest is in the store and matches its own digest.
type Manifest struct {
	// FormatVersion is set by EncodeManifest.
	FormatVersion int `json:"formatVersion"`
	// LocationID is the id in the marker of the location.
	LocationID string `json:"locationID"`
	// ID names the backup.
	ID BackupID `json:"id"`
	// Attempt is the attempt that wrote the manifest.
	Attempt string `json:"attempt"`
	// Writer is the name and version of the program that wrote the manifest.
	Writer string `json:"writer"`
	// ServerVersion is the version of the API server whose objects these are; empty where it is not known of all.
	ServerVersion string `json:"serverVersion"`
	// Started and Completed are the times of the run, by the writer's clock.
	Started   time.Time `json:"started"`
	Completed time.Time `json:"completed"`
	// Complete tells whether everything that was asked for is in the backup.
	Complete bool `json:"complete"`
	// Missing names what was asked for and is not in the backup: the first MaxMissing of it; the report has all.
	Missing []Missing `json:"missing"`
	// MissingCount is the number of all that is missing; 0 exactly where the backup is complete.
	MissingCount int64 `json:"missingCount"`
	// Warnings is the number of warnings in the report.
	Warnings int64 `json:"warnings"`
	// Backup is the Backup object as it was when the run began, as JSON.
	Backup json.RawMessage `json:"backup"`
	// Kinds are the kinds in the index, in its order.
	Kinds []IndexedKind `json:"-"`
	// Counts are the numbers of objects.
	Counts Counts `json:"counts"`
	// Sizes are the numbers of bytes.
	Sizes Sizes `json:"sizes"`
	// Intent is the file that was written first; manifests of early releases do not name it.
	Intent File `json:"intent,omitzero"`
	// Index and Report are the backup's own files, and Segments those with the objects.
	Index    File   `json:"index"`
	Report   File   `json:"report"`
	Segments []File `json:"segments"`
	// Volumes are the backups of the data of claims, in the order of their namespaces and names.
	Volumes []Volume `json:"-"`
	// Increment says what was taken over from an earlier backup; the zero value: nothing.
	Increment Increment `json:"increment,omitzero"`
	// Encryption says with what the files are encrypted. Then Backup and Missing are in the file of details.
	Encryption Encryption `json:"-"`
	// Signer is who signed the manifest, set by DecodeManifest; it says nothing of whether they are to be trusted. Empty
	// where nobody did.
	Signer seal.Signer `json:"-"`
}

// Encryption says with what the files of a backup are encrypted. The zero value: with nothing.
type Encryption struct {
	// Scheme is SchemeAge.
	Scheme string `json:"scheme"`
	// Epoch is the id of the key.
	Epoch string `json:"epoch"`
	// Details is the file with what the manifest does not say.
	Details File `json:"details"`
	// Comparison is the file with which the cluster that wrote the backup compares a later one; there may be none.
	Comparison Comparison `json:"comparison,omitzero"`
}

// SchemeAge is the format of age-encryption.org/v1.
const SchemeAge = "age"

// IsZero tells that nothing is encrypted.
func (e Encryption) IsZero() bool { return e == Encryption{} }

// check returns core.ErrInvalid where it cannot be true.
func (e Encryption) check() error {
	if e.Scheme != SchemeAge {
		return fmt.Errorf("encryption %q is not known: %w", clip(e.Scheme), core.ErrUnsupported)
	}
	return seal.CheckID(e.Epoch)
}

// Missing is something that was asked for and is not in a backup.
type Missing struct {
	// APIVersion and Kind name the kind. Where all of a group is missing, the kind is empty.
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind,omitempty"`
	// Namespace and Name name an object; empty where all objects of the kind are missing, or those of a namespace.
	Namespace string `json:"namespace,omitempty"`
	Name      string `json:"name,omitempty"`
	// Reason is a word in camel case on which code can act.
	Reason string `json:"reason"`
	// Message says what happened, and what to do.
	Message string `json:"message,omitempty"`
}

// String names it for people.
func (m Missing) String() string {
	switch {
	case m.Kind == "":
		return "every kind of " + m.APIVersion
	case m.Name == "" && m.Namespace == "":
		return "every " + m.Kind
	case m.Name == "":
		return "every " + m.Kind + " in namespace " + m.Namespace
	case m.Namespace == "":
		return m.Kind + " " + m.Name
	}
	return m.Kind + " " + m.Namespace + "/" + m.Name
}

// Counts are numbers of objects.
type Counts struct {
	// Objects are those in the index.
	Objects int64 `json:"objects"`
	// Selected are those of them that the filters chose; the others are needed by these.
	Selected int64 `json:"selected"`
	// Excluded are those that were read and left out by a rule.
	Excluded int64 `json:"excluded"`
	// Vanished are those that were deleted while the backup ran.
	Vanished int64 `json:"vanished"`
}

// Sizes are numbers of bytes.
type Sizes struct {
	// Objects is the JSON of all objects in the index.
	Objects int64 `json:"objects"`
	// Segments is the length of all segment files that the manifest names.
	Segments int64 `json:"segments"`
}

// manifestBody is the first line of a manifest. What version 1 cannot have is written as nothing, and refused when
// there is something: a reader that passed over it would restore less than was backed up. Early readers refuse volumes.
type manifestBody struct {
	Manifest

	Kinds      []kindLine      `json:"kinds"`
	Volumes    []Volume        `json:"volumes"`
	Encryption json.RawMessage `json:"encryption"`
}

// Files returns every file of the backup but the manifest: intent, where the manifest names it, index, report,
// segments. The comparison file, which only the cluster that wrote it can use, is not among them.
func (m *Manifest) Files() []File {
	files := make([]File, 0, 4+len(m.Segments))
	if m.Intent != (File{}) {
		files = append(files, m.Intent)
	}
	if !m.Encryption.IsZero() {
		files = append(files, m.Encryption.Details)
	}
	return append(append(files, m.Index, m.Report), m.Segments...)
}

// Segment returns the segment of that name; ok is false where the backup has none.
func (m *Manifest) Segment(name string) (file File, ok bool) {
	for _, file := range m.Segments {
		if file.Name == name {
			return file, true
		}
	}
	return File{}, false
}

// Attempts returns the attempts that wrote the segments which the manifest names, each once. They are what the intent of
// a run that builds on the backup says in Uses.
func (m *Manifest) Attempts() []string {
	seen := map[string]bool{}
	for _, file := range m.Segments {
		if id, ok := ParseSegmentName(file.Name); ok {
			seen[id.Attempt] = true
		}
	}
	return slices.Sorted(maps.Keys(seen))
}

// check returns core.ErrInvalid where the manifest contradicts itself.
func (m *Manifest) check() error {
	for _, check := range []func() error{m.checkIdentity, m.checkOutcome, m.checkNames, m.checkKinds, m.checkSegments, m.checkFiles, m.checkIncrement, m.checkVolumes} {
		if err := check(); err != nil {
			return err
		}
	}
	return nil
}

func (m *Manifest) checkIdentity() error {
	return errors.Join(m.ID.Check(), CheckAttempt(m.Attempt), checkLocationID(m.LocationID))
}

func (m *Manifest) checkOutcome() error {
	if m.Started.IsZero() || m.Completed.IsZero() {
		return invalid("times are missing")
	}
	if m.Complete != (m.MissingCount == 0) || int64(len(m.Missing)) > m.MissingCount || len(m.Missing) > MaxMissing {
		return invalid("complete is %t with %d missing, %d of them named", m.Complete, m.MissingCount, len(m.Missing))
	}
	return nil
}

// checkNames sees to it that what names objects is where it belongs.
func (m *Manifest) checkNames() error {
	if m.Encryption.IsZero() {
		if len(m.Backup) == 0 || m.Backup[0] != '{' {
			return invalid("the Backup object is not there")
		}
		return nil
	}
	if len(m.Backup) > 0 || len(m.Missing) > 0 {
		return invalid("an encrypted backup keeps the Backup object and the names of what is missing in its details")
	}
	return m.Encryption.check()
}

func (m *Manifest) checkKinds() error {
	if len(m.Kinds) > MaxKinds {
		return invalid("%d kinds", len(m.Kinds))
	}
	var objects int64
	for i := range m.Kinds {
		if err := m.Kinds[i].check(); err != nil {
			return err
		}
		if i > 0 && compareKinds(m.Kinds[i-1].Kind, m.Kinds[i].Kind) >= 0 {
			return invalid("%s is not in order", m.Kinds[i].Kind.GroupResource())
		}
		objects += m.Kinds[i].Count
	}
	if objects != m.Counts.Objects {
		return invalid("%d objects in all and %d in the kinds", m.Counts.Objects, objects)
	}
	return nil
}

// checkSegments sees to it that no name leaves the folder of the cluster, and that none comes twice.
func (m *Manifest) checkSegments() error {
	seen := make(map[string]bool, len(m.Segments))
	var size int64
	for _, file := range m.Segments {
		id, ok := ParseSegmentName(file.Name)
		if !ok || id.ClusterID != m.ID.ClusterID || seen[file.Name] || file.Size > MaxSegmentSize {
			return invalid("segment %q of %d bytes", clip(file.Name), file.Size)
		}
		seen[file.Name] = true
		size += file.Size
	}
	if size != m.Sizes.Segments {
		return invalid("%d bytes of segments in all and %d in the files", m.Sizes.Segments, size)
	}
	return nil
}

func (m *Manifest) checkFiles() error {
	attempt := "" // where the first one wrote the files, their names do not bear it
	if m.Index.Name == m.ID.IndexNameOf(m.Attempt) {
		attempt = m.Attempt
	}
	if m.Index.Name != m.ID.IndexNameOf(attempt) || m.Report.Name != m.ID.ReportNameOf(attempt) {
		return invalid("index %q or report %q is not in the backup's folder", clip(m.Index.Name), clip(m.Report.Name))
	}
	if m.Intent != (File{}) && m.Intent.Name != m.ID.IntentNameOf(attempt) {
		return invalid("intent %q is not in the backup's folder", clip(m.Intent.Name))
	}
	if !m.Encryption.IsZero() && m.Encryption.Details.Name != m.ID.DetailsNameOf(attempt) {
		return invalid("details %q are not in the backup's folder", clip(m.Encryption.Details.Name))
	}
	return errors.Join(m.Encryption.Comparison.check(m.ID, attempt), m.checkSizes())
}

// checkSizes checks what is said of all files.
func (m *Manifest) checkSizes() error {
	for _, file := range m.Files() {
		if file.Size < 1 {
			return invalid("file %q of %d bytes", file.Name, file.Size)
		}
		if err := file.Digest.Check(); err != nil {
			return fmt.Errorf("file %q: %w", file.Name, err)
		}
	}
	return nil
}

func invalid(format string, args ...any) error {
	return fmt.Errorf(format+": %w", append(args, core.ErrInvalid)...)
}

// takeEncryption reads what only later versions have, and returns core.ErrUnsupported for what this program does not know.
func (b *manifestBody) takeEncryption() error {
	encrypted := len(b.Encryption) > 0 && string(b.Encryption) != "null"
	switch {
	case b.FormatVersion < SealedVersion && encrypted:
		return fmt.Errorf("backup %s is encrypted in a way that this version of Kahu cannot read: %w", b.ID, core.ErrUnsupported)
	case b.FormatVersion < SealedVersion:
		return nil
	case !encrypted:
		return invalid("format version %d without encryption", b.FormatVersion)
	}
	if string(b.Backup) == "null" {
		b.Backup = nil
	}
	if err := json.Unmarshal(b.Encryption, &b.Manifest.Encryption); err != nil {
		return fmt.Errorf("encryption: %w: %s", core.ErrInvalid, err.Error())
	}
	return b.Manifest.Encryption.check()
}
