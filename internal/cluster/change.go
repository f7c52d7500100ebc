package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/soda-cdm/kahu/internal/cluster/stored"
	"github.com/soda-cdm/kahu/internal/core"
)

// TryCreate asks the API server what would come of creating the object, and returns that. Nothing is written. Errors are
// those of Create.
func (c *Client) TryCreate(
	ctx context.Context, kind core.Kind, object *unstructured.Unstructured, manager string,
) (core.Object, error) {
	path, err := createPath(kind, object.GetNamespace())
	if err == nil {
		var tried core.Object
		tried, err = c.try(ctx, kind, object, request{method: http.MethodPost, path: path, query: writing(manager)})
		if err == nil {
			return tried, nil
		}
	}
	name := describe(kind, object.GetNamespace(), object.GetName())
	return core.Object{}, fmt.Errorf("trying to create %s: %w", name, withoutContent(kind, err))
}

// TryUpdate asks the API server what would come of Update, and returns that. Nothing is written. Errors are those of Update.
func (c *Client) TryUpdate(
	ctx context.Context, kind core.Kind, object *unstructured.Unstructured, manager string,
) (core.Object, error) {
	path, err := objectPath(kind, object.GetNamespace(), object.GetName())
	if err == nil {
		var tried core.Object
		tried, err = c.try(ctx, kind, object, request{method: http.MethodPut, path: path, query: writing(manager)})
		if err == nil {
			return tried, nil
		}
	}
	name := describe(kind, object.GetNamespace(), object.GetName())
	return core.Object{}, fmt.Errorf("trying to update %s: %w", name, withoutContent(kind, err))
}

func (c *Client) try(ctx context.Context, kind core.Kind, object *unstructured.Unstructured, r request) (core.Object, error) {
	body, err := encode(object)
	if err != nil {
		return core.Object{}, err
	}
	r.body = body
	r.query.Set("dryRun", metav1.DryRunAll)
	content, _, err := c.read(ctx, r)
	if err != nil {
		return core.Object{}, err
	}
	return stored.NewConverter(kind).Object(content)
}

// Update writes over the object of that name, UID and resourceVersion, which the object states, and tells whether that
// changed anything. An object that is another one by now gives core.ErrConflict, one that is not there core.ErrNotFound,
// what the server guards core.ErrInvalid.
func (c *Client) Update(
	ctx context.Context, kind core.Kind, object *unstructured.Unstructured, manager string,
) (bool, error) {
	changed, err := c.update(ctx, kind, object, manager)
	if err != nil {
		name := describe(kind, object.GetNamespace(), object.GetName())
		return false, fmt.Errorf("updating %s: %w", name, withoutContent(kind, err))
	}
	return changed, nil
}

func (c *Client) update(
	ctx context.Context, kind core.Kind, object *unstructured.Unstructured, manager string,
) (bool, error) {
	path, err := objectPath(kind, object.GetNamespace(), object.GetName())
	if err != nil {
		return false, err
	}
	body, err := encode(object)
	if err != nil {
		return false, err
	}
	var written metav1.PartialObjectMetadata
	r := request{method: http.MethodPut, path: path, body: body, query: writing(manager), accept: acceptMetadata}
	if err := c.readInto(ctx, r, &written); err != nil {
		return false, err
	}
	return written.ResourceVersion != object.GetResourceVersion(), nil
}

func writing(manager string) url.Values {
	return url.Values{"fieldManager": {manager}, "fieldValidation": {metav1.FieldValidationStrict}}
}

// Delete asks for the deletion of exactly this object, as it was read: one that is another one by now, or has changed
// since, gives core.ErrConflict and stays. What it owns stays where orphan is true, and else goes with it. An object that
// is not there any more is no error.
func (c *Client) Delete(ctx context.Context, living core.Living, orphan bool) error {
	err := c.delete(ctx, living, orphan)
	if err != nil && !errors.Is(err, core.ErrNotFound) {
		return fmt.Errorf("deleting %s: %w", describe(living.Kind, living.Namespace, living.Name), err)
	}
	return nil
}

func (c *Client) delete(ctx context.Context, living core.Living, orphan bool) error { //nolint:revive // The API has two ways, and they are a flag.
	path, err := objectPath(living.Kind, living.Namespace, living.Name)
	if err != nil {
		return err
	}
	propagation := metav1.DeletePropagationBackground
	if orphan {
		propagation = metav1.DeletePropagationOrphan
	}
	body, err := json.Marshal(metav1.DeleteOptions{
		TypeMeta:          metav1.TypeMeta{APIVersion: "v1", Kind: "DeleteOptions"},
		Preconditions:     &metav1.Preconditions{UID: &living.UID, ResourceVersion: &living.ResourceVersion},
		PropagationPolicy: &propagation,
	})
	if err != nil {
		return fmt.Errorf("%w: options of a deletion", core.ErrInvalid)
	}
	_, _, err = c.read(ctx, request{method: http.MethodDelete, path: path, body: body})
	return err
}

// AwaitGone returns when the object is not there any more, or is another one of that name, and core.ErrUnavailable when
// the context ends before.
func (c *Client) AwaitGone(ctx context.Context, living core.Living) error {
	for attempt := 1; ; attempt++ {
		now, err := c.Living(ctx, living.Kind, living.Namespace, living.Name)
		if errors.Is(err, core.ErrNotFound) || err == nil && now.UID != living.UID {
			return nil
		}
		if err == nil {
			err = c.awaitChange(ctx, now)
		}
		if ctx.Err() != nil {
			return fmt.Errorf("%w: %s is still there: what holds it are its finalizers: %v",
				core.ErrUnavailable, describe(living.Kind, living.Namespace, living.Name), now.Finalizers)
		}
		if err == nil {
			continue
		}
		if err := c.sleep(ctx, lookWait(attempt)); err != nil {
			continue // The end of the context is told of above.
		}
	}
}

// awaitChange returns at the next change of the object, or when the server ends the watch.
func (c *Client) awaitChange(ctx context.Context, now core.Living) error {
	path, err := collectionPath(now.Kind, now.Namespace)
	if err != nil {
		return err
	}
	query := url.Values{
		"watch": {"true"}, "resourceVersion": {now.ResourceVersion},
		"fieldSelector": {"metadata.name=" + now.Name}, "timeoutSeconds": {"30"},
	}
	body, err := c.send(ctx, request{method: http.MethodGet, path: path, query: query, accept: acceptMetadata, attempts: 1})
	if err != nil {
		return err
	}
	defer body.Close() //nolint:errcheck // Nothing more is read.
	// Any event will do: what it says is asked for afresh.
	first := make([]byte, 1)
	if _, err := body.Read(first); err != nil {
		return fmt.Errorf("%w: watch without an event", core.ErrUnavailable)
	}
	return nil
}
