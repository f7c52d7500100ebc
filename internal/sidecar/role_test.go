package sidecar_test

import (
	"net/http"
	"path/filepath"
	"testing"

	"github.com/go-logr/logr/funcr"
	"k8s.io/client-go/rest"

	"github.com/soda-cdm/kahu/internal/sidecar/orders"
	"github.com/soda-cdm/kahu/internal/testkit/cluster"
	"github.com/soda-cdm/kahu/provider/memory"
)

// kahuNamespace is the namespace of the manifests.
const kahuNamespace = "kahu-system"

// refusals makes a test fail for each call that the API server forbids.
type refusals struct {
	t    *testing.T
	next http.RoundTripper
}

// RoundTrip passes a call on.
func (r *refusals) RoundTrip(request *http.Request) (*http.Response, error) {
	response, err := r.next.RoundTrip(request)
	if err == nil && response.StatusCode == http.StatusForbidden {
		r.t.Errorf("refused: %s %s", request.Method, request.URL.Path)
	}
	return response, err
}

// account returns the way of a provider's sidecar to the cluster, with the rights of config/rbac.
func account(t *testing.T) *rest.Config {
	t.Helper()
	cluster.Apply(t, cluster.Config(t), filepath.Join("..", "..", "config", "rbac", "provider.yaml"))
	config := cluster.ImpersonatingAccount(cluster.Config(t), kahuNamespace, "kahu-provider")
	config.Wrap(func(next http.RoundTripper) http.RoundTripper {
		return &refusals{t: t, next: next}
	})
	return config
}

// TestRoleOfVolumeProvider: with the rights of config/rbac and no others a sidecar carries out an order for a volume of a
// location, and removes its data, and is refused nothing.
func TestRoleOfVolumeProvider(t *testing.T) {
	w := newVolumeWorld(t)
	config := account(t)
	w.serve(w.volumes(memory.VolumeOptions{}))
	w.secret(kahuNamespace, w.name, map[string]any{"password": canary})
	location := w.locationNamed("with", map[string]any{
		"providerName": w.name, "credentialsSecretRef": map[string]any{"name": w.name},
	})
	options := w.volumeOptions("one")
	options.Config, options.Namespace = config, kahuNamespace
	w.runVolumesWith(options, orders.Limits{})
	name := w.order("data", map[string]any{"location": location, "deletionPolicy": "Delete"})
	w.inPhase(w.backups(), name, "Completed")
	w.delete(w.backups(), name)
}

// TestRoleOfProvider: with the rights of config/rbac and no others a sidecar registers its driver, renews its lease, reads the
// location and its credentials, tells that another place serves the provider, and takes over, and is refused nothing.
func TestRoleOfProvider(t *testing.T) {
	w := newWorld(t)
	config := account(t)
	w.serve(newDriver(w.name))
	w.secret(kahuNamespace, w.name, map[string]any{"password": canary})
	begin := func(place string) (stop func(), log *logBook) {
		options := w.options()
		log = &logBook{changed: make(chan struct{}, 1)}
		options.Config, options.Namespace = rest.CopyConfig(config), kahuNamespace
		options.Holder, options.Place, options.Logger = place, place, funcr.New(log.add, funcr.Options{})
		return w.run(options), log
	}
	stop, log := begin("first")
	must(t, log.await(t.Context(), healthy, 1))
	files := w.location(w.locationNamed("with", map[string]any{
		"providerName": w.name, "credentialsSecretRef": map[string]any{"name": w.name},
	}))
	must(t, w.write(files, "file"))
	_, second := begin("second")
	must(t, second.await(t.Context(), "another sidecar serves the provider", 1))
	stop()
	must(t, second.await(t.Context(), healthy, 1))
}
