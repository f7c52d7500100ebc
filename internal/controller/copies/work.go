package copies

import (
	"context"
	"errors"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	"github.com/soda-cdm/kahu/internal/controller/failure"
	"github.com/soda-cdm/kahu/internal/controller/place"
	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/archive"
	"github.com/soda-cdm/kahu/internal/core/copyplan"
	"github.com/soda-cdm/kahu/internal/core/seal"
	enginecopies "github.com/soda-cdm/kahu/internal/engine/copies"
	enginelocation "github.com/soda-cdm/kahu/internal/engine/location"
	"github.com/soda-cdm/kahu/internal/reconcile"
)

// work returns what the task of the row does.
func (c *Controller) work(ctx context.Context, s *scope) (reconcile.Work[enginecopies.Progress, enginecopies.Result], error) {
	row, shows := s.row()
	target, to, err := c.Finder.Ready(ctx, row.Location)
	if err != nil {
		return nil, err
	}
	id, attempt := c.id(s.backup), shows.Attempt
	owned := c.holdOf(target, to, id)
	if row.Phase == copyplan.Leaving {
		return func(ctx context.Context, _ func(enginecopies.Progress)) (enginecopies.Result, error) {
			leaving := enginecopies.Leaving{Backup: id, Attempts: []string{attempt}, Owned: owned}
			return enginecopies.Result{}, c.Runner.Abandon(ctx, leaving, to)
		}, nil
	}
	source, from, err := c.Finder.Ready(ctx, s.backup.Spec.MetadataLocation)
	if err != nil {
		return nil, fmt.Errorf("the location of the backup: %w", err)
	}
	question := question{key: client.ObjectKeyFromObject(s.backup), uid: string(s.backup.UID), wish: row.Wish, attempt: attempt}
	request := enginecopies.Request{
		Backup: id, Attempt: attempt, From: placeOf(source), To: placeOf(target),
		Confirm: func(ctx context.Context) error {
			return errors.Join(c.confirm(ctx, question), owned(ctx))
		},
		Unwanted: func(ctx context.Context) bool { return c.unwanted(ctx, question) }, Owned: owned,
		Identities: func(ctx context.Context) ([]seal.Identity, error) { return c.identities(ctx, target, source) },
	}
	return func(ctx context.Context, show func(enginecopies.Progress)) (enginecopies.Result, error) {
		request.Show = show
		if err := c.open(ctx, source, from); err != nil {
			return enginecopies.Result{}, fmt.Errorf("the location of the backup: %w", err)
		}
		// Before waiting for this process's claim, which never comes where the part is somebody else's.
		if err := owned(ctx); err != nil {
			return enginecopies.Result{}, err
		}
		// What is there already is not sent again, and may be about to be removed.
		leave, err := c.Finder.Use(ctx, target)
		if err != nil {
			return enginecopies.Result{}, err
		}
		defer leave()
		if err := owned(ctx); err != nil {
			return enginecopies.Result{}, err
		}
		result, err := c.Runner.Run(ctx, request, from, to)
		if errors.Is(err, context.Canceled) && ctx.Err() == nil {
			err = fmt.Errorf("%w: %s", core.ErrUnavailable, err.Error()) // The store has ended it, and nobody here.
		}
		return result, err
	}, nil
}

// identities returns those of locations that can be read: without one, less can be told of a key.
func (c *Controller) identities(ctx context.Context, locations ...*kahuv1.BackupLocation) ([]seal.Identity, error) {
	var all []seal.Identity
	for _, location := range locations {
		held, err := c.Finder.Secrets.Identities(ctx, location)
		if _, unusable := errors.AsType[*place.NotUsableError](err); err != nil && !unusable {
			return nil, err
		}
		all = append(all, held...)
	}
	return all, nil
}

// placeOf is a location as the decisions have it.
func placeOf(location *kahuv1.BackupLocation) copyplan.Place {
	end := copyplan.Place{
		Name: location.Name, ID: location.Status.LocationID, Encrypted: location.Spec.Encryption != nil,
	}
	if status := location.Status.Encryption; status != nil {
		end.Epoch = status.Epoch
	}
	return end
}

// open makes sure that a place still has the marker of the location.
func (c *Controller) open(ctx context.Context, location *kahuv1.BackupLocation, files place.Files) error {
	_, err := (&enginelocation.Location{Files: files, Clock: c.Clock, NewID: c.NewID}).Open(ctx, location.Status.LocationID)
	return err
}

// holdOf returns what makes sure that a place is the location that it was, that it has not become read-only, and that nobody
// else removes what is written there: this process claimed this cluster's part of it last, and nobody that of another cluster,
// whose backup it is.
func (c *Controller) holdOf(target *kahuv1.BackupLocation, files place.Files, id archive.BackupID) func(ctx context.Context) error {
	part := &place.Part{ClusterID: id.ClusterID, Self: c.ClusterID, Files: files, Clock: c.Clock}
	hold := c.Finder.Hold(c.Direct, target, part)
	return func(ctx context.Context) error {
		now, err := hold.Claimed(ctx)
		if errors.Is(err, enginelocation.ErrNotOwner) {
			return fmt.Errorf("%w. %s", err, place.HowToTake(target))
		}
		if err != nil || id.ClusterID == c.ClusterID {
			return err
		}
		if place.Inherits(now, id.ClusterID) {
			return part.CheckOwner(ctx, now, now.Status.LocationID)
		}
		err = (&enginelocation.Location{Files: files}).CheckOwner(ctx, id.ClusterID)
		if errors.Is(err, enginelocation.ErrNotOwner) {
			return fmt.Errorf("%w: cluster %s has a part of this location of its own: let that cluster copy its backup, or name "+
				"another location", err, id.ClusterID)
		}
		return err
	}
}

// question is a try at a copy, as it is looked up in the API server.
type question struct {
	key     client.ObjectKey
	uid     string
	wish    copyplan.Wish
	attempt string
}

// confirm asks the API server itself whether the try is still this process's, and the copy wanted.
func (c *Controller) confirm(ctx context.Context, about question) error {
	backup := &kahuv1.Backup{}
	err := c.Direct.Get(ctx, about.key, backup)
	if apierrors.IsNotFound(err) {
		return failure.ErrNotWanted
	}
	if err != nil {
		return err
	}
	if !isWanted(backup, about) {
		return failure.ErrNotWanted
	}
	row := shown(backup, about.wish.Location)
	if row.Attempt != about.attempt || row.State != kahuv1.StateProcessing {
		return failure.ErrNotWanted
	}
	return nil
}

// unwanted tells whether it is certain that nobody wants the copy any more, whoever would make it.
func (c *Controller) unwanted(ctx context.Context, about question) bool {
	backup := &kahuv1.Backup{}
	err := c.Direct.Get(ctx, about.key, backup)
	return apierrors.IsNotFound(err) || err == nil && !isWanted(backup, about)
}

// isWanted tells whether the object asks for the copy.
func isWanted(backup *kahuv1.Backup, about question) bool {
	if string(backup.UID) != about.uid || !backup.DeletionTimestamp.IsZero() {
		return false
	}
	for _, wish := range backup.Spec.Copies {
		if wish.Location == about.wish.Location {
			return true
		}
	}
	return false
}

// reasonOf returns the API's reason for what ended a try.
func reasonOf(err error) string {
	if err == nil {
		return kahuv1.ReasonCopied
	}
	if refused, is := errors.AsType[*copyplan.RefusedError](err); is {
		return refused.Reason
	}
	if source, is := errors.AsType[*copyplan.SourceError](err); is && copyplan.IsLasting(err) {
		return reasonOfSource(source)
	}
	reason, _ := place.Reason(err)
	if reason == kahuv1.ReasonMarkerInvalid {
		return kahuv1.ReasonStoreFailed
	}
	return reason
}

// reasonOfSource returns the reason for a backup that cannot be copied, as it is not what it was.
func reasonOfSource(source *copyplan.SourceError) string {
	if _, newer := errors.AsType[*archive.NewerFormatError](source); newer {
		return kahuv1.ReasonManifestTooNew
	}
	switch {
	case errors.Is(source, core.ErrCorrupt):
		return kahuv1.ReasonArchiveCorrupt
	case errors.Is(source, core.ErrUnsupported):
		return kahuv1.ReasonListingUnsupported
	case isManifest(source.File):
		return kahuv1.ReasonManifestNotFound
	}
	return kahuv1.ReasonFileMissing
}

func isManifest(name string) bool {
	_, is := archive.ParseManifestName(name)
	return is
}
