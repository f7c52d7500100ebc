package cluster

import (
	"context"
	"fmt"
	"net/http"
	"slices"

	"k8s.io/apimachinery/pkg/types"

	"github.com/soda-cdm/kahu/internal/core"
)

// ClusterID returns the cluster's id: the UID of the kube-system namespace.
func (c *Client) ClusterID(ctx context.Context) (types.UID, error) {
	path, err := objectPath(namespaces(), "", "kube-system")
	if err != nil {
		return "", fmt.Errorf("reading the cluster id: %w", err)
	}
	namespace, err := c.metadata(ctx, path)
	if err != nil {
		return "", fmt.Errorf("reading the cluster id: %w", err)
	}
	if namespace.UID == "" {
		return "", fmt.Errorf("reading the cluster id: %w: namespace kube-system without a UID", core.ErrCorrupt)
	}
	return namespace.UID, nil
}

// ServerVersion returns the version of the API server, such as v1.36.3.
func (c *Client) ServerVersion(ctx context.Context) (string, error) {
	var version struct {
		GitVersion string `json:"gitVersion"`
	}
	if err := c.readInto(ctx, request{method: http.MethodGet, path: "/version"}, &version); err != nil {
		return "", fmt.Errorf("reading the API server's version: %w", err)
	}
	return version.GitVersion, nil
}

// Namespaces returns the names of all namespaces, ordered.
func (c *Client) Namespaces(ctx context.Context) ([]string, error) {
	found := map[string]bool{}
	err := c.visit(ctx, metadataOf(namespaces()), func(object core.Object) error {
		found[object.Name] = true
		return nil
	})
	if err != nil {
		return nil, err
	}
	names := make([]string, 0, len(found))
	for name := range found {
		names = append(names, name)
	}
	slices.Sort(names)
	return names, nil
}

func namespaces() core.Kind {
	return core.Kind{Version: "v1", Name: "Namespace", Resource: "namespaces"}
}
