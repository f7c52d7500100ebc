package cluster

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
)

// waitLimit bounds every wait for something that controllers do.
const waitLimit = time.Minute

// Namespace makes a namespace of the test's own in the shared cluster, named
// after the test. It is deleted at the test's end, which does not wait for that.
func Namespace(tb testing.TB) string {
	tb.Helper()
	return NamespaceIn(tb, Config(tb))
}

// NamespaceIn is Namespace for any cluster. What controllers put into every
// namespace is there when it returns.
func NamespaceIn(tb testing.TB, config *rest.Config) string {
	tb.Helper()
	ctx, cancel := context.WithTimeout(tb.Context(), waitLimit)
	defer cancel()
	client := dynamicClient(tb, config)
	namespaces := client.Resource(core("namespaces"))
	made, err := namespaces.Create(ctx, namespaceFor(tb.Name()), metav1.CreateOptions{})
	if err != nil {
		tb.Fatalf("making a namespace: %v", err)
	}
	name := made.GetName()
	tb.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(tb.Context()), waitLimit)
		defer cancel()
		if err := namespaces.Delete(ctx, name, metav1.DeleteOptions{}); err != nil && !apierrors.IsNotFound(err) {
			tb.Errorf("deleting namespace %s: %v", name, err)
		}
	})
	for resource, object := range map[string]string{"serviceaccounts": "default", "configmaps": "kube-root-ca.crt"} {
		if err := await(ctx, client.Resource(core(resource)).Namespace(name), object, exists); err != nil {
			tb.Fatalf("waiting for what every namespace has: %v", err)
		}
	}
	return name
}

// namespaceFor gives a namespace that the API server completes to a name which is unique.
func namespaceFor(test string) *unstructured.Unstructured {
	const longest = 50 // the API server adds five letters, and 63 is the limit
	name := regexp.MustCompile(`[^a-z0-9]+`).ReplaceAllString(strings.ToLower(test), "-")
	name = strings.Trim(name, "-")
	name = strings.TrimRight(name[:min(len(name), longest)], "-")
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1",
		"kind":       "Namespace",
		"metadata":   map[string]any{"generateName": name + "-"},
	}}
}

// await waits until an object is as it should be. A watch that begins nowhere
// in particular begins with what is there already.
func await(ctx context.Context, client dynamic.ResourceInterface, name string, ready func(*unstructured.Unstructured) bool) error {
	watcher, err := client.Watch(ctx, metav1.ListOptions{FieldSelector: "metadata.name=" + name})
	if err != nil {
		return fmt.Errorf("watching %s: %w", name, err)
	}
	defer watcher.Stop()
	for event := range watcher.ResultChan() {
		if event.Type == watch.Error {
			return fmt.Errorf("watching %s: %w", name, apierrors.FromObject(event.Object))
		}
		object, ok := event.Object.(*unstructured.Unstructured)
		if ok && event.Type != watch.Deleted && ready(object) {
			return nil
		}
	}
	return fmt.Errorf("watching %s: the watch has ended, and it was not as it should be: %w", name, context.Cause(ctx))
}

func exists(*unstructured.Unstructured) bool { return true }

func dynamicClient(tb testing.TB, config *rest.Config) *dynamic.DynamicClient {
	tb.Helper()
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		tb.Fatalf("making a client: %v", err)
	}
	return client
}

func core(resource string) schema.GroupVersionResource {
	return schema.GroupVersionResource{Version: "v1", Resource: resource}
}
