package cluster

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"github.com/soda-cdm/kahu/internal/cluster/stored"
	"github.com/soda-cdm/kahu/internal/core"
)

const (
	// maxReplaces bounds how often a replacement begins again because somebody else changed the object.
	maxReplaces = 5
)

// Get returns one object, its JSON the same as in a list. One that is not there gives core.ErrNotFound, a kind that
// is not served core.ErrUnsupported, a name that no object can have core.ErrInvalid.
func (c *Client) Get(ctx context.Context, kind core.Kind, namespace, name string) (core.Object, error) {
	object, err := c.get(ctx, kind, namespace, name)
	if err != nil {
		return core.Object{}, fmt.Errorf("getting %s: %w", describe(kind, namespace, name), err)
	}
	return object, nil
}

func (c *Client) get(ctx context.Context, kind core.Kind, namespace, name string) (core.Object, error) {
	path, err := objectPath(kind, namespace, name)
	if err != nil {
		return core.Object{}, err
	}
	content, _, err := c.read(ctx, request{method: http.MethodGet, path: path})
	if err != nil {
		return core.Object{}, err
	}
	return stored.NewConverter(kind).Object(content)
}

// Create creates the object and returns its UID. The API server writes down that the manager of that name did. It sends
// one request, and another one only where it is certain that
// the one before did nothing. An answer that does not come gives core.ErrUnavailable: the object may be there.
//
// The server is told to refuse fields that it does not know rather than to drop them: they give core.ErrInvalid with
// their names. (Servers older than 1.25 drop them all the same.) A namespace that is not there gives
// core.ErrNotFound, one that is being deleted core.ErrConflict, a quota that is used up core.ErrDenied.
func (c *Client) Create(
	ctx context.Context, kind core.Kind, object *unstructured.Unstructured, manager string,
) (types.UID, error) {
	uid, err := c.create(ctx, kind, object, manager)
	if err != nil {
		name := object.GetName()
		if name == "" {
			name = object.GetGenerateName()
		}
		return "", fmt.Errorf("creating %s: %w", describe(kind, object.GetNamespace(), name), withoutContent(kind, err))
	}
	return uid, nil
}

func (c *Client) create(
	ctx context.Context, kind core.Kind, object *unstructured.Unstructured, manager string,
) (types.UID, error) {
	path, err := createPath(kind, object.GetNamespace())
	if err != nil {
		return "", err
	}
	body, err := encode(object)
	if err != nil {
		return "", err
	}
	return c.write(ctx, request{method: http.MethodPost, path: path, body: body}, manager)
}

// Replace writes over the object of that name whatever is in it, as an update by a person would: what the server
// guards (status, fields that cannot change) stays or gives core.ErrInvalid. It begins again when somebody else
// changes the object in between, five times at most, then it gives core.ErrConflict. An object that is not there
// gives core.ErrNotFound; fields that the server does not know give core.ErrInvalid as in Create.
func (c *Client) Replace(
	ctx context.Context, kind core.Kind, object *unstructured.Unstructured, manager string,
) error {
	var err error
	for range maxReplaces {
		err = c.replace(ctx, kind, object, manager)
		if !errors.Is(err, core.ErrConflict) {
			break
		}
	}
	if err != nil {
		name := describe(kind, object.GetNamespace(), object.GetName())
		return fmt.Errorf("replacing %s: %w", name, withoutContent(kind, err))
	}
	return nil
}

func (c *Client) replace(
	ctx context.Context, kind core.Kind, object *unstructured.Unstructured, manager string,
) error {
	path, err := objectPath(kind, object.GetNamespace(), object.GetName())
	if err != nil {
		return err
	}
	living, err := c.metadata(ctx, path)
	if err != nil {
		return err
	}
	// The caller's object stays as it is: what is set here is set in copies of the two maps that hold it.
	next := &unstructured.Unstructured{Object: maps.Clone(object.Object)}
	metadata, _, err := unstructured.NestedFieldNoCopy(object.Object, "metadata")
	fields, ok := metadata.(map[string]any)
	if err != nil || !ok {
		return fmt.Errorf("%w: object without metadata", core.ErrInvalid)
	}
	next.Object["metadata"] = maps.Clone(fields)
	next.SetResourceVersion(living.ResourceVersion)
	next.SetUID(living.UID)
	body, err := encode(next)
	if err != nil {
		return err
	}
	_, err = c.write(ctx, request{method: http.MethodPut, path: path, body: body}, manager)
	return err
}

// write sends an object and returns the UID with which the server answers.
func (c *Client) write(ctx context.Context, r request, manager string) (types.UID, error) {
	r.query = writing(manager)
	r.accept = acceptMetadata
	content, _, err := c.read(ctx, r)
	if err != nil {
		return "", err
	}
	uid, err := stored.UID(content)
	if err != nil {
		return "", fmt.Errorf("reading what the API server answers: %w", err)
	}
	return uid, nil
}

// metadata returns the metadata of the object at the path.
func (c *Client) metadata(ctx context.Context, path string) (metav1.PartialObjectMetadata, error) {
	var object metav1.PartialObjectMetadata
	err := c.readInto(ctx, request{method: http.MethodGet, path: path, accept: acceptMetadata}, &object)
	return object, err
}

func encode(object *unstructured.Unstructured) ([]byte, error) {
	body, err := object.MarshalJSON()
	if err != nil {
		// The error itself is left out, as it can quote content.
		return nil, fmt.Errorf("%w: object that cannot be encoded as JSON", core.ErrInvalid)
	}
	return body, nil
}

// describe names an object for people.
func describe(kind core.Kind, namespace, name string) string {
	if namespace != "" {
		name = namespace + "/" + name
	}
	return kind.String() + " " + name
}
