package volume

import (
	"context"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	"github.com/soda-cdm/kahu/internal/core/leftover"
	"github.com/soda-cdm/kahu/internal/core/volumework"
)

// What says, on all that is made for a backup, whose it is and where the manifest will be, besides the label with its UID. It is
// for those who find it when the Backup is gone.
const (
	backupAnnotation   = "kahu.io/backup"
	locationAnnotation = "kahu.io/location-id"
)

// sign writes on an object for which backup it is made.
func sign(object client.Object, run volumework.Run) {
	labels, annotations := object.GetLabels(), object.GetAnnotations()
	if labels == nil {
		labels = map[string]string{}
	}
	if annotations == nil {
		annotations = map[string]string{}
	}
	labels[kahuv1.BackupUIDLabel] = run.UID
	if run.Name != "" {
		annotations[backupAnnotation] = run.Name
	}
	if run.LocationID != "" {
		annotations[locationAnnotation] = run.LocationID
	}
	object.SetLabels(labels)
	object.SetAnnotations(annotations)
}

// Leftovers returns what was made for backups that are not known, by their UIDs. What is being deleted already is none.
func (c *Client) Leftovers(ctx context.Context, known func(uid string) bool) ([]leftover.Trace, error) {
	found := map[string]*leftover.Trace{}
	kinds := []schema.GroupVersionKind{
		kahuv1.GroupVersion.WithKind("VolumeBackupContent"),
		snapshotGroup().WithKind(snapshotKind), snapshotGroup().WithKind(contentKind),
		corev1.SchemeGroupVersion.WithKind(claimKind),
	}
	if version, err := c.groupVersion(); err == nil { // Without it, there are no groups.
		kinds = append(kinds, version.WithKind(groupKind))
	}
	for _, kind := range kinds {
		if err := c.findLeft(ctx, kind, known, found); err != nil {
			return nil, fmt.Errorf("listing %ss: %w", kind.Kind, err)
		}
	}
	traces := make([]leftover.Trace, 0, len(found))
	for _, trace := range found {
		traces = append(traces, *trace)
	}
	slices.SortFunc(traces, func(a, b leftover.Trace) int { return strings.Compare(a.UID, b.UID) })
	return traces, nil
}

// findLeft goes through the objects of one kind, page by page.
func (c *Client) findLeft(
	ctx context.Context, kind schema.GroupVersionKind, known func(uid string) bool, found map[string]*leftover.Trace,
) error {
	within, token := client.InNamespace(""), ""
	if kind.Kind == claimKind {
		within = client.InNamespace(c.options.Namespace) // Those of snapshots are there, and all others are people's.
	}
	for {
		page := &metav1.PartialObjectMetadataList{}
		page.SetGroupVersionKind(kind.GroupVersion().WithKind(kind.Kind + "List"))
		err := c.api.List(ctx, page, client.HasLabels{kahuv1.BackupUIDLabel}, client.Limit(c.options.Page), client.Continue(token), within)
		if meta.IsNoMatchError(err) {
			return nil
		}
		if err != nil {
			return err
		}
		for i := range page.Items {
			object := &page.Items[i]
			object.SetGroupVersionKind(kind) // That of the list says nothing.
			if uid := object.Labels[kahuv1.BackupUIDLabel]; uid != "" && !known(uid) && object.DeletionTimestamp == nil {
				addLeft(found, uid, object)
			}
		}
		if token = page.Continue; token == "" {
			return nil
		}
	}
}

// addLeft adds an object to what its backup has left.
func addLeft(found map[string]*leftover.Trace, uid string, object *metav1.PartialObjectMetadata) {
	if found[uid] == nil {
		found[uid] = &leftover.Trace{UID: uid}
	}
	found[uid].Add(leftover.Object{
		APIVersion: object.APIVersion, Kind: object.Kind, Namespace: object.Namespace, Name: object.Name, UID: string(object.UID),
	}, object.Annotations[backupAnnotation], object.Annotations[locationAnnotation], object.CreationTimestamp.Time)
}
