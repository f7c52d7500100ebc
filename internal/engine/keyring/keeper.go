package keyring

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"k8s.io/utils/clock"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/archive"
	"github.com/soda-cdm/kahu/internal/core/seal"
	"github.com/soda-cdm/kahu/internal/engine"
)

// KeeperFiles is what keeping the keys of a location asks of a store.
type KeeperFiles interface {
	engine.FileReader
	engine.FileLister
	engine.FileCreator
}

// Keeper sees to it that the recipients of a location can read what is written there, and nobody else.
type Keeper struct {
	// Files is the location.
	Files KeeperFiles
	// Clock gives the times that are written down, ClusterID says who wrote them.
	Clock     clock.PassiveClock
	ClusterID string
}

// Wrapped is the key of an epoch, wrapped for a recipient.
type Wrapped struct {
	// Recipient is the id of the recipient.
	Recipient string
	// Digest is that of the file, Content what is in it.
	Digest  archive.Digest
	Content []byte
}

// State is what a cluster remembers of its present epoch. It takes nothing of it from the store: whoever can write
// there could put a key of theirs in its place.
type State struct {
	// Epoch is what is written with; the zero value: there is none yet.
	Epoch seal.Epoch
	// Wrapped are the files that its key is in.
	Wrapped []Wrapped
}

// Wish says who shall read.
type Wish struct {
	// Recipients are those who shall, and Held the identities at hand.
	Recipients []seal.Recipient
	Held       []seal.Identity
	// State is what was returned the last time.
	State State
}

// Kept is what a location has now.
type Kept struct {
	// State is to be remembered, before anything is written with it.
	State State
	// Began says why another epoch began; empty where the present one goes on.
	Began seal.Reason
	// Epochs is how many epochs the location has, and Readable how many of them the identities at hand open. Both are -1
	// where the store cannot list.
	Epochs, Readable int
	// Reads is how many epochs each recipient (by id) can read.
	Reads map[string]int
}

// maxEpochs bounds the epochs of a location.
const maxEpochs = 1000

// Keep does what is needed: it begins an epoch, or wraps the keys that it can open for recipients that were added.
func (k *Keeper) Keep(ctx context.Context, wish Wish) (Kept, error) {
	kept := Kept{State: wish.State}
	var plan seal.Plan
	switch err := k.mend(ctx, wish.State); {
	case err == nil:
		plan = seal.Decide(wish.Recipients, wrappedFor(wish.State), wish.Held)
	case errors.Is(err, core.ErrCorrupt):
		plan.Begin = seal.ReasonLost
	default:
		return Kept{}, err
	}
	var err error
	if plan.Begin != "" {
		kept.Began = plan.Begin
		kept.State, err = k.begin(ctx, wish.Recipients)
	} else if len(plan.Wrap) > 0 {
		kept.State, err = k.extend(ctx, wish, plan.Wrap)
	}
	if err != nil {
		return Kept{}, err
	}
	return kept, k.keepEarlier(ctx, wish, &kept)
}

// Check returns core.ErrCorrupt where the files of the present epoch are not there as they were written.
func (k *Keeper) Check(ctx context.Context, state State) error {
	for _, wrapped := range state.Wrapped {
		name := seal.WrapName(state.Epoch.ID(), wrapped.Recipient)
		content, err := engine.ReadBounded(ctx, k.Files, name, seal.MaxKeyFileSize)
		if err != nil {
			return engine.GoneIsCorrupt(err)
		}
		if found := archive.DigestOf(content); found != wrapped.Digest {
			return fmt.Errorf("%s has digest %s, not %s: %w", name, found, wrapped.Digest, core.ErrCorrupt)
		}
	}
	return nil
}

// mend is Check, and writes again what is remembered and not there.
func (k *Keeper) mend(ctx context.Context, state State) error {
	for _, wrapped := range state.Wrapped {
		name := seal.WrapName(state.Epoch.ID(), wrapped.Recipient)
		_, err := engine.ReadBounded(ctx, k.Files, name, seal.MaxKeyFileSize)
		if !errors.Is(err, core.ErrNotFound) || archive.DigestOf(wrapped.Content) != wrapped.Digest {
			continue
		}
		if err := engine.CreateFile(ctx, k.Files, name, wrapped.Content); err != nil && !errors.Is(err, core.ErrAlreadyExists) {
			return err
		}
	}
	return k.Check(ctx, state)
}

// begin makes a key, wraps it for everybody, and forgets it.
func (k *Keeper) begin(ctx context.Context, recipients []seal.Recipient) (State, error) {
	key, err := seal.NewKey()
	if err != nil {
		return State{}, err
	}
	state := State{Epoch: key.Epoch()}
	for _, recipient := range recipients {
		wrapped, err := k.wrap(ctx, key, recipient)
		if err != nil {
			return State{}, err
		}
		state.Wrapped = append(state.Wrapped, wrapped)
	}
	record, err := seal.EncodeEpoch(state.Epoch, k.ClusterID, k.Clock.Now())
	if err != nil {
		return State{}, err
	}
	return state, engine.CreateFile(ctx, k.Files, seal.EpochName(state.Epoch.ID()), record)
}

// extend wraps the present key for recipients that were added.
func (k *Keeper) extend(ctx context.Context, wish Wish, added []seal.Recipient) (State, error) {
	key, err := k.ring(wish.Held).Key(ctx, wish.State.Epoch.ID())
	if err != nil {
		return State{}, err
	}
	state := State{Epoch: wish.State.Epoch, Wrapped: slices.Clone(wish.State.Wrapped)}
	for _, recipient := range added {
		wrapped, err := k.wrap(ctx, key, recipient)
		if err != nil {
			return State{}, err
		}
		state.Wrapped = append(state.Wrapped, wrapped)
	}
	return state, nil
}

// wrap wraps a key for a recipient. A file that is there already was written by an attempt whose end nobody has seen.
func (k *Keeper) wrap(ctx context.Context, key *seal.Key, recipient seal.Recipient) (Wrapped, error) {
	content, err := key.Wrap(recipient)
	if err != nil {
		return Wrapped{}, err
	}
	name := seal.WrapName(key.Epoch().ID(), recipient.ID())
	err = engine.CreateFile(ctx, k.Files, name, content)
	if errors.Is(err, core.ErrAlreadyExists) {
		content, err = engine.ReadBounded(ctx, k.Files, name, seal.MaxKeyFileSize)
	}
	return Wrapped{Recipient: recipient.ID(), Digest: archive.DigestOf(content), Content: content}, err
}

func (k *Keeper) ring(held []seal.Identity) *Ring {
	return &Ring{Files: k.Files, Identities: func(context.Context) ([]seal.Identity, error) { return held, nil }}
}

// keepEarlier wraps the keys of other epochs that the identities at hand open for everybody who shall read, and counts.
func (k *Keeper) keepEarlier(ctx context.Context, wish Wish, kept *Kept) error {
	epochs, err := k.epochs(ctx)
	if errors.Is(err, core.ErrUnsupported) {
		kept.Epochs, kept.Readable = -1, -1
		return nil
	}
	if err != nil {
		return err
	}
	kept.Epochs, kept.Reads = len(epochs), map[string]int{}
	held := idsOf(wish.Held)
	for epoch, recipients := range epochs {
		if slices.ContainsFunc(recipients, func(id string) bool { return slices.Contains(held, id) }) {
			kept.Readable++
			if recipients, err = k.share(ctx, wish, epoch, recipients); err != nil {
				return err
			}
		}
		for _, id := range recipients {
			kept.Reads[id]++
		}
	}
	return nil
}

// share wraps the key of an epoch for those who lack it, and returns all who have it. One that is damaged is left alone.
func (k *Keeper) share(ctx context.Context, wish Wish, epoch string, recipients []string) ([]string, error) {
	var key *seal.Key
	for _, recipient := range wish.Recipients {
		if slices.Contains(recipients, recipient.ID()) {
			continue
		}
		if key == nil {
			found, err := k.ring(wish.Held).Key(ctx, epoch)
			if errors.Is(err, core.ErrCorrupt) {
				return recipients, nil
			}
			if err != nil {
				return nil, err
			}
			key = found
		}
		if _, err := k.wrap(ctx, key, recipient); err != nil {
			return nil, err
		}
		recipients = append(recipients, recipient.ID())
	}
	return recipients, nil
}

// epochs returns the epochs of the location, and for whom the key of each is wrapped.
func (k *Keeper) epochs(ctx context.Context) (map[string][]string, error) {
	found := map[string][]string{}
	err := k.Files.List(ctx, seal.KeysFolder, func(file core.FileInfo) error {
		epoch, recipient, ok := seal.ParseWrapName(file.Name)
		if !ok {
			return nil
		}
		if found[epoch] = append(found[epoch], recipient); len(found) > maxEpochs {
			return fmt.Errorf("%s has more than %d epochs: %w", strings.TrimSuffix(seal.KeysFolder, "/"), maxEpochs, core.ErrUnsupported)
		}
		return nil
	})
	return found, err
}

// wrappedFor returns the ids of those for whom the key is wrapped.
func wrappedFor(state State) []string {
	ids := make([]string, 0, len(state.Wrapped))
	for _, wrapped := range state.Wrapped {
		ids = append(ids, wrapped.Recipient)
	}
	return ids
}
