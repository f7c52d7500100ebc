package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/soda-cdm/kahu/internal/core"
)

// WaitGone returns when there is no object with that name and that UID any more. Where the context ends before, it
// returns core.ErrUnavailable.
func (c *Client) WaitGone(ctx context.Context, kind core.Kind, namespace, name string, uid types.UID) error {
	for attempt := 1; ; attempt++ {
		err := c.goneOnce(ctx, kind, namespace, name, uid)
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return fmt.Errorf("waiting until %s is gone: %w: it is still there", describe(kind, namespace, name), core.ErrUnavailable)
		case !errors.Is(err, core.ErrExpired) && !errors.Is(err, core.ErrUnavailable):
			return fmt.Errorf("waiting until %s is gone: %w", describe(kind, namespace, name), err)
		}
		if c.sleep(ctx, lookWait(attempt)) != nil {
			continue // The words for that are above.
		}
	}
}

// goneOnce looks, and watches from then on. A watch that ends gives core.ErrExpired.
func (c *Client) goneOnce(ctx context.Context, kind core.Kind, namespace, name string, uid types.UID) error {
	path, err := objectPath(kind, namespace, name)
	if err != nil {
		return err
	}
	living, err := c.metadata(ctx, path)
	if errors.Is(err, core.ErrNotFound) || err == nil && living.UID != uid {
		return nil
	}
	if err != nil {
		return err
	}
	query := url.Values{"fieldSelector": {"metadata.name=" + name}, "resourceVersion": {living.ResourceVersion}}
	return c.watch(ctx, kind, namespace, query, func(event watch.EventType, object *metav1.ObjectMeta) bool {
		return event == watch.Deleted && object.UID == uid
	})
}

// WaitChange returns when an object of the kind has changed since the version, with the version from which to wait on.
// Without a version it returns at once with the present one. core.ErrExpired says that the version is too old: begin
// again without one.
func (c *Client) WaitChange(ctx context.Context, kind core.Kind, since string) (string, error) {
	if since == "" {
		version, err := c.version(ctx, kind)
		if err != nil {
			return "", fmt.Errorf("reading the version of %s: %w", kind, err)
		}
		return version, nil
	}
	next := since
	err := c.watch(ctx, kind, "", url.Values{"resourceVersion": {since}}, func(_ watch.EventType, object *metav1.ObjectMeta) bool {
		next = object.ResourceVersion
		return true
	})
	if err != nil {
		return "", fmt.Errorf("watching %s: %w", kind, err)
	}
	return next, nil
}

// version returns the version of the collection of a kind.
func (c *Client) version(ctx context.Context, kind core.Kind) (string, error) {
	path, err := collectionPath(kind, "")
	if err != nil {
		return "", err
	}
	var list metav1.PartialObjectMetadataList
	err = c.readInto(ctx, request{
		method: http.MethodGet, path: path, accept: acceptMetadataList, query: url.Values{"limit": {"1"}},
	}, &list)
	return list.ResourceVersion, err
}

// watch follows the objects of a kind until done says so. A watch that ends before, as all do in time, gives
// core.ErrExpired.
func (c *Client) watch(
	ctx context.Context, kind core.Kind, namespace string, query url.Values,
	done func(event watch.EventType, object *metav1.ObjectMeta) bool,
) error {
	path, err := collectionPath(kind, namespace)
	if err != nil {
		return err
	}
	query.Set("watch", "true")
	query.Set("timeoutSeconds", strconv.Itoa(int(watchTime.Seconds())))
	body, err := c.send(ctx, request{
		method: http.MethodGet, path: path, query: query, accept: acceptMetadata, timeout: watchTime + longestAdvice,
	})
	if err != nil {
		return err
	}
	// Nothing more is wanted of it.
	defer func() { _ = body.Close() }()
	for events := json.NewDecoder(body); ; {
		var event struct {
			Type   watch.EventType `json:"type"`
			Object struct {
				Metadata metav1.ObjectMeta `json:"metadata"`
			} `json:"object"`
		}
		if err := events.Decode(&event); err != nil {
			if errors.Is(err, io.EOF) {
				return core.ErrExpired
			}
			return broken(err)
		}
		if event.Type == watch.Error {
			return core.ErrExpired
		}
		if done(event.Type, &event.Object.Metadata) {
			return nil
		}
	}
}
