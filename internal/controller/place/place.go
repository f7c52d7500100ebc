// Package place finds the files behind a BackupLocation, for every controller that needs them.
package place

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/seal"
	"github.com/soda-cdm/kahu/internal/engine"
	enginelocation "github.com/soda-cdm/kahu/internal/engine/location"
	"github.com/soda-cdm/kahu/internal/engine/removal"
)

// Files is everything that one can do with the files of a location.
type Files interface {
	engine.FileReader
	engine.FileHolder
	engine.FileLister
	engine.FileRemover
	writer
}

// writer is that part of it that writes.
type writer interface {
	engine.FileCreator
	engine.FileReplacer
}

// Stores reaches the stores of providers.
type Stores interface {
	// Files returns the files of the location of that name, served at that endpoint.
	Files(location string, endpoint kahuv1.ProviderEndpoint) (Files, error)
}

// Finder finds files.
type Finder struct {
	// Client reads BackupLocations and Providers. Direct, which may be nil, reads from the API server itself: a location
	// that was created a moment ago may not be in the cache, and what names it must not fail for that.
	Client client.Reader
	Direct client.Reader
	// Stores reaches their stores.
	Stores Stores
	// Secrets reads the keys of encrypted locations.
	Secrets *Secrets
	// Clock and Fence say how long somebody who counts on what is at a location waits after this process claimed it: twice as long
	// as a window of engine.Remover. Without a clock nobody waits.
	Clock clock.PassiveClock
	Fence time.Duration

	claims   sync.Map     // by location id: claim
	memories sync.Map     // by location id: *removal.Memory
	sharings sync.Map     // by location id: *sharing
	began    atomic.Int64 // when this process began to look at locations, in seconds since 1970; 0 before
}

// Begin notes that this process looks at locations from that time on. What an earlier one saw of a location may have been
// mended since, and fails no run: see [NotUsableError.Passing].
func (f *Finder) Begin(now time.Time) { f.began.Store(now.Unix()) }

// NotUsableError tells why a location cannot be used.
type NotUsableError struct {
	// Reason is one of the reasons of the API, Field the field of a BackupLocation that is at fault, if one is.
	Reason, Field string
	// Message says what is wrong and what to do.
	Message string
	// Passing tells whether it may pass without a person.
	Passing bool
	// Unseen: the location is about to be looked at, so that what waits for a place there keeps its turn.
	Unseen bool
}

// Unseen tells whether a location cannot be used because it is about to be looked at.
func Unseen(err error) bool {
	unusable, is := errors.AsType[*NotUsableError](err)
	return is && unusable.Unseen
}

// Error returns the message, after the field.
func (e *NotUsableError) Error() string {
	if e.Field == "" {
		return e.Message
	}
	return e.Field + ": " + e.Message
}

// Memory returns what is remembered of the manifests at a location.
func (f *Finder) Memory(location *kahuv1.BackupLocation) *removal.Memory {
	memory, _ := f.memories.LoadOrStore(location.Status.LocationID, &removal.Memory{})
	return memory.(*removal.Memory) //nolint:forcetypeassert // There are no others.
}

// Of returns the files of a location whose provider is available. It does not ask whether the location itself is
// Ready. Errors are NotUsableErrors or those of the API server.
func (f *Finder) Of(ctx context.Context, location *kahuv1.BackupLocation) (Files, error) { //nolint:ireturn // What is behind the port is main's to know.
	provider := &kahuv1.Provider{}
	name := location.Spec.ProviderName
	err := f.Client.Get(ctx, client.ObjectKey{Name: name}, provider)
	switch {
	case apierrors.IsNotFound(err):
		return nil, &NotUsableError{
			Reason: kahuv1.ReasonProviderNotFound, Field: "spec.providerName", Passing: true,
			Message: fmt.Sprintf("no provider %q is registered: correct the name, or start its driver and sidecar", name),
		}
	case err != nil:
		return nil, fmt.Errorf("reading provider %s: %w", name, err)
	case provider.Spec.Type != kahuv1.ProviderTypeMetadata:
		return nil, &NotUsableError{
			Reason: kahuv1.ReasonProviderWrongType, Field: "spec.providerName",
			Message: fmt.Sprintf("provider %q is a %s: name a MetadataProvider", name, provider.Spec.Type),
		}
	case provider.Status.State != kahuv1.ProviderStateAvailable:
		return nil, &NotUsableError{
			Reason: kahuv1.ReasonProviderUnavailable, Field: "spec.providerName", Passing: true,
			Message: fmt.Sprintf("provider %q is registered and not available: see its conditions, "+
				"and the logs of its driver and sidecar", name),
		}
	}
	files, err := f.Stores.Files(location.Name, provider.Status.Endpoint)
	if err != nil || location.Spec.AccessMode != kahuv1.AccessReadOnly {
		return files, err
	}
	return readOnly{files}, nil
}

// Ready returns the files of the location of that name, and the location, if it is Ready. Errors are
// NotUsableErrors or those of the API server.
func (f *Finder) Ready(ctx context.Context, name string) (*kahuv1.BackupLocation, Files, error) { //nolint:ireturn // What is behind the port is main's to know.
	location := &kahuv1.BackupLocation{}
	err := f.Client.Get(ctx, client.ObjectKey{Name: name}, location)
	if apierrors.IsNotFound(err) && f.Direct != nil {
		err = f.Direct.Get(ctx, client.ObjectKey{Name: name}, location)
	}
	if apierrors.IsNotFound(err) {
		return nil, nil, &NotUsableError{
			Reason:  kahuv1.ReasonLocationNotFound,
			Message: fmt.Sprintf("no BackupLocation %q exists: create it, or name another one", name),
		}
	}
	if err != nil {
		return nil, nil, fmt.Errorf("reading BackupLocation %s: %w", name, err)
	}
	if err := ready(location); err != nil {
		return nil, nil, f.unlessOld(location, err)
	}
	files, err := f.Of(ctx, location)
	return location, files, err
}

// Reason returns the API's reason for an error of a store, and whether a person must act.
func Reason(err error) (reason string, stalled bool) {
	if unusable, is := errors.AsType[*NotUsableError](err); is {
		return unusable.Reason, !unusable.Passing
	}
	if _, is := errors.AsType[*seal.KeyNeededError](err); is {
		return kahuv1.ReasonKeyNeeded, true
	}
	for _, row := range reasons() {
		if errors.Is(err, row.class) {
			return row.reason, row.stalled
		}
	}
	return kahuv1.ReasonStoreFailed, false
}

type reasonRow struct {
	class   error
	reason  string
	stalled bool
}

func reasons() []reasonRow {
	return []reasonRow{
		{ErrReadOnly, kahuv1.ReasonLocationReadOnly, true},
		{enginelocation.ErrMarkerMissing, kahuv1.ReasonMarkerMissing, true},
		{enginelocation.ErrMarkerMismatch, kahuv1.ReasonMarkerMismatch, true},
		{enginelocation.ErrNotEmpty, kahuv1.ReasonMarkerMissing, true},
		{enginelocation.ErrNotOwner, kahuv1.ReasonNotOwner, true},
		{core.ErrCorrupt, kahuv1.ReasonMarkerInvalid, true},
		{core.ErrFull, kahuv1.ReasonStoreFull, false},
		{core.ErrDenied, kahuv1.ReasonStoreDenied, true},
		{core.ErrInvalid, kahuv1.ReasonStoreDenied, true},
		{core.ErrUnavailable, kahuv1.ReasonLocationUnreachable, false},
	}
}
