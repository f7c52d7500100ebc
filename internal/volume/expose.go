package volume

import (
	"context"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	"github.com/soda-cdm/kahu/internal/core/volumeplan"
	"github.com/soda-cdm/kahu/internal/core/volumework"
)

// exposed is a snapshot that a provider can mount: a claim in Kahu's own namespace, whose volume is made from a second content of
// the snapshot. Everything has one name and the label of the run, and goes with what the run has cut.
type exposed struct {
	run       volumework.Run
	namespace string
	name      string
	decision  *volumeplan.Decision
	cut       *kahuv1.VolumeSnapshotSource
}

// expose makes a claim of a snapshot, and returns it. It does not wait for the claim's volume: of many classes that comes with
// the first pod, which is the provider's. It can be called again.
func (c *Client) expose(ctx context.Context, run volumework.Run, decision *volumeplan.Decision, cut *kahuv1.VolumeSnapshotSource) (*kahuv1.VolumeClaim, error) {
	of := &exposed{run: run, namespace: c.options.Namespace, name: exposedName(run, decision, cut), decision: decision, cut: cut}
	class, err := c.classFor(ctx, decision.Claim.StorageClass, cut.Driver)
	if err != nil {
		return nil, err
	}
	for _, object := range []client.Object{of.content(), of.snapshot(), of.claim(class)} {
		err := patiently(ctx, func() error { return c.api.Create(ctx, object) })
		if err != nil && !apierrors.IsAlreadyExists(err) { // There is one of an earlier attempt.
			return nil, fmt.Errorf("making %s %s/%s, to read its snapshot: %w", kindOf(object), object.GetNamespace(), object.GetName(), err)
		}
	}
	return &kahuv1.VolumeClaim{Namespace: of.namespace, Name: of.name}, nil
}

// exposedName returns the name of all that a snapshot is exposed with. Another snapshot of the same claim has another one.
func exposedName(run volumework.Run, decision *volumeplan.Decision, cut *kahuv1.VolumeSnapshotSource) string {
	const digits = 24
	return "kahu-" + digest(digits, run.UID, "exposed", decision.Claim.Namespace, decision.Claim.Name, cut.Driver, cut.Handle)
}

// checkExposed fails where the claim that a provider has read had another volume than one of the snapshot: a cluster binds a claim
// to a volume that is there and fits, whatever the claim is to be made from.
func (c *Client) checkExposed(ctx context.Context, order *kahuv1.VolumeBackupContent) error {
	source := order.Spec.Source
	if source == nil || order.Spec.Snapshot == nil {
		return nil
	}
	claim := &corev1.PersistentVolumeClaim{}
	err := c.api.Get(ctx, client.ObjectKey{Namespace: source.Namespace, Name: source.Name}, claim)
	if apierrors.IsNotFound(err) {
		return nil // An attempt before has looked, and has removed it.
	}
	if err != nil {
		return fmt.Errorf("reading claim %s/%s, through which the provider has read the snapshot: %w", source.Namespace, source.Name, err)
	}
	volume := &corev1.PersistentVolume{}
	if err := c.api.Get(ctx, client.ObjectKey{Name: claim.Spec.VolumeName}, volume); err != nil {
		return fmt.Errorf("reading the volume %q of claim %s/%s: %w", claim.Spec.VolumeName, source.Namespace, source.Name, err)
	}
	if !isMadeFor(volume, claim) {
		return fmt.Errorf("the cluster has bound claim %s/%s, which was to be made from the snapshot, to volume %s, which was there before: "+
			"what the provider has read is not the data of the claim", source.Namespace, source.Name, volume.Name)
	}
	return nil
}

const claimKind = "PersistentVolumeClaim"

// boundByController is on volumes that were there when a claim was bound to them.
const boundByController = "pv.kubernetes.io/bound-by-controller"

// isMadeFor tells whether a volume was made for a claim, and not found for it.
func isMadeFor(volume *corev1.PersistentVolume, claim *corev1.PersistentVolumeClaim) bool {
	of := volume.Spec.ClaimRef
	return of != nil && of.UID == claim.UID && volume.Annotations[boundByController] == "" &&
		!volume.CreationTimestamp.Before(&claim.CreationTimestamp)
}

func kindOf(object client.Object) string {
	if kind := object.GetObjectKind().GroupVersionKind().Kind; kind != "" {
		return kind
	}
	return claimKind
}

// classFor returns the storage class with which a volume can be made from a snapshot of a driver: the wished one, else the first
// by name.
func (c *Client) classFor(ctx context.Context, wished, driver string) (string, error) {
	list := &storagev1.StorageClassList{}
	if err := c.api.List(ctx, list); err != nil {
		return "", fmt.Errorf("listing storage classes: %w", err)
	}
	var found []string
	for i := range list.Items {
		switch each := &list.Items[i]; {
		case each.Provisioner != driver:
		case each.Name == wished:
			return wished, nil
		default:
			found = append(found, each.Name)
		}
	}
	if len(found) == 0 {
		return "", fmt.Errorf("there is no StorageClass of its CSI driver %s with which a volume could be made from its snapshot: create one", driver)
	}
	return slices.Min(found), nil
}

// content stands for the snapshot a second time. It never deletes it by itself.
func (e *exposed) content() *unstructured.Unstructured {
	object := objectOf(contentKind, "", e.name)
	if secret := e.cut.DeletionSecret; secret != nil {
		object.SetAnnotations(map[string]string{secretNamespace: secret.Namespace, secretName: secret.Name})
	}
	sign(object, e.run)
	spec := map[string]any{
		"deletionPolicy": policyRetain, "driver": e.cut.Driver, "source": map[string]any{"snapshotHandle": e.cut.Handle},
		"volumeSnapshotRef":       map[string]any{"namespace": e.namespace, "name": e.name},
		"volumeSnapshotClassName": e.decision.SnapshotClass,
	}
	if mode := e.decision.Claim.Mode; mode != "" {
		spec["sourceVolumeMode"] = mode
	}
	object.Object["spec"] = spec
	return object
}

func (e *exposed) snapshot() *unstructured.Unstructured {
	object := objectOf(snapshotKind, e.namespace, e.name)
	sign(object, e.run)
	object.Object["spec"] = map[string]any{
		"source": map[string]any{"volumeSnapshotContentName": e.name}, "volumeSnapshotClassName": e.decision.SnapshotClass,
	}
	return object
}

func (e *exposed) claim(class string) *corev1.PersistentVolumeClaim {
	of := &e.decision.Claim
	size := max(of.Size, ptr.Deref(e.cut.RestoreSize, 0))
	spec := corev1.PersistentVolumeClaimSpec{
		StorageClassName: &class,
		Resources:        corev1.VolumeResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceStorage: *resource.NewQuantity(size, resource.BinarySI)}},
		DataSource:       &corev1.TypedLocalObjectReference{APIGroup: new(snapshotGroup().Group), Kind: snapshotKind, Name: e.name},
	}
	for _, mode := range of.AccessModes {
		spec.AccessModes = append(spec.AccessModes, corev1.PersistentVolumeAccessMode(mode))
	}
	if of.Mode != "" {
		spec.VolumeMode = new(corev1.PersistentVolumeMode(of.Mode))
	}
	made := &corev1.PersistentVolumeClaim{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: e.namespace, Name: e.name, Annotations: map[string]string{"kahu.io/claim": of.Namespace + "/" + of.Name},
		},
		Spec: spec,
	}
	sign(made, e.run)
	return made
}

// conceal removes the claims of snapshots that no order needs any more, with their volumes.
func (s *sweep) conceal(ctx context.Context) error {
	list := &corev1.PersistentVolumeClaimList{}
	if err := s.api.List(ctx, list, client.InNamespace(s.options.Namespace), ofRun(s.run)); err != nil {
		return fmt.Errorf("listing the claims of snapshots of backup %s: %w", s.run.Name, err)
	}
	for i := range list.Items {
		claim := &list.Items[i]
		if s.mounted[claim.Name] || !strings.HasPrefix(claim.Name, "kahu-") {
			continue
		}
		if err := s.concealOne(ctx, claim); err != nil {
			return err
		}
	}
	return nil
}

// concealOne removes a claim. Its volume goes with it, also where its class retains those of others; one that was there before, and
// that the cluster has found for the claim, is somebody else's.
func (s *sweep) concealOne(ctx context.Context, claim *corev1.PersistentVolumeClaim) error {
	if name := claim.Spec.VolumeName; name != "" {
		volume := &corev1.PersistentVolume{}
		err := s.api.Get(ctx, client.ObjectKey{Name: name}, volume)
		if err == nil && isMadeFor(volume, claim) && volume.Spec.PersistentVolumeReclaimPolicy != corev1.PersistentVolumeReclaimDelete {
			before := volume.DeepCopy()
			volume.Spec.PersistentVolumeReclaimPolicy = corev1.PersistentVolumeReclaimDelete
			err = s.api.Patch(ctx, volume, client.MergeFrom(before))
		}
		if client.IgnoreNotFound(err) != nil {
			return fmt.Errorf("having volume %s go with its claim: %w", name, err)
		}
	}
	if err := client.IgnoreNotFound(s.api.Delete(ctx, claim)); err != nil {
		return fmt.Errorf("removing claim %s/%s: %w", claim.Namespace, claim.Name, err)
	}
	return nil
}
