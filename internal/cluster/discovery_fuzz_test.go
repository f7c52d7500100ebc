package cluster_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"k8s.io/client-go/rest"

	"github.com/soda-cdm/kahu/internal/cluster"
	"github.com/soda-cdm/kahu/internal/core"
)

// The answers of API servers about what they serve, in short.
const (
	legacyVersions = `{"kind":"APIVersions","versions":["v1"],"serverAddressByClientCIDRs":[{"clientCIDR":"0.0.0.0/0","serverAddress":"10.0.0.1:6443"}]}`
	legacyGroups   = `{"kind":"APIGroupList","apiVersion":"v1","groups":[{"name":"apps","versions":[{"groupVersion":"apps/v1","version":"v1"}],` +
		`"preferredVersion":{"groupVersion":"apps/v1","version":"v1"}},{"name":"batch","versions":[{"groupVersion":"batch/v1","version":"v1"},` +
		`{"groupVersion":"batch/v1beta1","version":"v1beta1"}],"preferredVersion":{"groupVersion":"batch/v1","version":"v1"}}]}`
	legacyResources = `{"kind":"APIResourceList","groupVersion":"apps/v1","resources":[{"name":"deployments","singularName":"deployment",` +
		`"namespaced":true,"kind":"Deployment","verbs":["create","delete","get","list","patch","update","watch"],"shortNames":["deploy"]},` +
		`{"name":"deployments/scale","singularName":"","namespaced":true,"group":"autoscaling","version":"v1","kind":"Scale","verbs":["get","update"]}]}`
	described = `{"kind":"APIGroupDiscoveryList","apiVersion":"apidiscovery.k8s.io/v2","metadata":{},"items":[{"metadata":{"name":"apps"},` +
		`"versions":[{"version":"v1","freshness":"Current","resources":[{"resource":"deployments","responseKind":{"group":"apps","version":"v1",` +
		`"kind":"Deployment"},"scope":"Namespaced","singularResource":"deployment","verbs":["create","delete","get","list","watch"],` +
		`"shortNames":["deploy"],"subresources":[{"subresource":"scale","responseKind":{"group":"autoscaling","version":"v1","kind":"Scale"},` +
		`"verbs":["get","patch","update"]}]}]}]},{"metadata":{"name":"metrics.k8s.io"},"versions":[{"version":"v1beta1","freshness":"Stale"}]}]}`
)

// FuzzDiscovery has an API server describe what it serves with any answers: the kinds that come of it have names, are in
// order and each once, or the answers are refused as corrupt.
func FuzzDiscovery(f *testing.F) {
	f.Add([]byte(legacyVersions), []byte(legacyGroups), []byte(legacyResources), false)
	f.Add([]byte(described), []byte(described), []byte(legacyResources), true)
	f.Add([]byte(`{"items":[{"metadata":{"name":""},"versions":[{"version":"v1","resources":[{"resource":"pods"}]}]}]}`), []byte(`{}`), []byte(`[]`), true)
	f.Add([]byte(`{"versions":["v1","v1",""]}`), []byte(`{"groups":null}`), []byte(`{"resources":[{"name":"/"}]}`), false)
	var answers func(path string) ([]byte, string)
	server := httptest.NewServer(http.HandlerFunc(func(writer http.ResponseWriter, request *http.Request) {
		content, contentType := answers(request.URL.Path)
		writer.Header().Set("Content-Type", contentType)
		_, _ = writer.Write(content) // The client may have gone.
	}))
	f.Cleanup(server.Close)
	client, err := cluster.New(&rest.Config{Host: server.URL, QPS: -1}, cluster.Options{Version: "test", Clock: &impatientClock{}})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, legacy, groups, resources []byte, aggregated bool) {
		contentType := "application/json"
		if aggregated {
			contentType += ";g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
		}
		answers = func(path string) ([]byte, string) {
			switch {
			case path == "/api":
				return legacy, contentType
			case path == "/apis":
				return groups, contentType
			case strings.HasSuffix(path, "/customresourcedefinitions"), strings.HasSuffix(path, "/apiservices"):
				return []byte(`{"metadata":{"resourceVersion":"1"},"items":[]}`), "application/json"
			}
			return resources, "application/json"
		}
		kinds, _, err := client.Kinds(t.Context())
		if err != nil {
			if !errors.Is(err, core.ErrCorrupt) {
				t.Errorf("not corrupt: %v", err)
			}
			return
		}
		byName(t, kinds)
	})
}
