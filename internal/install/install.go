// Package install brings into a cluster what Kahu needs to begin: its definitions and its namespace.
package install

import (
	"context"
	"fmt"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"
)

// fieldManager is who the API server says installed the objects.
const fieldManager = client.FieldOwner("kahu-install")

// Waiter waits for definitions.
type Waiter interface {
	// WaitEstablished returns when the definitions of these names are served.
	WaitEstablished(ctx context.Context, names []string) error
}

// Definitions applies the definitions, YAML by file name, and returns when all of them are served. What is there is
// brought up to date.
func Definitions(ctx context.Context, target client.Client, waiter Waiter, manifests map[string][]byte) error {
	names := make([]string, 0, len(manifests))
	for _, file := range slices.Sorted(maps.Keys(manifests)) {
		definition := &unstructured.Unstructured{}
		if err := yaml.Unmarshal(manifests[file], &definition.Object); err != nil {
			return fmt.Errorf("reading definition %s: %w", file, err)
		}
		configuration := client.ApplyConfigurationFromUnstructured(definition)
		if err := target.Apply(ctx, configuration, fieldManager, client.ForceOwnership); err != nil {
			return fmt.Errorf("applying definition %s: %w", file, err)
		}
		names = append(names, definition.GetName())
	}
	if err := waiter.WaitEstablished(ctx, names); err != nil {
		return fmt.Errorf("waiting for the definitions: %w", err)
	}
	return nil
}

// Missing returns the names of those definitions that the cluster does not serve.
func Missing(target client.Client, manifests map[string][]byte) ([]string, error) {
	var missing []string
	for _, file := range slices.Sorted(maps.Keys(manifests)) {
		definition := &apiextensionsv1.CustomResourceDefinition{}
		if err := yaml.Unmarshal(manifests[file], definition); err != nil {
			return nil, fmt.Errorf("reading definition %s: %w", file, err)
		}
		kind := schema.GroupKind{Group: definition.Spec.Group, Kind: definition.Spec.Names.Kind}
		for _, version := range definition.Spec.Versions {
			_, err := target.RESTMapper().RESTMapping(kind, version.Name)
			if meta.IsNoMatchError(err) {
				missing = append(missing, definition.Name)
				break
			}
			if err != nil {
				return nil, fmt.Errorf("asking whether %s is served: %w", definition.Name, err)
			}
		}
	}
	return missing, nil
}

// Namespace creates the namespace unless it is there.
func Namespace(ctx context.Context, target client.Client, name string) error {
	err := target.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}})
	if err != nil && !apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("creating namespace %s: %w", name, err)
	}
	return nil
}
