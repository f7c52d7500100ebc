package backuplocation

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
)

// OwnedLocations is the ConfigMap in Kahu's own namespace in which the cluster remembers, by the ids of locations, what it
// wrote into their owner files: a BackupLocation that is deleted and made again would not know. It is worth as much as
// the status of a BackupLocation: a copy of the cluster has a copy of both, and is found out by the first of the two that
// writes again.
const OwnedLocations = "kahu-owned-locations"

// memory is what is remembered of one location. The cluster is named, as the ConfigMap may be restored into another one.
type memory struct {
	ClusterID    string `json:"clusterID"`
	Nonce        string `json:"nonce,omitempty"`
	PendingNonce string `json:"pendingNonce,omitempty"`
	// Written is when this was noted; older versions did not say it.
	Written time.Time `json:"written,omitzero"`
}

const (
	// maxRemembered is how many locations are remembered although no BackupLocation has them any more. With more than about
	// five times as many the ConfigMap would be too large for the API server.
	maxRemembered = 1000
	// shortestMemory is for how long every location is remembered.
	shortestMemory = 24 * time.Hour
)

// recall fills in what an earlier BackupLocation of the same location knew of its owner file.
func (c *Controller) recall(ctx context.Context, s *scope) error {
	return c.recallOf(ctx, s, c.ClusterID, &s.location.Status.Owner)
}

// memoryKey is the name of the row about the part of another cluster; that about the cluster's own is the location's id.
func memoryKey(locationID, clusterID string) string { return locationID + "." + clusterID }

// recallOf is recall for the part of any cluster.
func (c *Controller) recallOf(ctx context.Context, s *scope, clusterID string, owner *kahuv1.LocationOwner) error {
	id := s.location.Status.LocationID
	if clusterID != c.ClusterID {
		id = memoryKey(id, clusterID)
	}
	if owner.Nonce != "" || owner.PendingNonce != "" {
		return nil
	}
	remembered := &corev1.ConfigMap{}
	err := c.Direct.Get(ctx, client.ObjectKey{Namespace: c.Namespace, Name: OwnedLocations}, remembered)
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("reading ConfigMap %s: %w", OwnedLocations, err)
	}
	var known memory
	if err := json.Unmarshal([]byte(remembered.Data[id]), &known); err != nil || known.ClusterID != c.ClusterID {
		return nil //nolint:nilerr // What cannot be read is not remembered, and then a person decides.
	}
	owner.Nonce, owner.PendingNonce = known.Nonce, known.PendingNonce
	return nil
}

// remember notes what this cluster has written, or is about to write, into an owner file, under the id of the location or a
// memoryKey.
func (c *Controller) remember(ctx context.Context, name string, owner kahuv1.LocationOwner) error {
	if len(validation.IsConfigMapKey(name)) > 0 {
		return nil // No id of Kahu's: its location is known for as long as its object is there.
	}
	content, err := json.Marshal(memory{
		ClusterID: c.ClusterID, Nonce: owner.Nonce, PendingNonce: owner.PendingNonce, Written: c.Clock.Now().UTC().Truncate(time.Second),
	})
	if err != nil {
		return err
	}
	row := map[string]*string{name: new(string(content))}
	remembered, err := c.writeRows(ctx, row, "")
	if apierrors.IsInvalid(err) || apierrors.IsRequestEntityTooLargeError(err) { // It is full.
		if err := c.Direct.Get(ctx, client.ObjectKey{Namespace: c.Namespace, Name: OwnedLocations}, remembered); err != nil {
			return fmt.Errorf("reading ConfigMap %s: %w", OwnedLocations, err)
		}
		if err := c.forgetOld(ctx, remembered); err != nil {
			return err
		}
		remembered, err = c.writeRows(ctx, row, "")
	}
	if err != nil {
		return err
	}
	return c.forgetOld(ctx, remembered)
}

// writeRows changes rows of the ConfigMap, and removes those without a content. It returns the ConfigMap as it is then. With a
// version it changes nothing but that one.
func (c *Controller) writeRows(ctx context.Context, rows map[string]*string, version string) (*corev1.ConfigMap, error) {
	change := map[string]any{"data": rows}
	if version != "" {
		change["metadata"] = map[string]any{"resourceVersion": version}
	}
	patch, err := json.Marshal(change)
	if err != nil {
		return nil, err
	}
	kept := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: c.Namespace, Name: OwnedLocations}}
	err = c.Client.Patch(ctx, kept, client.RawPatch(client.Merge.Type(), patch))
	if apierrors.IsNotFound(err) && version == "" {
		kept.Data = map[string]string{}
		for id, content := range rows {
			kept.Data[id] = ptr.Deref(content, "")
		}
		err = c.Client.Create(ctx, kept)
	}
	if err != nil {
		return kept, fmt.Errorf("writing ConfigMap %s: %w", OwnedLocations, err)
	}
	return kept, nil
}

// forgetOld removes what need not be remembered any more, so that there is room for others. Where somebody else has written
// meanwhile, the next writing does it.
func (c *Controller) forgetOld(ctx context.Context, remembered *corev1.ConfigMap) error {
	if len(remembered.Data) <= maxRemembered {
		return nil
	}
	locations := &kahuv1.BackupLocationList{}
	if err := c.Direct.List(ctx, locations); err != nil {
		return fmt.Errorf("listing BackupLocations: %w", err)
	}
	inUse := map[string]bool{}
	for i := range locations.Items {
		at := &locations.Items[i]
		inUse[at.Status.LocationID] = true
		for _, clusterID := range at.Spec.InheritedClusters {
			inUse[memoryKey(at.Status.LocationID, clusterID)] = true
		}
	}
	rows := map[string]*string{}
	for _, id := range forgettable(remembered.Data, inUse, c.Clock.Now()) {
		rows[id] = nil
	}
	if len(rows) == 0 {
		return nil
	}
	_, err := c.writeRows(ctx, rows, remembered.ResourceVersion)
	if apierrors.IsConflict(err) {
		return nil
	}
	return err
}

// forgettable returns the ids of the locations that are forgotten: of those that no BackupLocation has, the ones beyond the
// newest, unless they are new themselves. Rows that do not say when they were written are the oldest.
func forgettable(rows map[string]string, inUse map[string]bool, now time.Time) []string {
	written := map[string]time.Time{}
	var unused []string
	for id, content := range rows {
		if inUse[id] {
			continue
		}
		var known memory
		if json.Unmarshal([]byte(content), &known) == nil {
			written[id] = known.Written
		}
		unused = append(unused, id)
	}
	slices.SortFunc(unused, func(a, b string) int { return cmp.Or(written[b].Compare(written[a]), cmp.Compare(a, b)) })
	unused = unused[min(len(unused), maxRemembered):]
	return slices.DeleteFunc(unused, func(id string) bool { return now.Sub(written[id]) < shortestMemory })
}
