package backup

import (
	"context"
	"encoding/json"
	"io"

	"github.com/soda-cdm/kahu/internal/core/archive"
	"github.com/soda-cdm/kahu/internal/core/seal"
	"github.com/soda-cdm/kahu/internal/engine"
)

// Sealing says how a backup is encrypted and signed.
type Sealing struct {
	// Epoch is what the files are encrypted to, Signing signs the manifest and checkpoints.
	Epoch   seal.Epoch
	Signing *seal.SigningKey
	// Check is asked before the manifest is written whether the key is still wrapped for everybody who shall read: an error
	// ends the run.
	Check func(ctx context.Context) error
	// Keys opens what an interrupted attempt has encrypted. Where it cannot, everything is copied again.
	Keys engine.Keys
	// Comparison is this cluster's own key, which opens what it compares the next backup with, and nothing else; nil where the
	// cluster can read what it writes, and where it has none, as NoComparison says.
	Comparison   *seal.Key
	NoComparison string
}

// nothingToEnd is a writer that needs no end.
type nothingToEnd struct{ io.Writer }

// Close does nothing.
func (nothingToEnd) Close() error { return nil }

// sealTo returns a writer that encrypts, if the backup is encrypted. It must be closed, which does not close the target.
func (r *run) sealTo(target io.Writer) (io.WriteCloser, error) {
	if r.request.Sealing == nil {
		return nothingToEnd{target}, nil
	}
	return r.request.Sealing.Epoch.Seal(target)
}

// sealer is sealTo for packers, which ask for none where nothing is encrypted.
func (r *run) sealer() func(io.Writer) (io.WriteCloser, error) {
	if r.request.Sealing == nil {
		return nil
	}
	return r.request.Sealing.Epoch.Seal
}

// sealBytes encrypts a small content, if the backup is encrypted.
func (r *run) sealBytes(content []byte) ([]byte, error) {
	if r.request.Sealing == nil {
		return content, nil
	}
	return r.request.Sealing.Epoch.SealBytes(content)
}

// signing returns the key that signs, nil where nothing is signed.
func (r *run) signing() *seal.SigningKey {
	if r.request.Sealing == nil {
		return nil
	}
	return r.request.Sealing.Signing
}

// signer returns who must have signed what is taken over.
func (r *run) signer() seal.Signer {
	if key := r.signing(); key != nil {
		return key.Signer()
	}
	return ""
}

// earlierContents reads what earlier attempts have written: with the key of the present epoch, as a backup has one only.
func (r *run) earlierContents(ctx context.Context) (*engine.Contents, error) {
	if r.request.Sealing == nil {
		return engine.PlainContents(r.files), nil
	}
	var encrypted archive.Manifest
	encrypted.ID, encrypted.Encryption.Epoch = r.request.ID, r.request.Sealing.Epoch.ID()
	return engine.ContentsOf(ctx, r.files, r.request.Sealing.Keys, &encrypted)
}

// writeDetails writes what the manifest of an encrypted backup does not say.
func (r *run) writeDetails(ctx context.Context) error {
	if r.request.Sealing == nil {
		return nil
	}
	_, names := archive.WithoutVolumeNames(r.volumes())
	plain, err := archive.EncodeDetails(archive.Details{ID: r.request.ID, Backup: r.request.Object, Missing: r.missingRows(), Volumes: names})
	if err != nil {
		return err
	}
	content, err := r.sealBytes(plain)
	if err != nil {
		return err
	}
	name := r.request.ID.DetailsNameOf(r.own())
	r.detailsFile = archive.File{Name: name, Size: int64(len(content)), Digest: archive.DigestOf(content)}
	return engine.CreateFile(ctx, r.files, name, content)
}

// checkKey makes sure that whoever shall read the backup can.
func (r *run) checkKey(ctx context.Context) error {
	if r.request.Sealing == nil {
		return nil
	}
	return r.request.Sealing.Check(ctx)
}

// missingRows returns what is missing, as the manifest has it.
func (r *run) missingRows() []archive.Missing {
	missing := make([]archive.Missing, 0, len(r.Rows))
	for _, row := range r.Rows {
		missing = append(missing, row.Missing())
	}
	return missing
}

// encode returns the manifest as it is written.
func (r *run) encode(manifest archive.Manifest) ([]byte, error) {
	if r.request.Sealing == nil {
		return archive.EncodeManifest(manifest)
	}
	manifest.Backup, manifest.Missing = json.RawMessage(nil), nil
	manifest.Volumes, _ = archive.WithoutVolumeNames(manifest.Volumes)
	manifest.Encryption = r.encryption()
	return archive.SealManifest(manifest, r.request.Sealing.Signing)
}

// encryption says with what the files are encrypted.
func (r *run) encryption() archive.Encryption {
	if r.request.Sealing == nil {
		return archive.Encryption{}
	}
	return archive.Encryption{Scheme: archive.SchemeAge, Epoch: r.request.Sealing.Epoch.ID(), Details: r.detailsFile, Comparison: r.comparison}
}
