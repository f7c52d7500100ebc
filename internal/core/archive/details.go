package archive

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"slices"

	"github.com/soda-cdm/kahu/internal/core"
)

// Details is what the manifest of an encrypted backup does not say, as it names objects. It lies in an encrypted file.
type Details struct {
	// FormatVersion is set by EncodeDetails.
	FormatVersion int `json:"formatVersion"`
	// ID names the backup.
	ID BackupID `json:"id"`
	// Backup and Missing are as in a manifest.
	Backup  json.RawMessage `json:"backup"`
	Missing []Missing       `json:"missing"`
	// Volumes are the names of the volumes, in the order of the manifest's rows.
	Volumes []VolumeNames `json:"volumes,omitempty"`
}

// EncodeDetails returns the line of the file, before encryption. It cuts long messages as EncodeManifest does.
func EncodeDetails(details Details) ([]byte, error) {
	details.FormatVersion = FormatVersion
	details.Missing = cutMissing(details.Missing)
	if err := details.check(); err != nil {
		return nil, fmt.Errorf("encoding details: %w", err)
	}
	var line bytes.Buffer
	if err := newLineEncoder(&line).Encode(details); err != nil {
		return nil, fmt.Errorf("encoding details: %w: %w", core.ErrInvalid, err)
	}
	if line.Len() > MaxManifestSize {
		return nil, fmt.Errorf("encoding details: %d bytes are more than %d: %w", line.Len(), MaxManifestSize, core.ErrInvalid)
	}
	return line.Bytes(), nil
}

// DecodeDetails reads the decrypted file. The errors are core.ErrCorrupt, NewerFormatError and those of the reader.
func DecodeDetails(reader io.Reader) (Details, error) {
	data, err := readAll("details", reader, MaxManifestSize)
	if err != nil {
		return Details{}, err
	}
	var details Details
	if err := json.Unmarshal(data, &details); err != nil {
		return Details{}, corrupt("details", err)
	}
	if err := checkFormat("details", details.FormatVersion); err != nil {
		return Details{}, err
	}
	if err := details.check(); err != nil {
		return Details{}, corrupt("details", err)
	}
	return details, nil
}

func (d *Details) check() error {
	if len(d.Backup) == 0 || d.Backup[0] != '{' {
		return invalid("the Backup object is not there")
	}
	if len(d.Missing) > MaxMissing {
		return invalid("%d missing", len(d.Missing))
	}
	return d.ID.Check()
}

// Complete adds to a manifest what its details say, or returns core.ErrCorrupt where they are not its own.
func (d *Details) Complete(manifest *Manifest) error {
	if len(d.Volumes) != len(manifest.Volumes) {
		return corrupt("details", fmt.Errorf("they name %d volumes of %d", len(d.Volumes), len(manifest.Volumes)))
	}
	if d.ID != manifest.ID || int64(len(d.Missing)) > manifest.MissingCount {
		return corrupt("details", fmt.Errorf("they are of backup %s, with %d missing", d.ID, len(d.Missing)))
	}
	manifest.Backup, manifest.Missing = d.Backup, d.Missing
	manifest.Volumes = slices.Clone(manifest.Volumes)
	for i := range manifest.Volumes {
		manifest.Volumes[i].VolumeNames = d.Volumes[i]
	}
	return nil
}

// cutMissing returns the rows with texts that are short enough.
func cutMissing(rows []Missing) []Missing {
	rows = slices.Clone(rows)
	for i := range rows {
		rows[i].Name = cut(rows[i].Name)
		rows[i].Message = cut(rows[i].Message)
	}
	return rows
}
