// Package fakecluster is a cluster in memory for tests of the use cases: it has kinds and objects and nothing that
// acts by itself. It answers as package cluster does; a test may have it fail, change or stop at any call.
package fakecluster

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"github.com/soda-cdm/kahu/internal/core"
)

// Call is one question to the cluster.
type Call struct {
	// Verb is kinds, list, page (before each page of a list), metadata, metadata page, whole page, get, living, create, replace, merge or wait.
	Verb string
	// Key names the object, or the kind and the namespace of a list.
	Key core.Key
	// Page counts the pages of a list from 0.
	Page int
}

// Cluster is the cluster. It may be used by many goroutines at once; its fields are set before.
type Cluster struct {
	// Intercept, if set, is asked before each call is answered: its error is the answer. It may change the cluster.
	Intercept func(call Call) error
	// Unserved are the groups that the cluster cannot describe.
	Unserved []core.UnservedGroup
	// PageSize is the number of objects in a page; 0 means 2.
	PageSize int
	// Backwards makes lists come in the wrong order.
	Backwards bool
	// Accounts makes a ServiceAccount called default in every namespace that is created.
	Accounts bool

	mu      sync.Mutex
	kinds   map[string]core.Kind
	objects map[core.Key]map[string]any
	calls   []Call
	version int
	created map[types.UID]time.Time
	next    chan struct{} // closed at the next change
	lists   map[string][]core.Object
}

// New returns a cluster of these kinds, without an object.
func New(kinds ...core.Kind) *Cluster {
	made := &Cluster{kinds: map[string]core.Kind{}, objects: map[core.Key]map[string]any{}, created: map[types.UID]time.Time{}, next: make(chan struct{})}
	for _, kind := range kinds {
		made.kinds[kind.GroupResource().String()] = kind
	}
	return made
}

// Kind is a built-in kind in version v1.
func Kind(group, name, resource string, namespaced bool) core.Kind {
	return core.Kind{Group: group, Version: "v1", Name: name, Resource: resource, Namespaced: namespaced}
}

// Put sets an object of the kind, as it is in the cluster: content is JSON without apiVersion, kind, name and namespace.
func (c *Cluster) Put(tb testing.TB, kind core.Kind, namespace, name, content string) {
	tb.Helper()
	object := &unstructured.Unstructured{Object: map[string]any{}}
	if err := json.Unmarshal([]byte(content), &object.Object); err != nil {
		tb.Fatal(err)
	}
	object.SetAPIVersion(kind.APIVersion())
	object.SetKind(kind.Name)
	object.SetNamespace(namespace)
	object.SetName(name)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.set(core.Key{Group: kind.Group, Resource: kind.Resource, Namespace: namespace, Name: name}, object)
}

// Remove removes an object, if it is there.
func (c *Cluster) Remove(kind core.Kind, namespace, name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.objects, core.Key{Group: kind.Group, Resource: kind.Resource, Namespace: namespace, Name: name})
	c.changed()
}

// RemoveKind removes a kind with its objects, as the deletion of a definition does.
func (c *Cluster) RemoveKind(kind core.Kind) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.kinds, kind.GroupResource().String())
	maps.DeleteFunc(c.objects, func(key core.Key, _ map[string]any) bool { return key.GroupResource() == kind.GroupResource() })
}

// Contents returns all objects as JSON, by key, without what a cluster gives them: uid, resourceVersion and times.
func (c *Cluster) Contents() map[string]string {
	c.mu.Lock()
	defer c.mu.Unlock()
	found := map[string]string{}
	for key, object := range c.objects {
		copied := (&unstructured.Unstructured{Object: object}).DeepCopy()
		for _, field := range []string{"uid", "resourceVersion", "creationTimestamp", "managedFields"} {
			unstructured.RemoveNestedField(copied.Object, "metadata", field)
		}
		found[key.String()] = string(encode(copied))
	}
	return found
}

// Calls returns the calls with this verb.
func (c *Cluster) Calls(verb string) []Call {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(c.calls), func(call Call) bool { return call.Verb != verb })
}

// Kinds returns what the cluster serves.
func (c *Cluster) Kinds(context.Context) ([]core.Kind, []core.UnservedGroup, error) {
	if err := c.enter(Call{Verb: "kinds"}); err != nil {
		return nil, nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	var kinds []core.Kind
	for _, name := range slices.Sorted(maps.Keys(c.kinds)) {
		kinds = append(kinds, c.kinds[name])
	}
	return kinds, c.Unserved, nil
}

// List visits the objects page by page, as they are when it begins.
func (c *Cluster) List(ctx context.Context, request core.ListRequest, visit func(page core.Page) error) error {
	key := core.Key{Group: request.Kind.Group, Resource: request.Kind.Resource, Namespace: request.Namespace}
	if err := c.enter(Call{Verb: "list", Key: key}); err != nil {
		return err
	}
	objects, version, err := c.snapshot(request)
	if err != nil {
		return err
	}
	size := c.pageSize()
	for number := 0; number == 0 || len(objects) > 0; number++ {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := c.enter(Call{Verb: "page", Key: key, Page: number}); err != nil {
			return err
		}
		end := min(size, len(objects))
		page := core.Page{Objects: objects[:end:end], Remaining: int64(len(objects) - end), ResourceVersion: version}
		objects = objects[end:]
		if err := visit(page); err != nil {
			return err
		}
	}
	return nil
}

func (c *Cluster) snapshot(request core.ListRequest) ([]core.Object, string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, served := c.kinds[request.Kind.GroupResource().String()]; !served {
		return nil, "", fmt.Errorf("the server could not find the requested resource: %w", core.ErrUnsupported)
	}
	var objects []core.Object
	for key := range c.objects {
		if key.GroupResource() == request.Kind.GroupResource() && (request.Namespace == "" || key.Namespace == request.Namespace) {
			objects = append(objects, c.read(request.Kind, key))
		}
	}
	slices.SortFunc(objects, func(a, b core.Object) int { return a.Key().Compare(b.Key()) })
	if c.Backwards {
		slices.Reverse(objects)
	}
	return objects, strconv.Itoa(c.version), nil
}

// Get returns one object.
func (c *Cluster) Get(_ context.Context, kind core.Kind, namespace, name string) (core.Object, error) {
	key := core.Key{Group: kind.Group, Resource: kind.Resource, Namespace: namespace, Name: name}
	if err := c.enter(Call{Verb: "get", Key: key}); err != nil {
		return core.Object{}, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, there := c.objects[key]; !there {
		return core.Object{}, fmt.Errorf("getting %s: %w", key, core.ErrNotFound)
	}
	return c.read(kind, key), nil
}

// Living returns what is known of an object besides its content.
func (c *Cluster) Living(_ context.Context, kind core.Kind, namespace, name string) (core.Living, error) {
	key := core.Key{Group: kind.Group, Resource: kind.Resource, Namespace: namespace, Name: name}
	if err := c.enter(Call{Verb: "living", Key: key}); err != nil {
		return core.Living{}, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, there := c.objects[key]; !there {
		return core.Living{}, fmt.Errorf("getting %s: %w", key, core.ErrNotFound)
	}
	return c.living(kind, key), nil
}

// WaitEstablished returns at once.
func (c *Cluster) WaitEstablished(_ context.Context, names []string) error {
	for _, name := range names {
		if err := c.enter(Call{Verb: "wait", Key: core.Key{Name: name}}); err != nil {
			return err
		}
	}
	return nil
}

// enter notes a call and asks whether it may be answered.
func (c *Cluster) enter(call Call) error {
	c.mu.Lock()
	c.calls = append(c.calls, call)
	c.mu.Unlock()
	if c.Intercept == nil {
		return nil
	}
	return c.Intercept(call)
}

// set stores an object under a new version and identity. The caller holds the lock.
func (c *Cluster) set(key core.Key, object *unstructured.Unstructured) types.UID {
	c.changed()
	uid := types.UID("living-" + strconv.Itoa(c.version))
	object.SetUID(uid)
	object.SetResourceVersion(strconv.Itoa(c.version))
	c.objects[key] = object.Object
	c.created[uid] = c.time()
	return uid
}

// Now is the time of the cluster, after that of all that is in it.
func (c *Cluster) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.changed()
	return c.time()
}

// time is the time of the cluster: each change takes a second. The caller holds the lock.
func (c *Cluster) time() time.Time {
	return time.Date(2026, time.March, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(c.version) * time.Second)
}

// read returns an object in stored form. The caller holds the lock.
func (c *Cluster) read(kind core.Kind, key core.Key) core.Object {
	object := (&unstructured.Unstructured{Object: c.objects[key]}).DeepCopy()
	found := core.Object{
		Kind: kind, Namespace: key.Namespace, Name: key.Name, UID: object.GetUID(), ResourceVersion: object.GetResourceVersion(),
		Labels: object.GetLabels(), Terminating: object.GetDeletionTimestamp() != nil, Owners: owners(object.GetOwnerReferences()),
	}
	unstructured.RemoveNestedField(object.Object, "metadata", "resourceVersion")
	unstructured.RemoveNestedField(object.Object, "metadata", "managedFields")
	found.JSON = encode(object)
	return found
}

// encode returns the object as compact JSON with sorted keys. It was made of JSON, and so becomes JSON.
func encode(object *unstructured.Unstructured) []byte {
	content, err := json.Marshal(object.Object)
	if err != nil {
		panic(err)
	}
	return content
}

func owners(references []metav1.OwnerReference) []core.Owner {
	var found []core.Owner
	for _, reference := range references {
		found = append(found, core.Owner{
			APIVersion: reference.APIVersion, Kind: reference.Kind, Name: reference.Name, UID: reference.UID,
			Controller: reference.Controller != nil && *reference.Controller,
		})
	}
	return found
}
