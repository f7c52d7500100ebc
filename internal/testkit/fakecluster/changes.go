package fakecluster

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"github.com/soda-cdm/kahu/internal/core"
)

// Merge changes fields of an object, in the way of RFC 7386. Every kind has every subresource.
func (c *Cluster) Merge(_ context.Context, patch core.MergePatch, manager string) error {
	key := core.Key{
		Group: patch.Kind.Group, Resource: patch.Kind.Resource, Namespace: patch.Namespace, Name: patch.Name,
	}
	if err := c.enter(Call{Verb: "merge", Key: key}); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	object, there := c.objects[key]
	if !there {
		return fmt.Errorf("changing %s: %w", key, core.ErrNotFound)
	}
	merge(object, patch.Content)
	changed := &unstructured.Unstructured{Object: object}
	account(changed, changed.GetManagedFields(), manager, patch.Subresource)
	c.changed()
	changed.SetResourceVersion(strconv.Itoa(c.version))
	return nil
}

// Change merges content, which is JSON, into an object that is there, as a user does.
func (c *Cluster) Change(tb testing.TB, kind core.Kind, namespace, name, content string) {
	tb.Helper()
	patch := core.MergePatch{Kind: kind, Namespace: namespace, Name: name}
	if err := json.Unmarshal([]byte(content), &patch.Content); err != nil {
		tb.Fatal(err)
	}
	if err := c.Merge(tb.Context(), patch, "user"); err != nil {
		tb.Fatal(err)
	}
}

// SetBack gives the cluster an earlier version, as an API server has whose store was restored. What is in it stays.
func (c *Cluster) SetBack(version int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.version = version
}

// Serve sets a kind, in place of the one of the same group and resource.
func (c *Cluster) Serve(kind core.Kind) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.kinds[kind.GroupResource().String()] = kind
}

func merge(into, patch map[string]any) {
	for field, value := range patch {
		inner, isMap := value.(map[string]any)
		before, wasMap := into[field].(map[string]any)
		switch {
		case value == nil:
			delete(into, field)
		case isMap && wasMap:
			merge(before, inner)
		default:
			into[field] = value
		}
	}
}

// Serves tells whether the cluster has the kind in its version.
func (c *Cluster) Serves(_ context.Context, kind core.Kind) (bool, error) {
	if err := c.enter(Call{Verb: "serves"}); err != nil {
		return false, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.kinds[kind.GroupResource().String()].Version == kind.Version, nil
}

// WaitGone returns when the object is not there any more.
func (c *Cluster) WaitGone(ctx context.Context, kind core.Kind, namespace, name string, uid types.UID) error {
	key := core.Key{Group: kind.Group, Resource: kind.Resource, Namespace: namespace, Name: name}
	if err := c.enter(Call{Verb: "gone", Key: key}); err != nil {
		return err
	}
	return c.until(ctx, func() bool {
		object, there := c.objects[key]
		metadata, _ := object["metadata"].(map[string]any)
		return !there || metadata["uid"] != string(uid)
	})
}

// WaitChange returns when anything in the cluster has changed.
func (c *Cluster) WaitChange(ctx context.Context, _ core.Kind, since string) (string, error) {
	if err := c.enter(Call{Verb: "change"}); err != nil {
		return "", err
	}
	if since == "" {
		c.mu.Lock()
		defer c.mu.Unlock()
		return strconv.Itoa(c.version), nil
	}
	err := c.until(ctx, func() bool { return since != strconv.Itoa(c.version) })
	c.mu.Lock()
	defer c.mu.Unlock()
	return strconv.Itoa(c.version), err
}

// until returns when something is so, which is looked at after each change.
func (c *Cluster) until(ctx context.Context, so func() bool) error {
	for {
		c.mu.Lock()
		is, next := so(), c.next
		c.mu.Unlock()
		if is {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", core.ErrUnavailable, context.Cause(ctx))
		case <-next:
		}
	}
}

// changed tells those who wait that the cluster has changed. The caller holds the lock.
func (c *Cluster) changed() {
	c.version++
	close(c.next)
	c.next = make(chan struct{})
}

// EachLiving visits what is known of the objects of a kind besides their contents, as they are when it begins.
func (c *Cluster) EachLiving(_ context.Context, kind core.Kind, namespace string, visit func(living core.Living) error) error {
	listed := core.Key{Group: kind.Group, Resource: kind.Resource, Namespace: namespace}
	if err := c.enter(Call{Verb: "each living", Key: listed}); err != nil {
		return err
	}
	c.mu.Lock()
	var found []core.Living
	for key := range c.objects {
		if key.GroupResource() == kind.GroupResource() && (namespace == "" || key.Namespace == namespace) {
			found = append(found, c.living(kind, key))
		}
	}
	c.mu.Unlock()
	slices.SortFunc(found, func(a, b core.Living) int { return a.Key().Compare(b.Key()) })
	for _, living := range found {
		if err := visit(living); err != nil {
			return err
		}
	}
	return nil
}

// living returns what is known of an object besides its content. The caller holds the lock.
func (c *Cluster) living(kind core.Kind, key core.Key) core.Living {
	object := &unstructured.Unstructured{Object: c.objects[key]}
	living := core.Living{
		Kind: kind, Namespace: key.Namespace, Name: key.Name, UID: object.GetUID(), ResourceVersion: object.GetResourceVersion(),
		Created: c.created[object.GetUID()], Generation: object.GetGeneration(),
		Terminating: object.GetDeletionTimestamp() != nil, Owners: owners(object.GetOwnerReferences()), Finalizers: object.GetFinalizers(),
		Bound: object.GetAnnotations()["pv.kubernetes.io/bind-completed"] != "",
	}
	for _, entry := range object.GetManagedFields() {
		living.Managers = append(living.Managers, core.Manager{Name: entry.Manager, Subresource: entry.Subresource})
	}
	return living
}
