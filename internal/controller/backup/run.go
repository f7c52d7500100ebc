package backup

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	"github.com/soda-cdm/kahu/internal/controller/failure"
	"github.com/soda-cdm/kahu/internal/controller/filters"
	"github.com/soda-cdm/kahu/internal/controller/place"
	"github.com/soda-cdm/kahu/internal/core/archive"
	"github.com/soda-cdm/kahu/internal/engine"
	enginebackup "github.com/soda-cdm/kahu/internal/engine/backup"
	enginelocation "github.com/soda-cdm/kahu/internal/engine/location"
	"github.com/soda-cdm/kahu/internal/reconcile"
)

// run begins the work, or shows how far it is.
func (c *Controller) run(ctx context.Context, s *scope) error {
	snapshot, there := c.Tasks.Look(s.backup.UID)
	if there && snapshot.Ended {
		return nil
	}
	if !there {
		begun, err := c.begin(ctx, s)
		if err != nil {
			return err
		}
		if !begun {
			return reconcile.Waiting(kahuv1.ReasonPending, "The manager is ending; another one goes on.", waitTime)
		}
	}
	s.status().Progress = kahuv1.BackupProgress{
		ItemsDone: snapshot.Progress.Done, ItemsTotal: snapshot.Progress.Total, BytesDone: snapshot.Progress.Bytes,
	}
	if moving := snapshot.Progress.Volumes; moving != nil {
		reach(s.status(), kahuv1.StageVolumes)
		s.status().Volumes = movingVolumes(moving)
		return reconcile.Waiting(kahuv1.ReasonProcessing, "The data of volumes is being backed up.", 0)
	}
	return reconcile.Waiting(kahuv1.ReasonProcessing, doing(s.status()), 0)
}

// begin starts the task of the run.
func (c *Controller) begin(ctx context.Context, s *scope) (bool, error) {
	if err := c.findWritable(ctx, s); err != nil {
		return false, c.refuseOrWait(s, err)
	}
	if err := c.enter(s); err != nil {
		return false, err
	}
	leave, ok := c.Gate.Enter(s.location.Name)
	if !ok {
		return false, reconcile.Waiting(kahuv1.ReasonPending, busy(s.location.Name), waitTime)
	}
	defer leave()
	files := s.files
	// That the location is ready was found some time ago; the store may have been swapped or unmounted since.
	if err := c.checkPlace(ctx, files, s.status().LocationID); err != nil {
		return false, c.refuseOrWait(s, placeProblem(err))
	}
	request, err := c.request(ctx, s)
	if err != nil {
		return false, c.refuseOrWait(s, err)
	}
	return c.Tasks.Begin(s.backup.DeepCopy(), func(ctx context.Context, show func(engine.Progress)) (enginebackup.Result, error) {
		request.Show = show
		return c.Runner.Run(ctx, request, files)
	}), nil
}

// busy says that a location does not answer the passes that have asked it.
func busy(location string) string {
	return fmt.Sprintf("location %s is slow to answer others that have asked before", location)
}

// request turns the object into the engine's words.
func (c *Controller) request(ctx context.Context, s *scope) (enginebackup.Request, error) {
	wish, err := filters.OfBackup(&s.backup.Spec)
	if err != nil {
		return enginebackup.Request{}, err
	}
	version, err := c.Cluster.ServerVersion(ctx)
	if err != nil {
		return enginebackup.Request{}, fmt.Errorf("asking for the server's version: %w", err)
	}
	object, err := asItWas(s.backup)
	if err != nil {
		return enginebackup.Request{}, fmt.Errorf("encoding the Backup: %w", err)
	}
	sealing, err := c.Finder.Sealing(ctx, s.location, s.files)
	if err != nil {
		return enginebackup.Request{}, err
	}
	builds, err := c.increment(ctx, s, sealing)
	if err != nil {
		return enginebackup.Request{}, err
	}
	hooks, err := c.hooks(s)
	if err != nil {
		return enginebackup.Request{}, err
	}
	settings, err := filters.OfVolumes(&s.backup.Spec)
	if err != nil {
		return enginebackup.Request{}, err
	}
	enabled := s.backup.Spec.EnableVolumeBackup
	key, attempt := client.ObjectKeyFromObject(s.backup), s.status().Attempt
	files, locationID, at := s.files, s.status().LocationID, s.location.Name
	return enginebackup.Request{
		ID: c.id(s), Attempt: attempt, Earlier: s.status().EarlierAttempts, Started: startOf(s), LocationID: s.status().LocationID, ServerVersion: version,
		Object: object, Filters: wish, Sealing: sealing, Compression: compressionOf(s.location), VolumeData: enabled == nil || *enabled,
		Increment: builds, Hooks: hooks, Held: heldBefore(s.status()), Volumes: c.Volumes, VolumeSettings: settings,
		Confirm: func(ctx context.Context) error {
			return errors.Join(c.confirm(ctx, key, attempt), c.checkWritable(ctx, at), c.checkPlace(ctx, files, locationID))
		},
		GiveUp: func(ctx context.Context, cause error) error { return c.giveUp(ctx, key, attempt, cause) },
	}, nil
}

// compressionOf returns how hard a location wants its backups to be compressed. The fastest level has no name in an archive.
func compressionOf(location *kahuv1.BackupLocation) archive.Compression {
	if level := location.Spec.Compression.Level; level != kahuv1.CompressionFastest {
		return archive.Compression(level)
	}
	return archive.Fastest
}

// startOf returns when the first attempt began.
func startOf(s *scope) time.Time {
	if s.status().StartTimestamp == nil {
		return time.Time{}
	}
	return s.status().StartTimestamp.Time
}

// checkWritable makes sure that the location has not become read-only while the run went on.
func (c *Controller) checkWritable(ctx context.Context, name string) error {
	location := &kahuv1.BackupLocation{}
	if err := c.Direct.Get(ctx, client.ObjectKey{Name: name}, location); err != nil {
		return client.IgnoreNotFound(err)
	}
	return place.Writable(location)
}

// checkPlace makes sure that the place still has the marker of the location.
func (c *Controller) checkPlace(ctx context.Context, files place.Files, locationID string) error {
	location := &enginelocation.Location{Files: files, Clock: c.Clock, NewID: c.NewAttempt}
	_, err := location.Open(ctx, locationID)
	return err
}

// placeProblem tells what is wrong with a place as the location itself would.
func placeProblem(err error) error {
	reason, stalled := place.Reason(err)
	return &place.NotUsableError{Reason: reason, Message: err.Error(), Passing: !stalled}
}

// asItWas returns the object as the user wrote it, without what the API server and this controller added.
func asItWas(backup *kahuv1.Backup) (json.RawMessage, error) {
	return json.Marshal(&kahuv1.Backup{
		TypeMeta: metav1.TypeMeta{APIVersion: kahuv1.GroupVersion.String(), Kind: "Backup"},
		ObjectMeta: metav1.ObjectMeta{
			Name: backup.Name, UID: backup.UID, Labels: backup.Labels, Annotations: backup.Annotations,
			CreationTimestamp: backup.CreationTimestamp,
		},
		Spec: backup.Spec,
	})
}

// confirm asks the API server itself whether the run is still this process's.
func (c *Controller) confirm(ctx context.Context, key client.ObjectKey, attempt string) error {
	backup := &kahuv1.Backup{}
	if err := c.Direct.Get(ctx, key, backup); err != nil {
		return err
	}
	if backup.Status.Attempt != attempt || backup.Status.State != kahuv1.StateProcessing || !backup.DeletionTimestamp.IsZero() {
		return failure.ErrNotWanted
	}
	return nil
}
