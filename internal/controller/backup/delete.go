package backup

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	"github.com/soda-cdm/kahu/internal/controller/failure"
	"github.com/soda-cdm/kahu/internal/controller/place"
	"github.com/soda-cdm/kahu/internal/controller/view"
	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/engine"
	enginelocation "github.com/soda-cdm/kahu/internal/engine/location"
	"github.com/soda-cdm/kahu/internal/engine/removal"
	"github.com/soda-cdm/kahu/internal/reconcile"
)

const (
	// definitionName is the name of the definition of Backup.
	definitionName = "backups.kahu.io"
	// deletionTime bounds one try at removing a backup's data.
	deletionTime = 5 * time.Minute
	// heldTime is how soon a deletion that is held looks again.
	heldTime = 5 * time.Second
)

// errFinished: what looked like debris is a whole backup.
var errFinished = errors.New("the backup has its manifest")

// delete removes the data and then lets the object go. Data is removed on a person's intent alone: when this object,
// of the cluster that owns the data, is deleted and says Delete. The deletion of the definition takes every object
// with it and is nobody's wish to lose the data.
func (c *Controller) delete(ctx context.Context, s *scope) error {
	if s.backup.DeletionTimestamp.IsZero() {
		return nil
	}
	c.Tasks.Leave(s.backup.UID) // Something else may keep the object for long.
	if !slices.Contains(s.backup.Finalizers, Finalizer) {
		return reconcile.ErrDone
	}
	if !c.Tasks.Cancel(s.backup.UID) {
		return reconcile.Waiting(kahuv1.ReasonDeleting, "The run is being stopped.", waitTime)
	}
	s.status().State = kahuv1.StateDeleting
	if err := c.deleteData(ctx, s); err != nil {
		return c.delay(s, err)
	}
	c.Tasks.Forget(s.backup.UID)
	c.forget(s.backup.UID)
	rest := slices.DeleteFunc(slices.Clone(s.backup.Finalizers), func(name string) bool { return name == Finalizer })
	if err := c.patchFinalizers(ctx, s, rest); err != nil {
		return err
	}
	return reconcile.ErrDone
}

// delay shows why a deletion does not go on; it is tried again.
func (c *Controller) delay(s *scope, err error) error {
	if _, is := errors.AsType[*reconcile.WaitingError](err); is {
		return err
	}
	reason, _ := place.Reason(err)
	message := "the data is not deleted yet: " + err.Error()
	if reason == kahuv1.ReasonNotOwner && s.location != nil {
		message += ". " + c.part(s).HowToOwn(s.location)
	}
	meta.SetStatusCondition(&s.status().Conditions, metav1.Condition{
		Type: kahuv1.ConditionDataDeleted, Status: metav1.ConditionFalse, Reason: reason,
		Message: reconcile.Bounded(message, failure.MaxText), ObservedGeneration: s.backup.Generation,
	})
	return reconcile.Waiting(reason, message, heldTime)
}

// deleteData removes the data where that is what was meant.
func (c *Controller) deleteData(ctx context.Context, s *scope) error {
	retained, err := c.isRetained(ctx, s)
	if err != nil {
		return err
	}
	if retained {
		return c.forgetVolumes(ctx, s)
	}
	if s.status().Attempt == "" && s.backup.Spec.Origin == nil {
		return nil // Nothing was ever written.
	}
	if left := c.fenced(s); left > 0 {
		return reconcile.Waiting(kahuv1.ReasonDeleting, "A manager that was stopped may still write.", left)
	}
	ctx, cancel := context.WithTimeout(ctx, deletionTime)
	defer cancel()
	leave, ok := c.Gate.Enter(s.backup.Spec.MetadataLocation)
	if !ok {
		return fmt.Errorf("%s: %w", busy(s.backup.Spec.MetadataLocation), core.ErrUnavailable)
	}
	defer leave()
	hold, err := c.openOwned(ctx, s)
	if errors.Is(err, enginelocation.ErrNotClaimed) {
		return reconcile.Waiting(kahuv1.ReasonDeleting, "The data is deleted when this manager has claimed the location: "+err.Error(), waitTime)
	}
	if err != nil {
		return err
	}
	done, free := c.Finder.Remove(s.location)
	if !free {
		return reconcile.Waiting(kahuv1.ReasonDeleting, "A copy to the location goes on, which may need what would be removed.", heldTime)
	}
	defer done()
	deletion := &removal.Deletion{Memory: c.Finder.Memory(s.location), Owned: hold.Check, Window: c.Fence / 2}
	return c.deleteAll(ctx, s, deletion)
}

// deleteAll removes the data of volumes, and then the files that name it.
func (c *Controller) deleteAll(ctx context.Context, s *scope, deletion *removal.Deletion) error {
	if err := c.removeVolumes(ctx, s); err != nil {
		return err
	}
	return deletion.Delete(ctx, s.files, c.id(s), attempts(s.status())...)
}

// isRetained tells whether the data stays although the object goes.
func (c *Controller) isRetained(ctx context.Context, s *scope) (bool, error) {
	if s.backup.Spec.DeletionPolicy == kahuv1.DeletionPolicyRetain {
		return true, nil
	}
	if owned, err := c.isOwned(ctx, s, true); err != nil || !owned {
		return true, err
	}
	definition := &metav1.PartialObjectMetadata{}
	definition.SetGroupVersionKind(apiextensionsv1.SchemeGroupVersion.WithKind("CustomResourceDefinition"))
	err := c.Direct.Get(ctx, client.ObjectKey{Name: definitionName}, definition)
	if apierrors.IsNotFound(err) {
		return true, nil
	}
	if err != nil {
		return false, fmt.Errorf("reading definition %s: %w", definitionName, err)
	}
	return !definition.DeletionTimestamp.IsZero(), nil
}

// openOwned finds the files, and makes sure that the place is the one that was written to and that this process claimed this
// cluster's part of it last.
func (c *Controller) openOwned(ctx context.Context, s *scope) (*place.Hold, error) {
	if err := c.findWritable(ctx, s); err != nil {
		return nil, err
	}
	// Of a view whose manifest could not be read, the location alone knows.
	at := &enginelocation.Location{Files: s.files}
	if _, err := at.Open(ctx, cmp.Or(s.status().LocationID, s.location.Status.LocationID)); err != nil {
		return nil, err
	}
	hold := c.Finder.Hold(c.Direct, s.location, c.part(s))
	return hold, hold.Check(ctx)
}

// adopt concludes a run whose manifest is in the store although its process ended before it could say so: the last
// write made it real. One that names segments which are not there is no backup, and is left as it is.
func (c *Controller) adopt(ctx context.Context, s *scope) error {
	manifest, err := engine.ReadManifest(ctx, s.files, c.id(s))
	if err != nil {
		return err
	}
	if err := engine.CheckSegments(ctx, s.files, manifest.Segments); err != nil {
		return fmt.Errorf("the manifest of attempt %s is there, but not all that it names: %w", manifest.Attempt, err)
	}
	if err := removal.Sweep(ctx, s.files, manifest, attempts(s.status())...); err != nil {
		return err
	}
	view.Fill(s.status(), manifest)
	s.status().FailureReason, s.status().ValidationErrors = "", nil
	view.Conclude(s.backup, manifest)
	return reconcile.Repeat(s.status().Conditions)
}
