package cluster

import (
	"context"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/soda-cdm/kahu/internal/core"
)

// Living returns what the API server says of an object besides its content. Errors are those of Get.
func (c *Client) Living(ctx context.Context, kind core.Kind, namespace, name string) (core.Living, error) {
	path, err := objectPath(kind, namespace, name)
	if err == nil {
		var metadata metav1.PartialObjectMetadata
		metadata, err = c.metadata(ctx, path)
		if err == nil {
			return livingOf(kind, &metadata.ObjectMeta), nil
		}
	}
	return core.Living{}, fmt.Errorf("getting %s: %w", describe(kind, namespace, name), err)
}

func livingOf(kind core.Kind, metadata *metav1.ObjectMeta) core.Living {
	living := core.Living{
		Kind: kind, Namespace: metadata.Namespace, Name: metadata.Name,
		UID: metadata.UID, ResourceVersion: metadata.ResourceVersion,
		Terminating: metadata.DeletionTimestamp != nil, Finalizers: metadata.Finalizers,
	}
	for i := range metadata.OwnerReferences {
		owner := &metadata.OwnerReferences[i]
		living.Owners = append(living.Owners, core.Owner{
			APIVersion: owner.APIVersion, Kind: owner.Kind, Name: owner.Name, UID: owner.UID,
			Controller: owner.Controller != nil && *owner.Controller,
		})
	}
	for i := range metadata.ManagedFields {
		entry := &metadata.ManagedFields[i]
		living.Managers = append(living.Managers, core.Manager{Name: entry.Manager, Subresource: entry.Subresource})
	}
	return living
}
