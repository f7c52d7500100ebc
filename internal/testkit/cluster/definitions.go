package cluster

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/rest"
)

// InstallCRDs applies every definition in the YAML files of a folder and
// returns when the API server serves and shows them.
func InstallCRDs(tb testing.TB, config *rest.Config, dir string) {
	tb.Helper()
	definitions, err := readDefinitions(dir)
	if err != nil {
		tb.Fatalf("reading definitions: %v", err)
	}
	ctx, cancel := context.WithTimeout(tb.Context(), waitLimit)
	defer cancel()
	client := dynamicClient(tb, config).Resource(schema.GroupVersionResource{
		Group: "apiextensions.k8s.io", Version: "v1", Resource: "customresourcedefinitions",
	})
	for _, definition := range definitions {
		options := metav1.ApplyOptions{FieldManager: "testkit", Force: true}
		if _, err := client.Apply(ctx, definition.GetName(), definition, options); err != nil {
			tb.Fatalf("applying definition %s: %v", definition.GetName(), err)
		}
	}
	for _, definition := range definitions {
		if err := await(ctx, client, definition.GetName(), established); err != nil {
			tb.Fatalf("waiting for definition %s: %v", definition.GetName(), err)
		}
		if err := awaitDiscovery(ctx, config, definition); err != nil {
			tb.Fatalf("waiting for discovery of %s: %v", definition.GetName(), err)
		}
	}
}

// readDefinitions fails for a folder without any: a test would go on without what it tests.
func readDefinitions(dir string) ([]*unstructured.Unstructured, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.y*ml"))
	if err != nil {
		return nil, err
	}
	var definitions []*unstructured.Unstructured
	for _, file := range files {
		read, err := readFile(file)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		definitions = append(definitions, slices.DeleteFunc(read, isNoDefinition)...)
	}
	if len(definitions) == 0 {
		return nil, fmt.Errorf("there are none in %s", dir)
	}
	return definitions, nil
}

func isNoDefinition(object *unstructured.Unstructured) bool {
	return object.GetKind() != "CustomResourceDefinition"
}

// established is the condition with which the API server serves a definition.
func established(definition *unstructured.Unstructured) bool {
	conditions, _, err := unstructured.NestedSlice(definition.Object, "status", "conditions")
	return err == nil && slices.ContainsFunc(conditions, func(condition any) bool {
		fields, ok := condition.(map[string]any)
		return ok && fields["type"] == "Established" && fields["status"] == "True"
	})
}

// awaitDiscovery waits until a definition that is served is also shown, which
// clients need that map kinds to resources. It cannot be watched.
func awaitDiscovery(ctx context.Context, config *rest.Config, definition *unstructured.Unstructured) error {
	client, err := discovery.NewDiscoveryClientForConfig(config)
	if err != nil {
		return err
	}
	const longest = 200 * time.Millisecond
	for wait := 5 * time.Millisecond; ; wait = min(wait*2, longest) {
		shown, err := shows(client, definition)
		if shown || err != nil {
			return err
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return fmt.Errorf("not all of its versions are shown: %w", ctx.Err())
		case <-timer.C:
		}
	}
}

// shows reports whether the API server shows every version of a definition that it is to serve.
func shows(client *discovery.DiscoveryClient, definition *unstructured.Unstructured) (bool, error) {
	content := struct {
		Spec struct {
			Group string `json:"group"`
			Names struct {
				Plural string `json:"plural"`
			} `json:"names"`
			Versions []struct {
				Name   string `json:"name"`
				Served bool   `json:"served"`
			} `json:"versions"`
		} `json:"spec"`
	}{}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(definition.Object, &content); err != nil {
		return false, fmt.Errorf("reading it: %w", err)
	}
	for _, version := range content.Spec.Versions {
		if !version.Served {
			continue
		}
		list, err := client.ServerResourcesForGroupVersion(content.Spec.Group + "/" + version.Name)
		if apierrors.IsNotFound(err) {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		named := func(resource metav1.APIResource) bool { return resource.Name == content.Spec.Names.Plural }
		if !slices.ContainsFunc(list.APIResources, named) {
			return false, nil
		}
	}
	return true, nil
}
