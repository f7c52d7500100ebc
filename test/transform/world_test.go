package transform_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/dynamic"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/transform"
	"github.com/soda-cdm/kahu/internal/testkit/cluster"
)

// waitLimit bounds every wait for a controller.
const waitLimit = time.Minute

// world is a namespace of a cluster.
type world struct {
	t         *testing.T
	client    dynamic.Interface
	namespace string
}

func newWorld(t *testing.T) *world {
	t.Helper()
	client, err := dynamic.NewForConfig(cluster.Config(t))
	if err != nil {
		t.Fatal(err)
	}
	return &world{t: t, client: client, namespace: cluster.Namespace(t)}
}

// kindOf makes a kind of plural.group.version: the version of the core group is v1.
func kindOf(name string, namespaced bool) core.Kind {
	plural, rest, found := strings.Cut(name, ".")
	if !found {
		return core.Kind{Version: "v1", Resource: plural, Namespaced: namespaced}
	}
	at := strings.LastIndex(rest, ".")
	return core.Kind{Group: rest[:at], Version: rest[at+1:], Resource: plural, Namespaced: namespaced}
}

func (w *world) of(kind core.Kind) dynamic.ResourceInterface {
	client := w.client.Resource(kind.GroupVersionResource())
	if kind.Namespaced {
		return client.Namespace(w.namespace)
	}
	return client
}

// object reads an object; NS in its text is the namespace.
func (w *world) object(text string) *unstructured.Unstructured {
	w.t.Helper()
	object := &unstructured.Unstructured{}
	if err := json.Unmarshal([]byte(strings.ReplaceAll(text, "NS", w.namespace)), object); err != nil {
		w.t.Fatalf("reading %s: %v", text, err)
	}
	return object
}

// create creates the object and returns it when it is settled.
func (w *world) create(kind core.Kind, object *unstructured.Unstructured, settled func(object *unstructured.Unstructured) bool) *unstructured.Unstructured {
	w.t.Helper()
	if _, err := w.of(kind).Create(w.t.Context(), object, metav1.CreateOptions{}); err != nil {
		w.t.Fatalf("creating %s %s: %v", kind, object.GetName(), err)
	}
	if settled == nil {
		settled = func(*unstructured.Unstructured) bool { return true }
	}
	w.await(kind, object.GetName(), func(event watch.EventType, object *unstructured.Unstructured) bool {
		return event != watch.Deleted && settled(object)
	})
	living, err := w.of(kind).Get(w.t.Context(), object.GetName(), metav1.GetOptions{})
	if err != nil {
		w.t.Fatal(err)
	}
	return living
}

// remove deletes the object and returns when it is gone.
func (w *world) remove(kind core.Kind, name string) {
	w.t.Helper()
	now, background := int64(0), metav1.DeletePropagationBackground
	err := w.of(kind).Delete(w.t.Context(), name, metav1.DeleteOptions{GracePeriodSeconds: &now, PropagationPolicy: &background})
	if err != nil {
		w.t.Fatalf("deleting %s %s: %v", kind, name, err)
	}
	if _, err := w.of(kind).Get(w.t.Context(), name, metav1.GetOptions{}); apierrors.IsNotFound(err) {
		return
	}
	w.await(kind, name, func(event watch.EventType, _ *unstructured.Unstructured) bool { return event == watch.Deleted })
}

// await watches an object until it is as it should be. Where it is gone when the watch begins, that is seen, too.
func (w *world) await(kind core.Kind, name string, done func(event watch.EventType, object *unstructured.Unstructured) bool) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), waitLimit)
	defer cancel()
	options := metav1.ListOptions{FieldSelector: "metadata.name=" + name}
	list, err := w.of(kind).List(ctx, options)
	if err != nil {
		w.t.Fatal(err)
	}
	if len(list.Items) == 0 && done(watch.Deleted, nil) || len(list.Items) == 1 && done(watch.Added, &list.Items[0]) {
		return
	}
	options.ResourceVersion = list.GetResourceVersion()
	watcher, err := w.of(kind).Watch(ctx, options)
	if err != nil {
		w.t.Fatal(err)
	}
	defer watcher.Stop()
	for event := range watcher.ResultChan() {
		if object, ok := event.Object.(*unstructured.Unstructured); ok && done(event.Type, object) {
			return
		}
	}
	w.t.Fatalf("%s %s is not as it should be after %s", kind, name, waitLimit)
}

// back transforms an object as it was read for its way back.
func (w *world) back(kind core.Kind, read *unstructured.Unstructured, options transform.Options) *unstructured.Unstructured {
	w.t.Helper()
	object := read.DeepCopy()
	for _, change := range transform.New(options).Apply(kind, object.Object) {
		w.t.Logf("%s %s: %s: %s", kind, read.GetName(), change.Path, change.Reason)
	}
	return object
}

// plain is an object without what no two objects share. Its own UID reads UID wherever it stands.
func plain(t *testing.T, object *unstructured.Unstructured, without ...[]string) map[string]any {
	t.Helper()
	text, err := object.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	made := &unstructured.Unstructured{}
	if err := made.UnmarshalJSON([]byte(strings.ReplaceAll(string(text), string(object.GetUID()), "UID"))); err != nil {
		t.Fatal(err)
	}
	for _, field := range []string{"uid", "resourceVersion", "creationTimestamp", "generation", "managedFields"} {
		unstructured.RemoveNestedField(made.Object, "metadata", field)
	}
	unstructured.RemoveNestedField(made.Object, "status")
	for _, path := range without {
		unstructured.RemoveNestedField(made.Object, path...)
	}
	return made.Object
}

// read returns an object when it is settled.
func (w *world) read(kind core.Kind, name string, settled func(object *unstructured.Unstructured) bool) *unstructured.Unstructured {
	w.t.Helper()
	var found *unstructured.Unstructured
	w.await(kind, name, func(event watch.EventType, object *unstructured.Unstructured) bool {
		if event == watch.Deleted || !settled(object) {
			return false
		}
		found = object.DeepCopy()
		return true
	})
	return found
}
