package csi

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"

	"github.com/soda-cdm/kahu/provider"
)

const (
	snapshotGroup   = "snapshot.storage.k8s.io"
	snapshotVersion = "v1"
	snapshotKind    = "VolumeSnapshot"
	contentKind     = "VolumeSnapshotContent"
	// contentFinalizer keeps a content until the CSI driver has done what its deletion asks for.
	contentFinalizer = "snapshot.storage.kubernetes.io/volumesnapshotcontent-bound-protection"
	// manager is the field manager of the objects that are made here, and what they are labelled with.
	manager   = "kahu-provider-csi"
	nameLabel = "app.kubernetes.io/managed-by"
)

type fields = map[string]any

// nameOf gives an object a name that follows from what it is for.
func nameOf(prefix string, words ...string) string {
	const digits = 32
	sum := sha256.Sum256([]byte(strings.Join(words, "\x00")))
	return prefix + hex.EncodeToString(sum[:])[:digits]
}

func (d *Driver) contents() dynamic.ResourceInterface {
	return d.client.Resource(schema.GroupVersionResource{Group: snapshotGroup, Version: snapshotVersion, Resource: "volumesnapshotcontents"})
}

func (d *Driver) snapshots(namespace string) dynamic.ResourceInterface {
	resource := schema.GroupVersionResource{Group: snapshotGroup, Version: snapshotVersion, Resource: "volumesnapshots"}
	return d.client.Resource(resource).Namespace(namespace)
}

func (d *Driver) claims(namespace string) dynamic.ResourceInterface {
	return d.client.Resource(schema.GroupVersionResource{Version: "v1", Resource: "persistentvolumeclaims"}).Namespace(namespace)
}

func (d *Driver) volumes() dynamic.ResourceInterface {
	return d.client.Resource(schema.GroupVersionResource{Version: "v1", Resource: "persistentvolumes"})
}

// look fails where the cluster has no snapshots, or does not answer.
func (d *Driver) look(ctx context.Context) error {
	_, err := d.contents().List(ctx, metav1.ListOptions{Limit: 1})
	return classed("looking for snapshots", err)
}

// object makes one of the kinds of snapshots.
func object(kind, namespace, name string, spec fields) *unstructured.Unstructured {
	made := &unstructured.Unstructured{Object: fields{"spec": spec}}
	made.SetAPIVersion(snapshotGroup + "/" + snapshotVersion)
	made.SetKind(kind)
	made.SetNamespace(namespace)
	made.SetName(name)
	made.SetLabels(map[string]string{nameLabel: manager})
	return made
}

// content makes the VolumeSnapshotContent of a backup, for a VolumeSnapshot that may never be.
func content(name, namespace, policy string, backup provider.BackupIdentity) *unstructured.Unstructured {
	spec := fields{
		"driver":            backup.Attributes[provider.SnapshotDriver],
		"deletionPolicy":    policy,
		"source":            fields{"snapshotHandle": backup.Handle},
		"volumeSnapshotRef": fields{"namespace": namespace, "name": name},
	}
	if mode := backup.Attributes[volumeMode]; mode != "" {
		spec["sourceVolumeMode"] = mode
	}
	made := object(contentKind, "", name, spec)
	if annotations := secretOf(backup); annotations != nil {
		made.SetAnnotations(annotations)
	}
	return made
}

// The annotations of a content by which the csi-snapshotter finds the Secret that its CSI driver deletes the snapshot with. Of a
// snapshot that it cut itself, they come from the parameters of the class.
const (
	secretNamespace = "snapshot.storage.kubernetes.io/deletion-secret-namespace"
	secretName      = "snapshot.storage.kubernetes.io/deletion-secret-name"
)

// secretOf returns the annotations that name the Secret of a snapshot, nil where it needs none. The csi-snapshotter never
// deletes a snapshot of which one of the two is empty.
func secretOf(backup provider.BackupIdentity) map[string]string {
	namespace, name := backup.Attributes[provider.SnapshotSecretNamespace], backup.Attributes[provider.SnapshotSecretName]
	if namespace == "" || name == "" {
		return nil
	}
	return map[string]string{secretNamespace: namespace, secretName: name}
}

// ensure creates an object, or finds that it is there.
func ensure(ctx context.Context, among dynamic.ResourceInterface, wanted *unstructured.Unstructured) error {
	_, err := among.Create(ctx, wanted, metav1.CreateOptions{FieldManager: manager})
	if apierrors.IsAlreadyExists(err) {
		return nil
	}
	return classed(fmt.Sprintf("creating %s %s", wanted.GetKind(), wanted.GetName()), err)
}

// find gives an object, or nil where it is not.
func find(ctx context.Context, among dynamic.ResourceInterface, name string) (*unstructured.Unstructured, error) {
	found, err := among.Get(ctx, name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil, nil //nolint:nilnil // It is what the caller asks.
	}
	return found, classed("reading "+name, err)
}

// remove has an object deleted, and is nil where it is not.
func remove(ctx context.Context, among dynamic.ResourceInterface, name string) error {
	err := among.Delete(ctx, name, metav1.DeleteOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	return classed("deleting "+name, err)
}

// classed gives an error of the API server its class.
func classed(doing string, err error) error {
	if err == nil {
		return nil
	}
	class := provider.ErrUnavailable
	switch {
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("%s: %w", doing, err)
	case apierrors.IsNotFound(err):
		class = provider.ErrFailedPrecondition // the definitions of snapshots, or a namespace
	case apierrors.IsForbidden(err):
		class = provider.ErrPermissionDenied
	case apierrors.IsUnauthorized(err):
		class = provider.ErrUnauthenticated
	case apierrors.IsInvalid(err), apierrors.IsBadRequest(err):
		class = provider.ErrInvalidArgument
	}
	return fmt.Errorf("%s: %w: %w", doing, class, err)
}

// isAway tells whether an error may pass by itself, or with what somebody installs.
func isAway(err error) bool {
	return errors.Is(err, provider.ErrUnavailable) || errors.Is(err, provider.ErrFailedPrecondition)
}
