package cluster_test

import (
	"net/http"
	"slices"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/rest"

	"github.com/soda-cdm/kahu/internal/cluster"
	"github.com/soda-cdm/kahu/internal/core"
	testcluster "github.com/soda-cdm/kahu/internal/testkit/cluster"
)

func TestFacts(t *testing.T) {
	config := testcluster.Config(t)
	client := newClient(t, config, cluster.Options{})
	api := reference(t).Resource(namespaces().GroupVersionResource())

	system, err := api.Get(t.Context(), "kube-system", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if id, err := client.ClusterID(t.Context()); err != nil || id != system.GetUID() {
		t.Errorf("ClusterID: got %q, error %v, want %q", id, err, system.GetUID())
	}

	discovered, err := discovery.NewDiscoveryClientForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	want, err := discovered.ServerVersion()
	if err != nil {
		t.Fatal(err)
	}
	if version, err := client.ServerVersion(t.Context()); err != nil || version != want.GitVersion {
		t.Errorf("ServerVersion: got %q, error %v, want %q", version, err, want.GitVersion)
	}

	own := testcluster.Namespace(t)
	names, err := client.Namespaces(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{own, "default", "kube-system"} {
		if !slices.Contains(names, name) {
			t.Errorf("Namespaces: %s is not in %v", name, names)
		}
	}
	if !slices.IsSorted(names) {
		t.Errorf("Namespaces: %v is not sorted", names)
	}
}

func TestFactsDenied(t *testing.T) {
	config := testcluster.Config(t)
	config.Impersonate = rest.ImpersonationConfig{UserName: "stranger"}
	client := newClient(t, config, cluster.Options{})
	_, err := client.ClusterID(t.Context())
	checkClass(t, err, core.ErrDenied)
	_, err = client.Namespaces(t.Context())
	checkClass(t, err, core.ErrDenied)
}

// TestHeaders shows how the client introduces itself, and where.
func TestHeaders(t *testing.T) {
	seen := make(chan *http.Request, 1)
	config := serve(t, func(w http.ResponseWriter, r *http.Request) {
		seen <- r
		answer(w, http.StatusOK, `{"gitVersion":"v1"}`)
	})
	config.Host += "/clusters/a/"
	config.UserAgent = "somebody else"
	if _, err := newClient(t, config, cluster.Options{Version: "1.2.3"}).ServerVersion(t.Context()); err != nil {
		t.Fatal(err)
	}
	r := <-seen
	if r.URL.Path != "/clusters/a/version" {
		t.Errorf("got path %s", r.URL.Path)
	}
	if agent := r.UserAgent(); agent != "kahu/1.2.3" {
		t.Errorf("got user agent %q", agent)
	}
	if encoding := r.Header.Get("Accept-Encoding"); encoding != "identity" {
		t.Errorf("got accepted encoding %q on loopback", encoding)
	}
	if config.UserAgent != "somebody else" {
		t.Error("the config was changed")
	}
}

func TestNewRefuses(t *testing.T) {
	for name, config := range map[string]*rest.Config{
		"Address":     {Host: "https://bad host"},
		"Certificate": {Host: "https://127.0.0.1", TLSClientConfig: rest.TLSClientConfig{CAFile: "/does/not/exist"}},
	} {
		if _, err := cluster.New(config, cluster.Options{}); err == nil {
			t.Errorf("%s: want an error", name)
		}
	}
}
