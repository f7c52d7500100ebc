package e2e_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	testcluster "github.com/soda-cdm/kahu/internal/testkit/cluster"
)

// eventsOf returns the Events about an object, each as type, reason and, where it was repeated, how often.
func (a *api) eventsOf(object client.Object) []string {
	a.t.Helper()
	var all corev1.EventList
	if err := a.client.List(a.t.Context(), &all, client.InNamespace("default")); err != nil {
		a.t.Fatalf("listing events: %v", err)
	}
	var found []string
	for i := range all.Items {
		if event := &all.Items[i]; event.InvolvedObject.UID == object.GetUID() {
			found = append(found, event.Type+" "+event.Reason)
		}
	}
	return found
}

// awaitEvents returns when there are these Events about an object, once each.
func (a *api) awaitEvents(object client.Object, want ...string) {
	a.t.Helper()
	defer func() {
		if a.t.Failed() {
			a.t.Logf("of %s there are %q", object.GetName(), a.eventsOf(object))
		}
	}()
	a.eventually(fmt.Sprintf("events %v about %s", want, object.GetName()), func() bool {
		found := strings.Join(a.eventsOf(object), "\n")
		for _, each := range want {
			if strings.Count(found, each) != 1 {
				return false
			}
		}
		return true
	})
}

// TestEvents: the turning points of runs and locations are Events, once each, and have no secrets in them.
func TestEvents(t *testing.T) {
	w := newWorld(t)
	namespace := w.deploy()
	backup := w.completedBackup("told", func(spec *kahuv1.BackupSpec) {
		spec.IncludeNamespaces = []string{namespace}
		spec.EnableVolumeBackup = new(false)
	})
	w.awaitEvents(backup, "Normal Started", "Normal "+reason(backup.Status.Conditions, kahuv1.ConditionComplete))
	restore := w.completedRestore("told", "told", func(spec *kahuv1.RestoreSpec) {
		spec.NamespaceMapping = map[string]string{namespace: namespace + "-copy"}
	})
	w.awaitEvents(restore, "Normal Started")
	w.create(&kahuv1.Restore{ObjectMeta: named("told-wrong"), Spec: kahuv1.RestoreSpec{BackupName: "nobody"}})
	w.awaitEvents(w.awaitRestore("told-wrong"), "Warning BackupNotFound")

	patch := client.RawPatch("application/merge-patch+json", []byte(`{"metadata":{"annotations":{"kahu.io/verify":"told"}}}`))
	if err := w.client.Patch(t.Context(), backup, patch); err != nil {
		t.Fatal(err)
	}
	w.awaitEvents(backup, "Normal Verified")

	location := w.awaitLocation(w.location, metav1.ConditionTrue)
	w.awaitEvents(location, "Normal Available")
	provider := &kahuv1.Provider{ObjectMeta: named(memoryProvider)}
	w.get(provider)
	w.remove(provider)
	lost := w.awaitLocation(w.location, metav1.ConditionFalse)
	w.awaitEvents(lost, "Warning Unavailable")

	var all corev1.EventList
	if err := w.client.List(t.Context(), &all, client.InNamespace("default")); err != nil {
		t.Fatal(err)
	}
	for i := range all.Items {
		if text := all.Items[i].Message; strings.Contains(text, "hush") || strings.Contains(text, "aHVzaA==") {
			t.Errorf("the value of a Secret is in an event: %s", text)
		}
	}
	w.drop(&corev1.Namespace{ObjectMeta: named(namespace + "-copy")})
}

// freeAddress returns a loopback address at which nobody listens.
func freeAddress(t *testing.T) string {
	t.Helper()
	var config net.ListenConfig
	listener, err := config.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

// fetch returns what is served, or nothing while nothing is.
func fetch(t *testing.T, address, path string) string {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+address+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return ""
	}
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		return ""
	}
	return string(content)
}

// TestWatchingOver: what a manager serves to those who watch over it, when it is asked to: health, metrics, profiles.
func TestWatchingOver(t *testing.T) {
	config := testcluster.Config(t)
	health, metrics, profiles := freeAddress(t), freeAddress(t), freeAddress(t)
	startTree(t, testcluster.Kubeconfig(t), t.TempDir(), "--health-address", health, "--metrics-address", metrics, "--pprof-address", profiles)
	seen := newAPI(t, config)
	t.Cleanup(seen.clear)
	seen.newLocation("main", fileProvider, nil)
	namespace := testcluster.Namespace(t)
	seen.create(&corev1.ConfigMap{ObjectMeta: in(namespace, "settings")})
	seen.create(&kahuv1.Backup{ObjectMeta: named("of-nobodys-concern"), Spec: kahuv1.BackupSpec{
		MetadataLocation: "main", IncludeNamespaces: []string{namespace}, EnableVolumeBackup: new(false),
	}})
	seen.awaitBackup("of-nobodys-concern")
	for _, path := range []string{"/healthz", "/readyz"} {
		seen.eventually(path, func() bool { return fetch(t, health, path) == "ok" })
	}
	for _, want := range []string{
		`kahu_backup_runs_total{location="main",state="Completed"} 1`,
		`kahu_backups{location="main",state="Completed"} 1`,
		`kahu_backup_last_success_timestamp_seconds{location="main"} 1`, // and more digits
		`kahu_location_ready{location="main"} 1`,
		`kahu_provider_available{provider="filesystem"} 1`,
		`kahu_backup_duration_seconds_count{location="main",state="Completed"} 1`,
		`process_resident_memory_bytes`,
	} {
		seen.eventually(want, func() bool { return strings.Contains(fetch(t, metrics, "/metrics"), want) })
	}
	if content := fetch(t, metrics, "/metrics"); strings.Contains(content, "of-nobodys-concern") {
		t.Error("the name of a run is in the metrics")
	}
	if !strings.Contains(fetch(t, profiles, "/debug/pprof/"), "heap") {
		t.Error("no profiles are served")
	}
}
