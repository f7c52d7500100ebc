package keyring

import (
	"context"
	"errors"
	"fmt"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/seal"
	"github.com/soda-cdm/kahu/internal/engine"
)

// Files is what finding keys asks of a store.
type Files interface {
	engine.FileReader
	engine.FileLister
}

// Ring finds keys of epochs in the files of a location, with the identities at hand.
type Ring struct {
	// Files is the location.
	Files Files
	// Identities returns the identities at hand, which may be none. They are asked for when they are needed, and not held.
	Identities func(ctx context.Context) ([]seal.Identity, error)
}

// Key returns the key of an epoch, or a seal.KeyNeededError that names the recipients whose identities would open it.
func (k *Ring) Key(ctx context.Context, epoch string) (*seal.Key, error) {
	if err := seal.CheckID(epoch); err != nil {
		return nil, err
	}
	held, err := k.Identities(ctx)
	if err != nil {
		return nil, err
	}
	key, damaged, err := k.unwrapAny(ctx, epoch, held)
	if key != nil || err != nil {
		return key, err
	}
	if damaged != nil {
		return nil, damaged
	}
	recipients, err := k.recipients(ctx, epoch)
	if err != nil {
		return nil, err
	}
	return nil, &seal.KeyNeededError{Epoch: epoch, Recipients: recipients, Held: idsOf(held)}
}

// unwrapAny unwraps the key with the first identity that opens it. Damaged says that a file was there and did not open.
func (k *Ring) unwrapAny(ctx context.Context, epoch string, held []seal.Identity) (found *seal.Key, damaged, err error) {
	for _, identity := range held {
		key, err := k.unwrap(ctx, epoch, identity)
		switch {
		case err == nil:
			return key, nil, nil
		case errors.Is(err, core.ErrCorrupt):
			damaged = err
		case !errors.Is(err, core.ErrNotFound):
			return nil, nil, err
		}
	}
	return nil, damaged, nil
}

// recipients returns the ids of those for whom the key is wrapped, nobody where the store cannot list.
func (k *Ring) recipients(ctx context.Context, epoch string) ([]string, error) {
	var ids []string
	err := k.Files.List(ctx, seal.WrapFolder(epoch), func(file core.FileInfo) error {
		if _, recipient, ok := seal.ParseWrapName(file.Name); ok && len(ids) < seal.MaxRecipients {
			ids = append(ids, recipient)
		}
		return nil
	})
	if errors.Is(err, core.ErrUnsupported) {
		return nil, nil
	}
	return ids, err
}

func (k *Ring) unwrap(ctx context.Context, epoch string, identity seal.Identity) (*seal.Key, error) {
	name := seal.WrapName(epoch, identity.Recipient().ID())
	wrapped, err := engine.ReadBounded(ctx, k.Files, name, seal.MaxKeyFileSize)
	if err != nil {
		return nil, err
	}
	key, err := seal.Unwrap(wrapped, identity, epoch)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return key, nil
}

func idsOf(held []seal.Identity) []string {
	ids := make([]string, 0, len(held))
	for _, identity := range held {
		ids = append(ids, identity.Recipient().ID())
	}
	return ids
}
