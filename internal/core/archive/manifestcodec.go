package archive

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/seal"
)

// EncodeManifest returns the two lines of a manifest: the body, and the digest of the body's bytes without the line
// break. It sets the format version, turns times into whole seconds of UTC, cuts long messages and gives
// core.ErrInvalid for a manifest that contradicts itself or is too large.
func EncodeManifest(manifest Manifest) ([]byte, error) {
	if !manifest.Encryption.IsZero() {
		return nil, fmt.Errorf("encoding manifest: that of an encrypted backup is signed: %w", core.ErrInvalid)
	}
	manifest.FormatVersion = FormatVersion
	return encodeManifest(manifest, nil)
}

// SealManifest is EncodeManifest for an encrypted backup: the second line has the signature too.
func SealManifest(manifest Manifest, key *seal.SigningKey) ([]byte, error) {
	if manifest.Encryption.IsZero() || key == nil {
		return nil, fmt.Errorf("encoding manifest: it needs the encryption and a key: %w", core.ErrInvalid)
	}
	manifest.FormatVersion = SealedVersion
	return encodeManifest(manifest, key)
}

func encodeManifest(manifest Manifest, key *seal.SigningKey) ([]byte, error) {
	manifest.Started, manifest.Completed = wholeSeconds(manifest.Started), wholeSeconds(manifest.Completed)
	manifest.Missing = cutMissing(manifest.Missing)
	if err := manifest.check(); err != nil {
		return nil, fmt.Errorf("encoding manifest: %w", err)
	}
	body := manifestBody{Manifest: manifest, Kinds: []kindLine{}, Volumes: append([]Volume{}, manifest.Volumes...), Encryption: json.RawMessage("null")}
	if key != nil {
		encryption, err := json.Marshal(manifest.Encryption)
		if err != nil {
			return nil, fmt.Errorf("encoding manifest: %w", err)
		}
		body.Encryption, body.Backup = encryption, nil
	}
	for i := range manifest.Kinds {
		body.Kinds = append(body.Kinds, manifest.Kinds[i].line())
	}
	body.Missing = append([]Missing{}, manifest.Missing...)
	body.Segments = append([]File{}, manifest.Segments...)
	var lines bytes.Buffer
	encoder := newLineEncoder(&lines)
	if err := encoder.Encode(body); err != nil {
		return nil, fmt.Errorf("encoding manifest: %w: %w", core.ErrInvalid, err)
	}
	digest := DigestOf(bytes.TrimSuffix(lines.Bytes(), []byte("\n")))
	lines.Write(lastLine(digest, seal.PurposeManifest, key))
	if lines.Len() > MaxManifestSize {
		return nil, fmt.Errorf("encoding manifest: %d bytes are more than %d: %w",
			lines.Len(), MaxManifestSize, core.ErrInvalid)
	}
	return lines.Bytes(), nil
}

// DecodeManifest reads a whole manifest. What is truncated, altered or followed by more gives core.ErrCorrupt, a
// later format NewerFormatError, and encryption that this program does not know core.ErrUnsupported.
// Fields that this program does not know are passed over. Errors of the source are passed on.
func DecodeManifest(reader io.Reader) (Manifest, error) {
	data, err := readAll("manifest", reader, MaxManifestSize)
	if err != nil {
		return Manifest{}, err
	}
	line, signer, err := openSeal(data)
	if err != nil {
		return Manifest{}, err
	}
	var body manifestBody
	if err := json.Unmarshal(line, &body); err != nil {
		return Manifest{}, corrupt("manifest", err)
	}
	for i := range body.Kinds {
		body.Manifest.Kinds = append(body.Manifest.Kinds, body.Kinds[i].kind())
	}
	if len(body.Volumes) > 0 {
		body.Manifest.Volumes = body.Volumes
	}
	if err := body.takeEncryption(); errors.Is(err, core.ErrInvalid) {
		return Manifest{}, corrupt("manifest", err)
	} else if err != nil {
		return Manifest{}, err
	}
	body.Signer = signer
	if err := body.check(); err != nil {
		return Manifest{}, corrupt("manifest", err)
	}
	return body.Manifest, nil
}

// openSeal returns the first line of a manifest that matches its digest, and who signed it. Whatever later formats change,
// they have a first line that is a JSON object with formatVersion.
func openSeal(data []byte) ([]byte, seal.Signer, error) {
	line, last, _ := bytes.Cut(data, []byte("\n"))
	signer, sealErr := checkLastLine(last, DigestOf(line), seal.PurposeManifest)
	if sealErr != nil && isLastLine(last) {
		return nil, "", corrupt("manifest", sealErr)
	}
	var version struct {
		FormatVersion int `json:"formatVersion"`
	}
	if err := json.Unmarshal(line, &version); err != nil {
		return nil, "", corrupt("manifest", err)
	}
	if version.FormatVersion != SealedVersion {
		if version.FormatVersion > SealedVersion {
			return nil, "", &NewerFormatError{What: "manifest", Found: version.FormatVersion, Supported: SealedVersion}
		}
		if err := checkFormat("manifest", version.FormatVersion); err != nil {
			return nil, "", err
		}
	}
	if sealErr != nil {
		return nil, "", corrupt("manifest", fmt.Errorf("%d bytes are not a body and its digest", len(data)))
	}
	if (version.FormatVersion == SealedVersion) != (signer != "") {
		return nil, "", corrupt("manifest", fmt.Errorf("format version %d, signed by %q", version.FormatVersion, signer))
	}
	return line, signer, nil
}

// readAll reads a file of at most so many bytes.
func readAll(what string, reader io.Reader, limit int64) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(reader, limit+1))
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", what, err)
	}
	if int64(len(data)) > limit {
		return nil, corrupt(what, fmt.Errorf("more than %d bytes", limit))
	}
	return data, nil
}

func wholeSeconds(t time.Time) time.Time { return t.UTC().Truncate(time.Second) }

// cut keeps a text for people within MaxMessageSize, without cutting a character in two.
func cut(text string) string {
	const mark = "..."
	if len(text) <= MaxMessageSize {
		return text
	}
	end := MaxMessageSize - len(mark)
	for end > 0 && text[end]&0xC0 == 0x80 {
		end--
	}
	return text[:end] + mark
}
