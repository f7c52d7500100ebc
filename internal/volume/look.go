package volume

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/volumeplan"
	"github.com/soda-cdm/kahu/provider"
)

// Look returns what is known of the claims, as they are now, and of what could back them up.
func (c *Client) Look(ctx context.Context, claims []core.Key) (volumeplan.Facts, error) {
	facts := volumeplan.Facts{Claims: make([]volumeplan.Claim, len(claims))}
	reading, inner := errgroup.WithContext(ctx)
	reading.SetLimit(atOnce)
	for i, claim := range claims {
		reading.Go(func() error {
			facts.Claims[i] = c.lookAt(inner, claim)
			return inner.Err()
		})
	}
	if err := reading.Wait(); err != nil {
		return facts, err
	}
	var err error
	if facts.Providers, err = c.providers(ctx); err != nil {
		return facts, err
	}
	if facts.Locations, err = c.locations(ctx, facts.Providers); err != nil {
		return facts, err
	}
	if facts.Classes, facts.NoSnapshots, err = c.classes(ctx); err != nil || facts.NoSnapshots != "" {
		return facts, err
	}
	facts.GroupClasses, facts.NoGroups, err = c.groupClasses(ctx)
	return facts, err
}

// lookAt reads one claim and its volume.
func (c *Client) lookAt(ctx context.Context, key core.Key) volumeplan.Claim {
	found := volumeplan.Claim{Namespace: key.Namespace, Name: key.Name}
	claim := &corev1.PersistentVolumeClaim{}
	err := c.api.Get(ctx, client.ObjectKey{Namespace: key.Namespace, Name: key.Name}, claim)
	switch {
	case apierrors.IsNotFound(err):
		found.Gone = true
		return found
	case err != nil:
		found.Unreadable = "the claim could not be read: " + err.Error()
		return found
	}
	found.UID, found.Labels, found.Annotations = string(claim.UID), claim.Labels, claim.Annotations
	if claim.Spec.StorageClassName != nil {
		found.StorageClass = *claim.Spec.StorageClassName
	}
	if claim.Status.Phase == corev1.ClaimLost {
		found.Unreadable = "the claim has lost its volume " + claim.Spec.VolumeName
	}
	if claim.Status.Phase != corev1.ClaimBound {
		return found
	}
	volume := &corev1.PersistentVolume{}
	if err := c.api.Get(ctx, client.ObjectKey{Name: claim.Spec.VolumeName}, volume); err != nil {
		found.Unreadable = "its volume " + claim.Spec.VolumeName + " could not be read: " + err.Error()
		return found
	}
	describe(&found, volume)
	return found
}

// describe adds what the volume says of itself.
func describe(found *volumeplan.Claim, volume *corev1.PersistentVolume) {
	found.Volume, found.Mode = volume.Name, string(corev1.PersistentVolumeFilesystem)
	capacity := volume.Spec.Capacity[corev1.ResourceStorage]
	found.Size = capacity.Value()
	if volume.Spec.VolumeMode != nil {
		found.Mode = string(*volume.Spec.VolumeMode)
	}
	for _, mode := range volume.Spec.AccessModes {
		found.AccessModes = append(found.AccessModes, string(mode))
	}
	found.Source = sourceOf(&volume.Spec.PersistentVolumeSource)
	if volume.Spec.CSI != nil {
		found.Driver, found.Handle = volume.Spec.CSI.Driver, volume.Spec.CSI.VolumeHandle
	}
}

// sourceOf returns the name of the one field that says what kind of volume it is.
func sourceOf(source *corev1.PersistentVolumeSource) string {
	value := reflect.ValueOf(source).Elem()
	for i := range value.NumField() {
		if !value.Field(i).IsNil() {
			name, _, _ := strings.Cut(value.Type().Field(i).Tag.Get("json"), ",")
			return name
		}
	}
	return ""
}

// providers returns the volume providers.
func (c *Client) providers(ctx context.Context) ([]volumeplan.Provider, error) {
	list := &kahuv1.ProviderList{}
	if err := c.api.List(ctx, list); err != nil {
		return nil, fmt.Errorf("listing providers: %w", err)
	}
	var found []volumeplan.Provider
	for i := range list.Items {
		if each := &list.Items[i]; each.Spec.Type == kahuv1.ProviderTypeVolume {
			found = append(found, providerOf(each))
		}
	}
	return found, nil
}

func providerOf(of *kahuv1.Provider) volumeplan.Provider {
	can := func(capability provider.Capability) bool { return of.Spec.Capabilities[string(capability)] }
	found := volumeplan.Provider{
		Name:     of.Name,
		Offloads: can(provider.CapabilityOffload), NeedsSnapshot: can(provider.CapabilityNeedsSnapshot),
		NeedsVolume: can(provider.CapabilityNeedsVolume), KeepsSnapshot: can(provider.CapabilityKeepsSnapshot),
		Drivers: slices.Clone(of.Spec.SupportedVolumeProvisioners),
	}
	if of.Status.State != kahuv1.ProviderStateAvailable {
		found.Unavailable = "its sidecar gives no sign of life"
		if ready := meta.FindStatusCondition(of.Status.Conditions, kahuv1.ConditionReady); ready != nil {
			found.Unavailable = ready.Message
		}
	}
	return found
}

// locations returns the locations of volume providers.
func (c *Client) locations(ctx context.Context, providers []volumeplan.Provider) ([]volumeplan.Location, error) {
	list := &kahuv1.BackupLocationList{}
	if err := c.api.List(ctx, list); err != nil {
		return nil, fmt.Errorf("listing locations: %w", err)
	}
	var found []volumeplan.Location
	for i := range list.Items {
		name := list.Items[i].Spec.ProviderName
		if slices.ContainsFunc(providers, func(each volumeplan.Provider) bool { return each.Name == name }) {
			found = append(found, volumeplan.Location{Name: list.Items[i].Name, Provider: name})
		}
	}
	return found, nil
}

// classes returns the classes with which snapshots can be cut, or why there are none.
func (c *Client) classes(ctx context.Context) ([]volumeplan.Class, string, error) {
	list := listOf(classKind)
	err := c.api.List(ctx, list)
	switch {
	case meta.IsNoMatchError(err), apierrors.IsNotFound(err):
		return nil, "the cluster does not serve snapshot.storage.k8s.io/v1: install the CSI snapshot controller and its definitions", nil
	case err != nil:
		return nil, "", fmt.Errorf("listing VolumeSnapshotClasses: %w", err)
	}
	return classesIn(list, "snapshot.storage.kubernetes.io/is-default-class"), "", nil
}

// classesIn returns what classes say of themselves, with the annotation of those that are the default.
func classesIn(list *unstructured.UnstructuredList, isDefault string) []volumeplan.Class {
	var found []volumeplan.Class
	for i := range list.Items {
		class := &list.Items[i]
		driver, _, _ := unstructured.NestedString(class.Object, "driver")
		found = append(found, volumeplan.Class{Name: class.GetName(), Driver: driver, Default: class.GetAnnotations()[isDefault] == "true"})
	}
	return found
}
