package csi

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"

	"github.com/soda-cdm/kahu/provider"
)

// isDefaultClass is the annotation of the class of claims that name none.
const isDefaultClass = "storageclass.kubernetes.io/is-default-class"

func (d *Driver) classes() dynamic.ResourceInterface {
	return d.client.Resource(schema.GroupVersionResource{Group: "storage.k8s.io", Version: "v1", Resource: "storageclasses"})
}

// fits makes sure that a volume for a claim can be made from a backup: what is wrong, a provisioner would only tell in an event,
// again and again. The error names the field of the claim.
func (d *Driver) fits(ctx context.Context, wanted provider.Claim, backup provider.BackupIdentity) error {
	claim := &corev1.PersistentVolumeClaim{}
	if err := claim.Unmarshal(wanted.Encoded); err != nil {
		return fmt.Errorf("reading claim %s: %w: %w", wanted.Name, provider.ErrInvalidArgument, err)
	}
	if err := fitsSnapshot(&claim.Spec, backup); err != nil {
		return err
	}
	class, err := d.classOf(ctx, &claim.Spec)
	if err != nil {
		return err
	}
	return fitsClass(class, backup.Attributes[provider.SnapshotDriver])
}

// fitsSnapshot tells what of a claim a snapshot cannot give.
func fitsSnapshot(spec *corev1.PersistentVolumeClaimSpec, backup provider.BackupIdentity) error {
	least, err := strconv.ParseInt(backup.Attributes[provider.SnapshotRestoreSize], 10, 64)
	size, said := spec.Resources.Requests[corev1.ResourceStorage]
	if err == nil && said && size.Value() < least {
		return fmt.Errorf("spec.resources.requests.storage: %s is less than the %d bytes that a volume made from the snapshot has at least: %w",
			size.String(), least, provider.ErrInvalidArgument)
	}
	mode := corev1.PersistentVolumeFilesystem
	if spec.VolumeMode != nil {
		mode = *spec.VolumeMode
	}
	if was := backup.Attributes[volumeMode]; was != "" && was != string(mode) {
		return fmt.Errorf("spec.volumeMode: the snapshot is of a volume with the mode %s, and %s is asked for: %w", was, mode, provider.ErrInvalidArgument)
	}
	return nil
}

// classOf gives the class of a claim.
func (d *Driver) classOf(ctx context.Context, spec *corev1.PersistentVolumeClaimSpec) (*unstructured.Unstructured, error) {
	if spec.StorageClassName == nil {
		return d.defaultClass(ctx)
	}
	name := *spec.StorageClassName
	if name == "" {
		return nil, fmt.Errorf("spec.storageClassName: it is empty, and only with a class is a volume made from a snapshot: %w", provider.ErrInvalidArgument)
	}
	class, err := find(ctx, d.classes(), name)
	if err == nil && class == nil {
		err = fmt.Errorf("spec.storageClassName: there is no class %s: %w", name, provider.ErrInvalidArgument)
	}
	return class, err
}

// defaultClass gives the class of claims that name none: of several, the newest.
func (d *Driver) defaultClass(ctx context.Context) (*unstructured.Unstructured, error) {
	list, err := d.classes().List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, classed("listing classes", err)
	}
	var newest *unstructured.Unstructured
	for i := range list.Items {
		class := &list.Items[i]
		later := newest == nil || newest.GetCreationTimestamp().Time.Before(class.GetCreationTimestamp().Time)
		if class.GetAnnotations()[isDefaultClass] == "true" && later {
			newest = class
		}
	}
	if newest == nil {
		return nil, fmt.Errorf("spec.storageClassName: the claim names no class, and none is the default: %w", provider.ErrInvalidArgument)
	}
	return newest, nil
}

// fitsClass tells whether a class makes volumes from the snapshots of a CSI driver. Whether a class of the time before CSI does,
// its translation decides, which the provisioner knows.
func fitsClass(class *unstructured.Unstructured, csiDriver string) error {
	provisioner, _, _ := unstructured.NestedString(class.Object, "provisioner") // One of another type is none.
	if provisioner == csiDriver || strings.HasPrefix(provisioner, "kubernetes.io/") {
		return nil
	}
	return fmt.Errorf("spec.storageClassName: class %s is of the CSI driver %s, and the snapshot is of %s: a class of that one is needed: %w",
		class.GetName(), provisioner, csiDriver, provider.ErrInvalidArgument)
}
