package archive

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/soda-cdm/kahu/internal/core"
)

// Marker is the file kahu.json, which makes a place in a store a location.
type Marker struct {
	// FormatVersion is set by EncodeMarker.
	FormatVersion int `json:"formatVersion"`
	// LocationID is new for every location: letters, digits and hyphens.
	LocationID string `json:"locationID"`
	// Created is the time of writing.
	Created time.Time `json:"created"`
}

// Owner is the file owner.json, by which a cluster recognises that its folder was written by nobody else since.
type Owner struct {
	// FormatVersion is set by EncodeOwner.
	FormatVersion int `json:"formatVersion"`
	// ClusterID is the cluster whose folder it is.
	ClusterID string `json:"clusterID"`
	// Nonce is new with every writing: letters, digits and hyphens.
	Nonce string `json:"nonce"`
	// Written is the time of writing.
	Written time.Time `json:"written"`
	// Heir is the cluster that wrote it, where another one has taken the folder over.
	Heir string `json:"heir,omitempty"`
}

// Intent is the file that an attempt writes before everything else.
type Intent struct {
	// FormatVersion is set by EncodeIntent.
	FormatVersion int `json:"formatVersion"`
	// Backup names the backup.
	Backup BackupID `json:"backup"`
	// Attempt is in the names of the run's segments.
	Attempt string `json:"attempt"`
	// Started is the time of writing.
	Started time.Time `json:"started"`
	// Earlier are the attempts at the same backup that were interrupted and on which this one goes on, the oldest first.
	Earlier []string `json:"earlier,omitempty"`
	// Base is the backup on which the run builds and whose segments must stay; nil for a full backup.
	Base *BackupID `json:"base"`
	// Uses are the attempts of earlier runs of whose segments the manifest may name some: those of the manifest of the
	// base, and those that the intents of Earlier name. While the run goes on all their segments stay, whatever is deleted.
	Uses []string `json:"uses,omitempty"`
}

// Attempts returns all attempts of whose segments the manifest of the run may name some, each once.
func (i *Intent) Attempts() []string {
	all := append(append([]string{i.Attempt}, i.Earlier...), i.Uses...)
	slices.Sort(all)
	return slices.Compact(all)
}

// EncodeMarker returns the content of the file, or core.ErrInvalid.
func EncodeMarker(marker Marker) ([]byte, error) {
	marker.FormatVersion, marker.Created = FormatVersion, wholeSeconds(marker.Created)
	return encodeSmall("marker", &marker)
}

// DecodeMarker reads the whole file. The errors are core.ErrCorrupt, NewerFormatError and those of the reader.
func DecodeMarker(reader io.Reader) (Marker, error) {
	var marker Marker
	return marker, decodeSmall("marker", reader, &marker)
}

// EncodeOwner returns the content of the file, or core.ErrInvalid.
func EncodeOwner(owner Owner) ([]byte, error) {
	owner.FormatVersion, owner.Written = FormatVersion, wholeSeconds(owner.Written)
	return encodeSmall("owner file", &owner)
}

// DecodeOwner reads the whole file. The errors are core.ErrCorrupt, NewerFormatError and those of the reader.
func DecodeOwner(reader io.Reader) (Owner, error) {
	var owner Owner
	return owner, decodeSmall("owner file", reader, &owner)
}

// EncodeIntent returns the content of the file, or core.ErrInvalid.
func EncodeIntent(intent Intent) ([]byte, error) {
	intent.FormatVersion, intent.Started = FormatVersion, wholeSeconds(intent.Started)
	return encodeSmall("intent", &intent)
}

// DecodeIntent reads the whole file. The errors are core.ErrCorrupt, NewerFormatError and those of the reader.
func DecodeIntent(reader io.Reader) (Intent, error) {
	var intent Intent
	return intent, decodeSmall("intent", reader, &intent)
}

// checker is a small file that knows what it must be.
type checker interface{ check() error }

func (m *Marker) check() error {
	if m.Created.IsZero() {
		return invalid("the time is missing")
	}
	return checkLocationID(m.LocationID)
}

func (o *Owner) check() error {
	if o.Written.IsZero() {
		return invalid("the time is missing")
	}
	if !isID(o.Nonce) {
		return invalid("nonce %q", clip(o.Nonce))
	}
	if o.Heir != "" && !isID(o.Heir) {
		return invalid("heir %q", clip(o.Heir))
	}
	return CheckClusterID(o.ClusterID)
}

func (i *Intent) check() error {
	if i.Started.IsZero() {
		return invalid("the time is missing")
	}
	if err := i.Backup.Check(); err != nil {
		return err
	}
	if err := CheckAttempt(i.Attempt); err != nil {
		return err
	}
	if len(i.Earlier) > MaxAttempts {
		return invalid("%d earlier attempts", len(i.Earlier))
	}
	if len(i.Uses) > MaxUses || len(i.Uses) > 0 && i.Base == nil {
		return invalid("%d attempts are used, with a base: %t", len(i.Uses), i.Base != nil)
	}
	for _, attempt := range slices.Concat(i.Earlier, i.Uses) {
		if err := CheckAttempt(attempt); err != nil {
			return err
		}
	}
	return i.checkBase()
}

func (i *Intent) checkBase() error {
	if i.Base == nil {
		return nil
	}
	if i.Base.ClusterID != i.Backup.ClusterID {
		return invalid("base %s is of another cluster", clip(i.Base.String()))
	}
	return i.Base.Check()
}

func checkLocationID(id string) error {
	if !isID(id) {
		return fmt.Errorf("location id %q: %w", clip(id), core.ErrInvalid)
	}
	return nil
}

// encodeSmall returns one line of JSON.
func encodeSmall(what string, file checker) ([]byte, error) {
	if err := file.check(); err != nil {
		return nil, fmt.Errorf("encoding %s: %w", what, err)
	}
	var line bytes.Buffer
	if err := newLineEncoder(&line).Encode(file); err != nil {
		return nil, fmt.Errorf("encoding %s: %w", what, err)
	}
	return line.Bytes(), nil
}

// decodeSmall reads one line of JSON and nothing else.
func decodeSmall(what string, reader io.Reader, file checker) error {
	data, err := readAll(what, reader, MaxSmallFileSize)
	if err != nil {
		return err
	}
	var version struct {
		FormatVersion int `json:"formatVersion"`
	}
	if err := json.Unmarshal(data, &version); err != nil {
		return corrupt(what, err)
	}
	if err := checkFormat(what, version.FormatVersion); err != nil {
		return err
	}
	if bytes.IndexByte(data, '\n') != len(data)-1 {
		return corrupt(what, fmt.Errorf("%d bytes are not one line", len(data)))
	}
	if err := json.Unmarshal(data, file); err != nil {
		return corrupt(what, err)
	}
	if err := file.check(); err != nil {
		return corrupt(what, err)
	}
	return nil
}
