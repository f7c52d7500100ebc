package location

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"

	"k8s.io/utils/clock"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/archive"
	"github.com/soda-cdm/kahu/internal/engine"
)

// The ways in which a place is not the location that it should be. None of them passes by itself: a person has to
// look.
var (
	// ErrMarkerMissing: the location is known, and its marker is not there. The store may have been swapped, emptied
	// or not mounted; it is never taken for an empty one.
	ErrMarkerMissing = errors.New("the marker is missing")
	// ErrMarkerMismatch: the marker names another location.
	ErrMarkerMismatch = errors.New("the marker is that of another location")
	// ErrNotEmpty: a place without a marker holds something, so that it is not taken as a new location.
	ErrNotEmpty = errors.New("the place holds files and no marker")
	// ErrNotOwner: the part of the location that belongs to this cluster was last claimed by somebody else.
	ErrNotOwner = errors.New("not the owner")
	// ErrNotClaimed: this cluster owns its part, and another manager of it has claimed it last, or nobody yet. This one passes by
	// itself, as whoever leads claims it.
	ErrNotClaimed = fmt.Errorf("not claimed by this process: %w", core.ErrUnavailable)
)

// Files is what making and checking a location asks of a store.
type Files interface {
	engine.FileReader
	engine.FileCreator
	engine.FileLister
	engine.FileReplacer
}

// Location checks that a place is the location that it should be.
type Location struct {
	// Files is the place.
	Files Files
	// Clock gives the times that are written down.
	Clock clock.PassiveClock
	// NewID gives identities and nonces that nobody else has.
	NewID func() string
	// ReadOnly says that nothing may be written: a place without a marker is then no location, empty or not.
	ReadOnly bool
}

// Open returns the identity of the location. A place that is known (by an identity that was seen before) must have
// that marker; one that is not known gets a marker if it is empty, and keeps the one that it has.
func (l *Location) Open(ctx context.Context, known string) (string, error) {
	marker, err := l.marker(ctx)
	switch {
	case err == nil && known != "" && marker.LocationID != known:
		return "", fmt.Errorf("%s names location %s, the one known here is %s: %w",
			archive.MarkerName, marker.LocationID, known, ErrMarkerMismatch)
	case err == nil:
		return marker.LocationID, nil
	case !errors.Is(err, core.ErrNotFound):
		return "", err
	case known != "":
		return "", fmt.Errorf("%s of location %s is not there: %w", archive.MarkerName, known, ErrMarkerMissing)
	case l.ReadOnly:
		return "", fmt.Errorf("%s is not there, and a read-only location is not marked: %w", archive.MarkerName, ErrMarkerMissing)
	}
	return l.mark(ctx)
}

func (l *Location) marker(ctx context.Context) (archive.Marker, error) {
	content, err := engine.ReadSmall(ctx, l.Files, archive.MarkerName)
	if err != nil {
		return archive.Marker{}, err
	}
	return archive.DecodeMarker(bytes.NewReader(content))
}

// mark makes an empty place a location. Of two that try at once, one writes the marker and the other one reads it.
func (l *Location) mark(ctx context.Context) (string, error) {
	err := l.Files.List(ctx, "", func(file core.FileInfo) error {
		return fmt.Errorf("%s is there: %w", file.Name, ErrNotEmpty)
	})
	if errors.Is(err, ErrNotEmpty) {
		// What is there may be of the other one, who wrote the marker first.
		if marker, markerErr := l.marker(ctx); markerErr == nil {
			return marker.LocationID, nil
		}
	}
	if err != nil && !errors.Is(err, core.ErrUnsupported) {
		return "", err
	}
	marker := archive.Marker{LocationID: l.NewID(), Created: l.Clock.Now()}
	content, err := archive.EncodeMarker(marker)
	if err != nil {
		return "", err
	}
	err = engine.CreateFile(ctx, l.Files, archive.MarkerName, content)
	if errors.Is(err, core.ErrAlreadyExists) {
		marker, err = l.marker(ctx)
	}
	if err != nil {
		return "", err
	}
	return marker.LocationID, nil
}

// CheckOwner returns ErrNotOwner where the owner file of the cluster's part holds a nonce that is none of those that
// this cluster remembers having written. A part without an owner file belongs to whoever asks.
func (l *Location) CheckOwner(ctx context.Context, clusterID string, remembered ...string) error {
	owner, there, err := l.OwnerOf(ctx, clusterID)
	if err != nil || !there {
		return err
	}
	for _, nonce := range remembered {
		if nonce != "" && nonce == owner.Nonce {
			return nil
		}
	}
	return fmt.Errorf("%s was last written at %s by %s: %w", archive.OwnerName(clusterID), written(owner), stranger(owner), ErrNotOwner)
}

// CheckClaim returns nil while the owner file of the cluster's part holds the nonce that this process wrote there. Where it
// holds one that the cluster remembers it returns ErrNotClaimed, where it is not there core.ErrNotFound besides, and where it
// holds any other one ErrNotOwner. Remembered nonces are known to all managers of a cluster, so that a manager that slept
// finds the one of its successor among them.
func (l *Location) CheckClaim(ctx context.Context, clusterID, own string, remembered ...string) error {
	name := archive.OwnerName(clusterID)
	owner, there, err := l.OwnerOf(ctx, clusterID)
	switch {
	case err != nil:
		return err
	case !there:
		return fmt.Errorf("%s: %w: %w", name, core.ErrNotFound, ErrNotClaimed)
	case own != "" && owner.Nonce == own:
		return nil
	case slices.Contains(remembered, owner.Nonce):
		return fmt.Errorf("%s was last written at %s by another manager of this cluster: %w", name, written(owner), ErrNotClaimed)
	}
	return fmt.Errorf("%s was last written at %s by %s: %w", name, written(owner), stranger(owner), ErrNotOwner)
}

func written(owner archive.Owner) string {
	return owner.Written.UTC().Format("2006-01-02 15:04:05 MST")
}

// stranger says who has written an owner file that is not this cluster's.
func stranger(owner archive.Owner) string {
	if owner.Heir != "" {
		return "cluster " + owner.Heir + ", which has taken it over"
	}
	return "somebody else"
}

// OwnerOf returns what the owner file of a cluster's part says, if there is one.
func (l *Location) OwnerOf(ctx context.Context, clusterID string) (owner archive.Owner, there bool, err error) {
	content, err := engine.ReadSmall(ctx, l.Files, archive.OwnerName(clusterID))
	if errors.Is(err, core.ErrNotFound) {
		return archive.Owner{}, false, nil
	}
	if err != nil {
		return archive.Owner{}, false, err
	}
	owner, err = archive.DecodeOwner(bytes.NewReader(content))
	return owner, err == nil, err
}

// TakeOwner writes the nonce into the owner file of the cluster's part. The nonce must be remembered by the cluster before.
func (l *Location) TakeOwner(ctx context.Context, clusterID, nonce string) error {
	return l.writeOwner(ctx, archive.Owner{ClusterID: clusterID, Nonce: nonce})
}

// Inherit is TakeOwner for the part of another cluster, which an heir takes over.
func (l *Location) Inherit(ctx context.Context, clusterID, nonce, heir string) error {
	return l.writeOwner(ctx, archive.Owner{ClusterID: clusterID, Nonce: nonce, Heir: heir})
}

func (l *Location) writeOwner(ctx context.Context, owner archive.Owner) error {
	owner.Written = l.Clock.Now()
	content, err := archive.EncodeOwner(owner)
	if err != nil {
		return err
	}
	return l.Files.Replace(ctx, archive.OwnerName(owner.ClusterID), content)
}
