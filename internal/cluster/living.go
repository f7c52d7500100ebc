package cluster

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"

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

// boundAnnotation is set in a claim by the controller that found its volume.
const boundAnnotation = "pv.kubernetes.io/bind-completed"

// EachLiving visits what the API server says of all objects of a kind besides their contents, those of one namespace or,
// without one, of all. Errors are those of List, but that a list that expired is begun again: objects can come twice.
func (c *Client) EachLiving(ctx context.Context, kind core.Kind, namespace string, visit func(living core.Living) error) error {
	path, err := collectionPath(kind, namespace)
	for attempt := 1; err == nil; attempt++ {
		err = c.eachLiving(ctx, kind, path, visit)
		if !errors.Is(err, core.ErrExpired) || attempt >= c.attempts {
			break
		}
		err = nil
	}
	if err != nil {
		return fmt.Errorf("listing %s: %w", kind, err)
	}
	return nil
}

func (c *Client) eachLiving(ctx context.Context, kind core.Kind, path string, visit func(living core.Living) error) error {
	query := url.Values{"limit": {strconv.Itoa(pageLimit)}}
	for {
		var page metav1.PartialObjectMetadataList
		asked := request{method: http.MethodGet, path: path, query: query, accept: acceptMetadataList}
		if err := c.readInto(ctx, asked, &page); err != nil {
			return err
		}
		for i := range page.Items {
			if err := visit(livingOf(kind, &page.Items[i].ObjectMeta)); err != nil {
				return err
			}
		}
		if page.Continue == "" {
			return nil
		}
		query.Set("continue", page.Continue)
	}
}

func livingOf(kind core.Kind, metadata *metav1.ObjectMeta) core.Living {
	living := core.Living{
		Kind: kind, Namespace: metadata.Namespace, Name: metadata.Name,
		UID: metadata.UID, ResourceVersion: metadata.ResourceVersion, Created: metadata.CreationTimestamp.Time, Generation: metadata.Generation,
		Terminating: metadata.DeletionTimestamp != nil, Finalizers: metadata.Finalizers,
		Bound: metadata.Annotations[boundAnnotation] != "", Owners: ownersOf(metadata),
	}
	for i := range metadata.ManagedFields {
		entry := &metadata.ManagedFields[i]
		living.Managers = append(living.Managers, core.Manager{Name: entry.Manager, Subresource: entry.Subresource})
	}
	return living
}

func ownersOf(metadata *metav1.ObjectMeta) []core.Owner {
	var owners []core.Owner
	for i := range metadata.OwnerReferences {
		owner := &metadata.OwnerReferences[i]
		owners = append(owners, core.Owner{
			APIVersion: owner.APIVersion, Kind: owner.Kind, Name: owner.Name, UID: owner.UID,
			Controller: owner.Controller != nil && *owner.Controller,
		})
	}
	return owners
}
