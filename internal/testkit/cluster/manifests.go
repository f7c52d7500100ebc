package cluster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Apply applies every object in a YAML file.
func Apply(tb testing.TB, config *rest.Config, path string) {
	tb.Helper()
	objects, err := readFile(path)
	if err != nil {
		tb.Fatal(err)
	}
	to, err := client.New(config, client.Options{})
	if err != nil {
		tb.Fatalf("making a client: %v", err)
	}
	ctx, cancel := context.WithTimeout(tb.Context(), waitLimit)
	defer cancel()
	for _, object := range objects {
		if err := to.Apply(ctx, client.ApplyConfigurationFromUnstructured(object), client.FieldOwner("testkit"), client.ForceOwnership); err != nil {
			tb.Fatalf("applying %s %s: %v", object.GetKind(), object.GetName(), err)
		}
	}
}

// Impersonating is the config of somebody who has exactly the rights that the roles in the cluster give.
func Impersonating(config *rest.Config, user string, groups ...string) *rest.Config {
	config = rest.CopyConfig(config)
	config.Impersonate = rest.ImpersonationConfig{UserName: user, Groups: append(groups, "system:authenticated")}
	return config
}

// ImpersonatingAccount is Impersonating for a ServiceAccount.
func ImpersonatingAccount(config *rest.Config, namespace, name string) *rest.Config {
	return Impersonating(config, "system:serviceaccount:"+namespace+":"+name, "system:serviceaccounts", "system:serviceaccounts:"+namespace)
}

// readFile reads the objects of a YAML file.
func readFile(path string) ([]*unstructured.Unstructured, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }() // was only read
	decoder := yaml.NewYAMLOrJSONDecoder(file, 4096)
	var objects []*unstructured.Unstructured
	for {
		object := &unstructured.Unstructured{}
		err := decoder.Decode(&object.Object)
		if errors.Is(err, io.EOF) {
			return objects, nil
		}
		if err != nil {
			return nil, fmt.Errorf("reading %s: %w", path, err)
		}
		objects = append(objects, object)
	}
}
