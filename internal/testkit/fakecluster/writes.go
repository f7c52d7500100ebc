package fakecluster

import (
	"bytes"
	"context"
	"fmt"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"github.com/soda-cdm/kahu/internal/core"
)

// Create creates the object, in a namespace that is there.
func (c *Cluster) Create(
	_ context.Context, kind core.Kind, object *unstructured.Unstructured, manager string,
) (types.UID, error) {
	key := core.Key{Group: kind.Group, Resource: kind.Resource, Namespace: object.GetNamespace(), Name: object.GetName()}
	if err := c.enter(Call{Verb: "create", Key: key}); err != nil {
		return "", err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, there := c.objects[key]; there {
		return "", fmt.Errorf("creating %s: %w", key, core.ErrAlreadyExists)
	}
	if _, there := c.objects[core.Key{Resource: "namespaces", Name: key.Namespace}]; kind.Namespaced && !there {
		return "", fmt.Errorf("creating %s: its namespace: %w", key, core.ErrNotFound)
	}
	if object.GetResourceVersion() != "" {
		return "", fmt.Errorf("creating %s: resourceVersion is set: %w", key, core.ErrInvalid)
	}
	made := object.DeepCopy()
	account(made, nil, manager, "")
	uid := c.set(key, made)
	if c.Accounts && kind.Group == "" && kind.Resource == "namespaces" {
		c.makeAccount(key.Name)
	}
	return uid, nil
}

// makeAccount makes the ServiceAccount of a namespace. The caller holds the lock.
func (c *Cluster) makeAccount(namespace string) {
	made := &unstructured.Unstructured{Object: map[string]any{}}
	made.SetAPIVersion("v1")
	made.SetKind("ServiceAccount")
	made.SetNamespace(namespace)
	made.SetName("default")
	c.set(core.Key{Resource: "serviceaccounts", Namespace: namespace, Name: "default"}, made)
}

// Replace writes over an object.
func (c *Cluster) Replace(
	_ context.Context, kind core.Kind, object *unstructured.Unstructured, manager string,
) error {
	key := core.Key{Group: kind.Group, Resource: kind.Resource, Namespace: object.GetNamespace(), Name: object.GetName()}
	if err := c.enter(Call{Verb: "replace", Key: key}); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, there := c.objects[key]; !there {
		return fmt.Errorf("replacing %s: %w", key, core.ErrNotFound)
	}
	c.overwrite(key, object.DeepCopy(), manager)
	return nil
}

// overwrite stores an object in place of the one that is there, whose identity it keeps. The caller holds the lock.
func (c *Cluster) overwrite(key core.Key, written *unstructured.Unstructured, manager string) {
	living := &unstructured.Unstructured{Object: c.objects[key]}
	uid := living.GetUID()
	created := c.created[uid]
	account(written, living.GetManagedFields(), manager, "")
	c.set(key, written)
	delete(c.created, written.GetUID())
	written.SetUID(uid)
	c.created[uid] = created
}

// completed is what would be stored of an object that is written over a living one: a write does not change the status of a
// built-in kind. The caller holds the lock.
func (c *Cluster) completed(kind core.Kind, key core.Key, object *unstructured.Unstructured) *unstructured.Unstructured {
	written := object.DeepCopy()
	if kind.Custom {
		return written
	}
	delete(written.Object, "status")
	if status, has := c.objects[key]["status"]; has {
		written.Object["status"] = status
	}
	return written
}

// TryCreate tells what would come of Create, which is the object itself.
func (c *Cluster) TryCreate(
	_ context.Context, kind core.Kind, object *unstructured.Unstructured, _ string,
) (core.Object, error) {
	key := core.Key{Group: kind.Group, Resource: kind.Resource, Namespace: object.GetNamespace(), Name: object.GetName()}
	if err := c.enter(Call{Verb: "try create", Key: key}); err != nil {
		return core.Object{}, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, there := c.objects[key]; there {
		return core.Object{}, fmt.Errorf("creating %s: %w", key, core.ErrAlreadyExists)
	}
	if _, there := c.objects[core.Key{Resource: "namespaces", Name: key.Namespace}]; kind.Namespaced && !there {
		return core.Object{}, fmt.Errorf("creating %s: its namespace: %w", key, core.ErrNotFound)
	}
	return core.Object{Kind: kind, Namespace: key.Namespace, Name: key.Name, JSON: encode(object)}, nil
}

// TryUpdate tells what would come of Update, which is the object itself.
func (c *Cluster) TryUpdate(
	_ context.Context, kind core.Kind, object *unstructured.Unstructured, _ string,
) (core.Object, error) {
	key := core.Key{Group: kind.Group, Resource: kind.Resource, Namespace: object.GetNamespace(), Name: object.GetName()}
	if err := c.enter(Call{Verb: "try update", Key: key}); err != nil {
		return core.Object{}, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.checkVersion(key, object.GetUID(), object.GetResourceVersion()); err != nil {
		return core.Object{}, err
	}
	return core.Object{Kind: kind, Namespace: key.Namespace, Name: key.Name, JSON: encode(c.completed(kind, key, object))}, nil
}

// Update writes over an object of that version.
func (c *Cluster) Update(
	_ context.Context, kind core.Kind, object *unstructured.Unstructured, manager string,
) (bool, error) {
	key := core.Key{Group: kind.Group, Resource: kind.Resource, Namespace: object.GetNamespace(), Name: object.GetName()}
	if err := c.enter(Call{Verb: "update", Key: key}); err != nil {
		return false, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.checkVersion(key, object.GetUID(), object.GetResourceVersion()); err != nil {
		return false, err
	}
	written := c.completed(kind, key, object)
	living := (&unstructured.Unstructured{Object: c.objects[key]}).DeepCopy()
	living.SetManagedFields(nil)
	if bytes.Equal(encode(living), encode(written)) {
		return false, nil
	}
	c.overwrite(key, written, manager)
	return true, nil
}

// Delete removes the object of that version at once.
func (c *Cluster) Delete(_ context.Context, living core.Living, _ bool) error {
	if err := c.enter(Call{Verb: "delete", Key: living.Key()}); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, there := c.objects[living.Key()]; !there {
		return nil
	}
	if err := c.checkVersion(living.Key(), living.UID, living.ResourceVersion); err != nil {
		return err
	}
	delete(c.objects, living.Key())
	return nil
}

// AwaitGone returns at once, as objects go at once.
func (c *Cluster) AwaitGone(context.Context, core.Living) error { return nil }

// checkVersion tells whether an object is there in that version. The caller holds the lock.
func (c *Cluster) checkVersion(key core.Key, uid types.UID, version string) error {
	object, there := c.objects[key]
	if !there {
		return fmt.Errorf("changing %s: %w", key, core.ErrNotFound)
	}
	living := &unstructured.Unstructured{Object: object}
	if living.GetUID() != uid || living.GetResourceVersion() != version {
		return fmt.Errorf("changing %s: %w", key, core.ErrConflict)
	}
	return nil
}
