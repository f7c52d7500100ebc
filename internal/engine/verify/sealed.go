package verify

import (
	"context"
	"errors"
	"io"

	"golang.org/x/sync/errgroup"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/archive"
	"github.com/soda-cdm/kahu/internal/core/seal"
	"github.com/soda-cdm/kahu/internal/engine"
)

// findKey finds the key of an encrypted backup.
func (v *run) findKey(ctx context.Context) error {
	found, err := engine.ContentsOf(ctx, v.files, v.request.Keys, &v.manifest)
	if needed, is := errors.AsType[*seal.KeyNeededError](err); is {
		v.sealed = needed
		return nil
	}
	v.contents = found
	return err
}

// checkSealed compares all files with their digests, where there is no key to look into them.
func (v *run) checkSealed(ctx context.Context) error {
	if v.sealed == nil {
		return nil
	}
	v.over = true
	checking, inner := errgroup.WithContext(ctx)
	checking.SetLimit(max(1, v.Readers))
	for _, file := range v.manifest.Files() {
		checking.Go(func() error {
			v.read.files.Add(1)
			err := v.readWhole(inner, file, &v.read.bytes, func(io.Reader) error { return nil })
			if row, damaged := rowOf(file, err); damaged {
				row.Message += "; which objects are in it only the key tells"
				v.found.Add(row)
				return nil
			}
			return err
		})
	}
	return checking.Wait()
}

// checkComparison compares the comparison file with its digest: only the cluster that wrote it has its key. That it is not
// there is no damage, as copies have none.
func (v *run) checkComparison(ctx context.Context) error {
	file := v.manifest.Encryption.Comparison.File
	if file == (archive.File{}) {
		return nil
	}
	err := v.readWhole(ctx, file, &v.read.bytes, func(io.Reader) error { return nil })
	if errors.Is(err, core.ErrNotFound) {
		return nil
	}
	v.read.files.Add(1)
	if row, damaged := rowOf(file, err); damaged {
		row.Message += unneeded + ", only the next incremental backup of the cluster that wrote it"
		v.found.Add(row)
		return nil
	}
	return err
}

// checkDetails reads the details of an encrypted backup.
func (v *run) checkDetails(ctx context.Context) error {
	if v.manifest.Encryption.IsZero() {
		return nil
	}
	v.read.files.Add(1)
	file := v.manifest.Encryption.Details
	err := v.readWhole(ctx, file, &v.read.bytes, func(content io.Reader) error {
		details, err := archive.DecodeDetails(content)
		if err != nil {
			return err
		}
		manifest := v.manifest
		return details.Complete(&manifest)
	})
	if row, damaged := rowOf(file, err); damaged {
		row.Message += "; without its details the backup cannot be restored"
		row.ObjectsTotal = v.manifest.Counts.Objects
		v.found.Add(row)
		return nil
	}
	return err
}

// decrypt returns what is in a file, if it is encrypted and there is a key.
func (v *run) decrypt(file archive.File, source io.Reader) (io.Reader, error) {
	if v.contents == nil || file.Name == v.manifest.Intent.Name || file == v.manifest.Encryption.Comparison.File {
		return source, nil
	}
	return v.contents.Decrypt(source)
}
