package volume

import (
	"time"

	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/volumeplan"
	"github.com/soda-cdm/kahu/internal/core/volumework"
)

// The kinds of snapshot.storage.k8s.io/v1.
const (
	snapshotKind = "VolumeSnapshot"
	contentKind  = "VolumeSnapshotContent"
	classKind    = "VolumeSnapshotClass"
)

// What becomes of a snapshot when its content goes.
const (
	policyRetain = "Retain"
	policyDelete = "Delete"
)

func snapshotGroup() schema.GroupVersion {
	return schema.GroupVersion{Group: "snapshot.storage.k8s.io", Version: "v1"}
}

func listOf(kind string) *unstructured.UnstructuredList {
	list := &unstructured.UnstructuredList{}
	list.SetGroupVersionKind(snapshotGroup().WithKind(kind + "List"))
	return list
}

func objectOf(kind, namespace, name string) *unstructured.Unstructured {
	object := &unstructured.Unstructured{}
	object.SetGroupVersionKind(snapshotGroup().WithKind(kind))
	object.SetNamespace(namespace)
	object.SetName(name)
	return object
}

// attemptOf marks a snapshot with the attempt that asked for it.
const attemptOf = "kahu.io/attempt"

// newSnapshot returns the wish to cut a snapshot.
func newSnapshot(run volumework.Run, at volumework.Moment, decision *volumeplan.Decision) *unstructured.Unstructured {
	claim := &decision.Claim
	object := objectOf(snapshotKind, claim.Namespace, snapshotName(run, claim.Key()))
	object.SetAnnotations(map[string]string{attemptOf: at.Attempt})
	sign(object, run)
	record(object, decision)
	object.Object["spec"] = map[string]any{
		"volumeSnapshotClassName": decision.SnapshotClass,
		"source":                  map[string]any{"persistentVolumeClaimName": claim.Name},
	}
	return object
}

// snapshot is what a VolumeSnapshot says of itself.
type snapshot struct {
	attempt     string    // which asked for it
	content     string    // the name of its content
	cut         time.Time // zero until it is cut
	ready       bool
	restoreSize *int64
	failure     string // what went wrong last; it may be tried again
}

func snapshotOf(object *unstructured.Unstructured) snapshot {
	found := snapshot{attempt: object.GetAnnotations()[attemptOf]}
	found.content, _, _ = unstructured.NestedString(object.Object, "status", "boundVolumeSnapshotContentName")
	found.ready, _, _ = unstructured.NestedBool(object.Object, "status", "readyToUse")
	found.failure, _, _ = unstructured.NestedString(object.Object, "status", "error", "message")
	if text, _, _ := unstructured.NestedString(object.Object, "status", "creationTime"); text != "" {
		found.cut, _ = time.Parse(time.RFC3339, text)
	}
	if text, _, _ := unstructured.NestedString(object.Object, "status", "restoreSize"); text != "" {
		if quantity, err := resource.ParseQuantity(text); err == nil {
			size := quantity.Value()
			found.restoreSize = &size
		}
	}
	return found
}

// content is what a VolumeSnapshotContent says of itself.
type content struct {
	driver, handle, policy string
	cut                    time.Time // more exact than that of its snapshot
	snapshot               core.Key
	keeps                  bool // the snapshot is a backup, or is about to become one
	// secret names the Secret that the driver needs to delete the snapshot; nil where it needs none.
	secret *kahuv1.SnapshotSecret
}

// The annotations by which the csi-snapshotter finds the Secret that a snapshot is deleted with.
const (
	secretNamespace = "snapshot.storage.kubernetes.io/deletion-secret-namespace"
	secretName      = "snapshot.storage.kubernetes.io/deletion-secret-name"
)

// id names the snapshot: what a driver knows it by is unique with that driver only.
func (c *content) id() snapshotID { return snapshotID{c.driver, c.handle} }

// snapshotID names a snapshot in a storage system.
type snapshotID struct{ driver, handle string }

func contentOf(object *unstructured.Unstructured) content {
	var found content
	found.driver, _, _ = unstructured.NestedString(object.Object, "spec", "driver")
	found.policy, _, _ = unstructured.NestedString(object.Object, "spec", "deletionPolicy")
	found.handle, _, _ = unstructured.NestedString(object.Object, "status", "snapshotHandle")
	if found.handle == "" { // It was made for a snapshot that is there, and nobody has looked at it yet.
		found.handle, _, _ = unstructured.NestedString(object.Object, "spec", "source", "snapshotHandle")
	}
	if nanoseconds, there, _ := unstructured.NestedInt64(object.Object, "status", "creationTime"); there {
		found.cut = time.Unix(0, nanoseconds)
	}
	found.snapshot.Namespace, _, _ = unstructured.NestedString(object.Object, "spec", "volumeSnapshotRef", "namespace")
	found.snapshot.Name, _, _ = unstructured.NestedString(object.Object, "spec", "volumeSnapshotRef", "name")
	annotations := object.GetAnnotations()
	found.keeps = annotations[keepsSnapshot] == "true"
	if namespace, name := annotations[secretNamespace], annotations[secretName]; namespace != "" && name != "" {
		found.secret = &kahuv1.SnapshotSecret{Namespace: namespace, Name: name}
	}
	return found
}
