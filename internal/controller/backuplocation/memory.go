package backuplocation

import (
	"context"
	"encoding/json"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation"
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
}

// recall fills in what an earlier BackupLocation of the same location knew of its owner file.
func (c *Controller) recall(ctx context.Context, s *scope) error {
	owner, id := &s.location.Status.Owner, s.location.Status.LocationID
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

// remember notes what this cluster has written, or is about to write, into the owner file of a location.
func (c *Controller) remember(ctx context.Context, locationID string, owner kahuv1.LocationOwner) error {
	if len(validation.IsConfigMapKey(locationID)) > 0 {
		return nil // No id of Kahu's: its location is known for as long as its object is there.
	}
	content, err := json.Marshal(memory{ClusterID: c.ClusterID, Nonce: owner.Nonce, PendingNonce: owner.PendingNonce})
	if err != nil {
		return err
	}
	row := map[string]string{locationID: string(content)}
	patch, err := json.Marshal(map[string]any{"data": row})
	if err != nil {
		return err
	}
	kept := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: c.Namespace, Name: OwnedLocations}}
	err = c.Client.Patch(ctx, kept, client.RawPatch(client.Merge.Type(), patch))
	if apierrors.IsNotFound(err) {
		kept.Data = row
		err = c.Client.Create(ctx, kept)
	}
	if err != nil {
		return fmt.Errorf("writing ConfigMap %s: %w", OwnedLocations, err)
	}
	return nil
}
