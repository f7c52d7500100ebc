package store

import (
	"context"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"k8s.io/utils/clock"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/provider"
)

// abilitiesAge is how long the driver is taken to be able to do what it said: it can be replaced while we run.
const abilitiesAge = time.Minute

// abilities remembers what a provider can do.
type abilities struct {
	provider provider.Identity
	clock    clock.PassiveClock

	mutex sync.Mutex
	asked time.Time             // When known was answered; guarded by mutex.
	known []provider.Capability // Guarded by mutex.
}

// get returns what the provider can do.
func (a *abilities) get(ctx context.Context) ([]provider.Capability, error) {
	a.mutex.Lock()
	known, asked := a.known, a.asked
	a.mutex.Unlock()
	if known != nil && a.clock.Since(asked) < abilitiesAge {
		return known, nil
	}
	// Several that come at once all ask: a lock held during a call would let them wait for each other's deadlines.
	found, err := a.provider.Capabilities(ctx)
	if err != nil {
		return nil, fmt.Errorf("asking for the driver's capabilities: %w", classed(err))
	}
	a.mutex.Lock()
	defer a.mutex.Unlock()
	a.known, a.asked = append([]provider.Capability{}, found...), a.clock.Now()
	return a.known, nil
}

// knower tells what a provider can do.
type knower interface {
	get(ctx context.Context) ([]provider.Capability, error)
}

// able stands in front of a driver that may lack functions, and does without, where that is possible: a range is cut
// out of the whole, a file is created after a look whether it is there. One that cannot list is taken to know no
// folders either.
type able struct {
	driver

	abilities knower
}

// has returns the driver, with names encoded where it wants that, and whether it has the capability.
func (a able) has(ctx context.Context, capability provider.Capability) (driver, bool, error) { //nolint:ireturn // Which decorator stands in front is the decision.
	known, err := a.abilities.get(ctx)
	if err != nil {
		return nil, false, err
	}
	has := slices.Contains(known, capability)
	if slices.Contains(known, provider.CapabilityList) {
		return a.driver, has, nil
	}
	return flat{a.driver}, has, nil
}

func (a able) open(ctx context.Context, name string) (io.ReadCloser, error) {
	to, _, err := a.has(ctx, provider.CapabilityMetaBackup)
	if err != nil {
		return nil, err
	}
	return to.open(ctx, name)
}

func (a able) openRange(ctx context.Context, name string, offset, length int64) (io.ReadCloser, error) {
	to, has, err := a.has(ctx, provider.CapabilityRangeDownload)
	if err != nil {
		return nil, err
	}
	if has {
		return to.openRange(ctx, name, offset, length)
	}
	content, err := to.open(ctx, name)
	if err != nil {
		return nil, err
	}
	if _, err := io.CopyN(io.Discard, content, offset); err != nil && err != io.EOF { //nolint:errorlint // CopyN returns io.EOF itself.
		_ = content.Close() // The first error is the one to tell.
		return nil, fmt.Errorf("skipping %d bytes: %w", offset, err)
	}
	return cutReader{Reader: io.LimitReader(content, length), Closer: content}, nil
}

// cutReader is the part of a stream up to a limit.
type cutReader struct {
	io.Reader
	io.Closer
}

func (a able) stat(ctx context.Context, name string) (object, error) {
	to, has, err := a.has(ctx, provider.CapabilityStat)
	if err != nil {
		return object{}, err
	}
	if !has {
		return object{}, lacking(provider.CapabilityStat)
	}
	return to.stat(ctx, name)
}

func (a able) exists(ctx context.Context, name string) (bool, error) {
	to, _, err := a.has(ctx, provider.CapabilityMetaBackup)
	if err != nil {
		return false, err
	}
	return to.exists(ctx, name)
}

func (a able) create(ctx context.Context, name string, content io.Reader) error {
	to, has, err := a.has(ctx, provider.CapabilityCreateIfAbsent)
	if err != nil {
		return err
	}
	if has {
		return to.create(ctx, name, content)
	}
	// Between the look and the upload somebody else may create it. Names of the format carry the attempt, or the
	// unique id of the backup, so that only a second try of the same writing can.
	there, err := to.exists(ctx, name)
	if err != nil {
		return err
	}
	if there {
		return fmt.Errorf("creating %s: %w", name, core.ErrAlreadyExists)
	}
	return to.upload(ctx, name, content)
}

func (a able) upload(ctx context.Context, name string, content io.Reader) error {
	to, _, err := a.has(ctx, provider.CapabilityMetaBackup)
	if err != nil {
		return err
	}
	return to.upload(ctx, name, content)
}

func (a able) remove(ctx context.Context, name string) error {
	to, _, err := a.has(ctx, provider.CapabilityMetaBackup)
	if err != nil {
		return err
	}
	return to.remove(ctx, name)
}

func (a able) list(ctx context.Context, prefix, token string) (page, error) {
	to, has, err := a.has(ctx, provider.CapabilityList)
	if err != nil {
		return page{}, err
	}
	if !has {
		return page{}, lacking(provider.CapabilityList)
	}
	return to.list(ctx, prefix, token)
}
