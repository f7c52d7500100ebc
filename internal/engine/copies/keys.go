package copies

import (
	"context"
	"errors"
	"fmt"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/copyplan"
	"github.com/soda-cdm/kahu/internal/core/seal"
	"github.com/soda-cdm/kahu/internal/engine"
)

// sendKeys sends the wrapped keys of an encrypted backup, so that whoever can read the backup can read the copy. A key that
// is there already with other bytes may have been wrapped for the same recipient another time, and stays if it is whole.
func (r *run) sendKeys(ctx context.Context) error {
	if r.manifest.Encryption.IsZero() {
		return nil
	}
	epoch := r.manifest.Encryption.Epoch
	names, err := r.keys(ctx, epoch)
	if err != nil {
		return err
	}
	for _, name := range append(names, seal.EpochName(epoch)) {
		content, err := engine.ReadBounded(ctx, r.from, name, seal.MaxKeyFileSize)
		if errors.Is(err, core.ErrNotFound) && name == seal.EpochName(epoch) {
			continue // It is for people.
		}
		if err != nil {
			return &copyplan.SourceError{File: name, Err: err}
		}
		if err := r.sendKey(ctx, name, content); err != nil {
			return err
		}
	}
	return nil
}

// sendKey sends a wrapped key, or the file that tells people of the epoch.
func (r *run) sendKey(ctx context.Context, name string, content []byte) error {
	err := r.create(ctx, name, content)
	if _, other := errors.AsType[*copyplan.RefusedError](err); !other {
		return err
	}
	epoch, recipient, isKey := seal.ParseWrapName(name)
	if !isKey {
		return nil
	}
	err = r.checkKey(ctx, name, epoch, recipient)
	if errors.Is(err, core.ErrCorrupt) {
		return &copyplan.RefusedError{Reason: copyplan.Differs, Message: fmt.Sprintf("%s is at the location of the copy and is "+
			"damaged there, so that its recipient could not read the copy: bring it back from a copy of the store, or remove that file, "+
			"and ask again: %s", name, err.Error())}
	}
	return err
}

// checkKey returns core.ErrCorrupt where a key at the target is none: as far as can be told without an identity, and for sure
// where that of its recipient is at hand.
func (r *run) checkKey(ctx context.Context, name, epoch, recipient string) error {
	found, err := engine.ReadBounded(ctx, r.to, name, seal.MaxKeyFileSize)
	if err != nil {
		return err
	}
	if err := seal.CheckWrapped(found); err != nil || r.request.Identities == nil {
		return err
	}
	held, err := r.request.Identities(ctx)
	if err != nil {
		return fmt.Errorf("reading the identities: %w", err)
	}
	for _, identity := range held {
		if identity.Recipient().ID() != recipient {
			continue
		}
		if _, err := seal.Unwrap(found, identity, epoch); err != nil {
			return err
		}
	}
	return nil
}

// keys returns the names of the wrapped keys of an epoch at the source.
func (r *run) keys(ctx context.Context, epoch string) ([]string, error) {
	folder := seal.WrapFolder(epoch)
	var names []string
	err := r.from.List(ctx, folder, func(file core.FileInfo) error {
		if _, _, ok := seal.ParseWrapName(file.Name); ok {
			names = append(names, file.Name)
		}
		if len(names) > maxKeys {
			return fmt.Errorf("%s has more than %d keys: %w", folder, maxKeys, core.ErrCorrupt)
		}
		return nil
	})
	if err == nil && len(names) == 0 {
		err = fmt.Errorf("the wrapped keys of the epoch are not there, without which nobody can read the backup: %w", core.ErrNotFound)
	}
	if err != nil {
		return nil, &copyplan.SourceError{File: folder, Err: err}
	}
	return names, nil
}

// maxKeys bounds for how many recipients a key can have been wrapped, those that were removed included.
const maxKeys = 1000
