package main

import (
	"bytes"
	"context"
	"embed"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"

	"github.com/soda-cdm/kahu/test/demo/compare"
)

//go:embed application/*.yaml
var manifests embed.FS

// waitingClass is the storage class whose claims stay without a volume, as no pod runs.
const waitingClass = "shop-local"

// deploy creates the application as a person would: from files, in order, with kubectl.
func (s *story) deploy(ctx context.Context, to *cluster) error {
	files, err := s.write()
	if err != nil {
		return err
	}
	steps := [][]string{
		append([]string{"create"}, files("00-definitions")...),
		{"wait", "--for=condition=Established", "crd/orders.shop.example.com", "crd/regions.shop.example.com"},
		append([]string{"create"}, files("10-cluster", "20-access", "30-configuration", "35-large", "40-limits")...),
		// Until it has counted once, a quota refuses everything.
		{"wait", "--for=jsonpath={.status.hard}", "--namespace=shop", "quota/shop"},
		{"wait", "--for=jsonpath={.status.hard}", "--namespace=shop-data", "quota/shop-data"},
		append([]string{"create"}, files("50-workloads", "60-network", "70-orders")...),
		// What a controller of the application would write.
		{
			"patch", "order", "4711", "--namespace=shop", "--subresource=status", "--type=merge",
			`--patch={"status":{"phase":"Shipped","shipped":15,"conditions":[{"type":"Paid","status":"True","at":"2024-02-29"}]}}`,
		},
		{
			"patch", "order", "internal", "--namespace=shop-data", "--subresource=status", "--type=merge",
			`--patch={"status":{"phase":"Überfällig"}}`,
		},
	}
	for _, step := range steps {
		if _, err := to.kubectl(ctx, step...); err != nil {
			return fmt.Errorf("deploying the application: %w", err)
		}
	}
	return s.own(ctx, to)
}

// write writes the manifests and returns what makes kubectl's flags of their names.
func (s *story) write() (func(names ...string) []string, error) {
	dir := filepath.Join(s.stage.dir, "application")
	if err := os.CopyFS(dir, manifests); err != nil {
		return nil, fmt.Errorf("writing the manifests: %w", err)
	}
	dir = filepath.Join(dir, "application")
	if err := os.WriteFile(filepath.Join(dir, "35-large.yaml"), largeConfigMap(), 0o600); err != nil {
		return nil, fmt.Errorf("writing the manifests: %w", err)
	}
	return func(names ...string) []string {
		var flags []string
		for _, name := range names {
			flags = append(flags, "--filename", filepath.Join(dir, name+".yaml"))
		}
		return flags
	}, nil
}

// largeConfigMap returns a manifest near the limit of 1 MiB, in YAML that is JSON, half of it text and half bytes that
// do not compress.
func largeConfigMap() []byte {
	const half = 350 << 10
	noise := make([]byte, half)
	for i, state := 0, uint32(1); i < half; i++ {
		state = state*1664525 + 1013904223 // a linear congruence is noise enough, and always the same
		noise[i] = byte(state >> 24)
	}
	text := strings.Repeat("Ein großer Text; 大きなテキスト.\n", half/45)
	return fmt.Appendf(nil,
		`{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "large", "namespace": "shop-data"}, `+
			`"data": {"text": %q}, "binaryData": {"noise": %q}}`, text, base64.StdEncoding.EncodeToString(noise))
}

// own creates objects that others own: a config map of an order, and a secret of a region, which is at cluster scope.
func (s *story) own(ctx context.Context, to *cluster) error {
	owned := []struct{ kind, namespace, name, ownerKind, owner, extra string }{
		{"ConfigMap", "shop", "order-4711", "Order", "4711", `, "controller": true, "blockOwnerDeletion": true`},
		{"Secret", "shop", "region-north", "Region", "north", ""},
		{"ConfigMap", "shop-data", "order-internal", "Order", "internal", ""},
	}
	for _, object := range owned {
		uid, err := to.kubectl(ctx, "get", strings.ToLower(object.ownerKind), object.owner, "--namespace", object.namespace,
			"-o", "jsonpath={.metadata.uid}")
		if err != nil {
			return fmt.Errorf("deploying the application: %w", err)
		}
		file := filepath.Join(s.stage.dir, "owned-"+object.name+".json")
		manifest := fmt.Appendf(nil, `{"apiVersion": "v1", "kind": %q, "metadata": {"namespace": %q, "name": %q,
			"ownerReferences": [{"apiVersion": "shop.example.com/v1", "kind": %q, "name": %q, "uid": %q%s}]}}`,
			object.kind, object.namespace, object.name, object.ownerKind, object.owner, bytes.TrimSpace(uid), object.extra)
		if err := os.WriteFile(file, manifest, 0o600); err != nil {
			return fmt.Errorf("deploying the application: %w", err)
		}
		if _, err := to.kubectl(ctx, "create", "--filename", file); err != nil {
			return fmt.Errorf("deploying the application: %w", err)
		}
	}
	return nil
}

// promised returns what controllers will make for the application that has just been deployed.
func (s *story) promised(ctx context.Context, in *cluster) (map[compare.Group]int, error) {
	out, err := in.kubectl(ctx, "get", "namespaces,services,endpoints,deployments,statefulsets,daemonsets",
		"--all-namespaces", "-o", "json")
	if err != nil {
		return nil, err
	}
	objects, err := compare.Read(bytes.NewReader(out))
	if err != nil {
		return nil, err
	}
	groups := map[compare.Group]int{
		{Kind: "APIService", For: "v1.shop.example.com"}:         1,
		{Kind: "APIService", For: "v1alpha1.shop.example.com"}:   1,
		{Kind: "Pod", Namespace: "shop-data", For: "Job import"}: 2,
	}
	for key, object := range objects.Without(s.known).Authored() {
		maps.Copy(groups, promises(key, object))
	}
	return groups, nil
}

// promises returns what controllers will make for one object.
func promises(key compare.Key, object compare.Object) map[compare.Group]int {
	group := func(kind string) compare.Group {
		return compare.Group{Kind: kind, Namespace: key.Namespace, For: key.Kind + " " + key.Name}
	}
	switch key.Kind {
	case "Namespace":
		return map[compare.Group]int{{Kind: "ConfigMap", Namespace: key.Name, For: "namespace"}: 1}
	case "Service":
		if at(object, "spec", "selector") != nil {
			return map[compare.Group]int{group("EndpointSlice"): 1, group("Endpoints"): 1}
		}
	case "Endpoints":
		return map[compare.Group]int{group("EndpointSlice"): 1}
	case "Deployment":
		if at(object, "spec", "paused") != true {
			return map[compare.Group]int{group("ReplicaSet"): 1}
		}
	case "DaemonSet":
		return map[compare.Group]int{group("ControllerRevision"): 1}
	case "StatefulSet":
		replicas, _ := at(object, "spec", "replicas").(json.Number)
		pods, _ := replicas.Int64()
		return map[compare.Group]int{group("ControllerRevision"): 1, group("Pod"): int(pods)}
	}
	return nil
}
