package sidecar_test

import (
	"context"
	"errors"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/go-logr/logr/funcr"
	"github.com/google/go-cmp/cmp"
	eventsv1 "k8s.io/api/events/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/kubernetes"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/sidecar"
	"github.com/soda-cdm/kahu/internal/testkit/cluster"
	"github.com/soda-cdm/kahu/provider"
)

const (
	healthy  = "driver is registered and healthy"
	unusable = "driver cannot be used"
)

func TestRegistration(t *testing.T) {
	w := newWorld(t)
	w.serve(newDriver(w.name))
	w.run(w.options())
	object := w.await(w.providers(), w.name, hasEndpoint)

	want := map[string]any{
		"version":  "1.2.3",
		"type":     "MetadataProvider",
		"manifest": map[string]any{"vendor": "test"},
		"capabilities": map[string]any{
			"MetaBackupService": true, "List": true, "Stat": true, "RangeDownload": true, "CreateIfAbsent": true,
			"AtomicOverwrite": true,
		},
	}
	if diff := cmp.Diff(want, object.Object["spec"]); diff != "" {
		t.Errorf("spec: %s", diff)
	}
	status, _, _ := unstructured.NestedMap(object.Object, "status")
	if diff := cmp.Diff([]string{"endpoint", "leaseName"}, keys(status)); diff != "" {
		t.Errorf("the sidecar wrote other parts of the status: %s", diff)
	}
	if got := text(object, "status", "endpoint", "serverName"); got != serverName {
		t.Errorf("server name %q", got)
	}
	for _, fields := range object.GetManagedFields() {
		if fields.Manager != "kahu-meta-service" || fields.Operation != metav1.ManagedFieldsOperationApply {
			t.Errorf("fields are owned by %s through %s", fields.Manager, fields.Operation)
		}
	}
	found := w.await(w.leases(), sidecar.LeaseName(w.name), func(*unstructured.Unstructured) bool { return true })
	if duration, _, _ := unstructured.NestedInt64(found.Object, "spec", "leaseDurationSeconds"); duration != 1 {
		t.Errorf("the lease lasts %d s", duration)
	}
	if holder := text(found, "spec", "holderIdentity"); holder != "test" {
		t.Errorf("the lease is held by %q", holder)
	}
	w.awaitRenewal(3)
}

// What the manager writes into the status stays, also when the sidecar registers the driver again.
func TestRegistrationLeavesTheManagersPart(t *testing.T) {
	w := newWorld(t)
	good := newDriver(w.name)
	stop := w.serve(good)
	w.run(w.options())
	w.await(w.providers(), w.name, hasEndpoint)
	_, err := w.providers().ApplyStatus(t.Context(), w.name, &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "kahu.io/v1beta1", "kind": "Provider", "metadata": map[string]any{"name": w.name},
		"status": map[string]any{"state": "Available"},
	}}, metav1.ApplyOptions{FieldManager: "kahu-manager"})
	must(t, err)
	w.mustNotRenewAfter(stop)
	good.change(func(d *driver) { d.info.Version = "2.0.0" })
	w.serve(good)
	object := w.await(w.providers(), w.name, func(object *unstructured.Unstructured) bool { return text(object, "spec", "version") == "2.0.0" })
	if got := text(object, "status", "state"); got != "Available" {
		t.Errorf("the state has become %q", got)
	}
}

func TestDriverComesLate(t *testing.T) {
	w := newWorld(t)
	w.run(w.options())
	must(t, w.log.await(t.Context(), unusable, 1))
	if _, err := w.providers().Get(t.Context(), w.name, metav1.GetOptions{}); !apierrors.IsNotFound(err) {
		t.Errorf("before the driver is there, its Provider gives %v", err)
	}
	if got := w.ready(); got != http.StatusServiceUnavailable {
		t.Errorf("before the driver is there, /readyz gives %d", got)
	}
	w.serve(newDriver(w.name))
	w.await(w.providers(), w.name, hasEndpoint)
	w.awaitRenewal(1)
	must(t, w.log.await(t.Context(), healthy, 1))
	if got := w.ready(); got != http.StatusOK {
		t.Errorf("with the driver there, /readyz gives %d", got)
	}
}

func TestDriverDiesAndComesBack(t *testing.T) {
	w := newWorld(t)
	good := newDriver(w.name)
	stop := w.serve(good)
	w.run(w.options())
	must(t, w.log.await(t.Context(), healthy, 1))
	w.awaitRenewal(2)
	w.mustNotRenewAfter(stop)
	if got := w.ready(); got != http.StatusServiceUnavailable {
		t.Errorf("with the driver dead, /readyz gives %d", got)
	}
	w.serve(good)
	must(t, w.log.await(t.Context(), healthy, 2))
	w.awaitRenewal(2)
}

func TestDriverThatIsNotReady(t *testing.T) {
	w := newWorld(t)
	good := newDriver(w.name)
	w.serve(good)
	w.run(w.options())
	must(t, w.log.await(t.Context(), healthy, 1))
	w.mustNotRenewAfter(func() { good.change(func(d *driver) { d.asleep = true }) })
	good.change(func(d *driver) { d.asleep = false })
	w.awaitRenewal(2)
}

func TestDriversThatCannotBeServed(t *testing.T) {
	cases := map[string]struct {
		reason string
		driver func(w *world) provider.Driver
		change func(options *sidecar.Options)
	}{
		"OtherName": {
			reason: "the operator has said which driver it is",
			driver: func(w *world) provider.Driver { return newDriver(w.name) },
			change: func(options *sidecar.Options) { options.ProviderName = "s3.kahu.io" },
		},
		"BadName": {
			reason: "a name that no object can have",
			driver: func(*world) provider.Driver { return newDriver("My Driver") },
		},
		"NoObjects": {
			reason: "a driver of volumes is another sidecar's",
			driver: func(w *world) provider.Driver { return volumes{newDriver(w.name)} },
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.serve(tc.driver(w))
			options := w.options()
			if tc.change != nil {
				tc.change(&options)
			}
			w.run(options)
			must(t, w.log.await(t.Context(), unusable, 1))
			pass(lease)
			if _, err := w.providers().Get(t.Context(), w.name, metav1.GetOptions{}); !apierrors.IsNotFound(err) {
				t.Errorf("%s: its Provider gives %v", tc.reason, err)
			}
			if found, err := w.leases().List(t.Context(), metav1.ListOptions{}); err != nil || len(found.Items) > 0 {
				t.Errorf("%s: leases %v, %v", tc.reason, found, err)
			}
		})
	}
}

// volumes is a driver that stores no objects.
type volumes struct{ *driver }

func (volumes) Capabilities(context.Context) ([]provider.Capability, error) {
	return []provider.Capability{provider.CapabilityVolumeBackup}, nil
}

// Another driver at the same socket must not be given the credentials of this one's locations.
func TestAnotherDriverComesBack(t *testing.T) {
	w := newWorld(t)
	stop := w.serve(newDriver(w.name))
	w.run(w.options())
	location := w.locationNamed("a", map[string]any{"providerName": w.name})
	files := w.location(location)
	must(t, w.write(files, "a"))
	stop()
	other := newDriver("other." + w.name)
	w.mustNotRenewAfter(func() { stop = w.serve(other) })
	must(t, w.log.await(t.Context(), "another driver answers", 1))
	if err := w.write(files, "b"); !errors.Is(err, core.ErrInvalid) {
		t.Errorf("writing with another driver there gives %v", err)
	}
	if seen := other.last(); seen != nil {
		t.Errorf("the other driver was called with %v", seen)
	}
	stop()
	w.serve(newDriver(w.name))
	must(t, w.log.await(t.Context(), healthy, 2))
	must(t, w.write(files, "b"))
}

// A driver that is replaced so quickly that it never seems to be away is asked again who it is.
func TestDriverIsReplaced(t *testing.T) {
	w := newWorld(t)
	stop := w.serve(newDriver(w.name))
	options := w.options()
	options.LeaseDuration = 5 * patience // Nothing happens by the clock alone.
	w.run(options)
	must(t, w.log.await(t.Context(), healthy, 1))
	newer := newDriver(w.name)
	newer.info.Version = "2.0.0"
	w.serve(newer)
	stop()
	w.await(w.providers(), w.name, func(object *unstructured.Unstructured) bool { return text(object, "spec", "version") == "2.0.0" })
	if strings.Contains(w.log.String(), unusable) {
		t.Log("the driver was away for a moment")
	}
}

// A Provider that somebody deletes is there again after a while.
func TestProviderIsWrittenAgain(t *testing.T) {
	w := newWorld(t)
	w.serve(newDriver(w.name))
	w.run(w.options())
	first := w.await(w.providers(), w.name, hasEndpoint)
	w.awaitRenewal(3) // What belongs to the beginning is over.
	must(t, w.providers().Delete(t.Context(), w.name, metav1.DeleteOptions{}))
	w.await(w.providers(), w.name, func(object *unstructured.Unstructured) bool {
		return object.GetUID() != first.GetUID() && hasEndpoint(object)
	})
}

// TestTwoPlaces: while the sidecar of one place lives, that of another one changes nothing and says so; then it goes on.
func TestTwoPlaces(t *testing.T) {
	w := newWorld(t)
	w.serve(newDriver(w.name))
	first := w.options()
	first.Place = "first"
	stop := w.run(first)
	address := text(w.await(w.providers(), w.name, hasEndpoint), "status", "endpoint", "address")
	must(t, w.log.await(t.Context(), healthy, 1))
	second, log := w.options(), &logBook{changed: make(chan struct{}, 1)}
	second.Holder, second.Place, second.Logger = w.name, "second", funcr.New(log.add, funcr.Options{})
	w.run(second)
	must(t, log.await(t.Context(), "another sidecar serves the provider: test, of the place first", 1))
	w.awaitRenewal(6)
	object, err := w.providers().Get(t.Context(), w.name, metav1.GetOptions{})
	must(t, err)
	if got := text(object, "status", "endpoint", "address"); got != address {
		t.Errorf("the endpoint has become %s", got)
	}
	events, err := kubernetes.NewForConfigOrDie(cluster.Config(t)).EventsV1().Events(metav1.NamespaceDefault).List(t.Context(), metav1.ListOptions{})
	must(t, err)
	if !slices.ContainsFunc(events.Items, func(event eventsv1.Event) bool {
		return event.ReportingInstance == w.name && event.Regarding.Name == w.name && strings.Contains(event.Note, "of the place first")
	}) {
		t.Errorf("there is no event about it among %d", len(events.Items))
	}
	if strings.Contains(log.String(), healthy) || strings.Contains(w.log.String(), unusable) {
		t.Errorf("the first:\n%s\nthe second:\n%s", w.log, log)
	}
	stop()
	w.await(w.providers(), w.name, func(object *unstructured.Unstructured) bool {
		return hasEndpoint(object) && text(object, "status", "endpoint", "address") != address
	})
	must(t, log.await(t.Context(), healthy, 1))
}

// TestKilledSidecar: one that was killed leaves a lease behind that has long to go. The same place goes on at once, another one
// does not.
func TestKilledSidecar(t *testing.T) {
	for place, goesOn := range map[string]bool{"here": true, "there": false} {
		t.Run(place, func(t *testing.T) {
			w := newWorld(t)
			w.serve(newDriver(w.name))
			_, err := w.leases().Create(t.Context(), &unstructured.Unstructured{Object: map[string]any{
				"apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
				"metadata": map[string]any{"name": sidecar.LeaseName(w.name), "annotations": map[string]any{"kahu.io/place": "here"}},
				"spec": map[string]any{
					"holderIdentity": "killed", "leaseDurationSeconds": int64((5 * patience).Seconds()), "renewTime": "2026-03-01T02:03:04.000000Z",
				},
			}}, metav1.CreateOptions{})
			must(t, err)
			options := w.options()
			options.Place = place
			w.run(options)
			if goesOn {
				must(t, w.log.await(t.Context(), healthy, 1))
				return
			}
			must(t, w.log.await(t.Context(), "another sidecar serves the provider: killed", 1))
			if _, err := w.providers().Get(t.Context(), w.name, metav1.GetOptions{}); !apierrors.IsNotFound(err) {
				t.Errorf("its Provider gives %v", err)
			}
		})
	}
}

// awaitRenewal waits until the lease was renewed so many times.
func (w *world) awaitRenewal(count int) {
	w.t.Helper()
	seen := map[string]bool{}
	w.await(w.leases(), sidecar.LeaseName(w.name), func(object *unstructured.Unstructured) bool {
		seen[text(object, "spec", "renewTime")] = true
		return len(seen) > count
	})
}

// mustNotRenewAfter breaks something, waits for the sidecar to see it, and checks that the lease then runs out.
func (w *world) mustNotRenewAfter(breaking func()) {
	w.t.Helper()
	seen := strings.Count(w.log.String(), unusable)
	breaking()
	must(w.t, w.log.await(w.t.Context(), unusable, seen+1))
	renewed := func() string {
		object, err := w.leases().Get(w.t.Context(), sidecar.LeaseName(w.name), metav1.GetOptions{})
		must(w.t, err)
		return text(object, "spec", "renewTime")
	}
	before := renewed()
	pass(lease + lease/2)
	if diff := cmp.Diff(before, renewed()); diff != "" {
		w.t.Errorf("the lease was renewed without a driver: %s", diff)
	}
}

// ready asks whether the sidecar is ready.
func (w *world) ready() int {
	w.t.Helper()
	must(w.t, w.log.await(w.t.Context(), "serving health checks", 1))
	address := regexp.MustCompile(`"serving health checks" "address"="([^"]+)"`).FindStringSubmatch(w.log.String())[1]
	if got := w.get("http://" + address + "/healthz"); got != http.StatusOK {
		w.t.Errorf("/healthz gives %d", got)
	}
	return w.get("http://" + address + "/readyz")
}

// get returns the status of an answer over HTTP.
func (w *world) get(url string) int {
	w.t.Helper()
	request, err := http.NewRequestWithContext(w.t.Context(), http.MethodGet, url, nil)
	must(w.t, err)
	response, err := http.DefaultClient.Do(request)
	must(w.t, err)
	must(w.t, response.Body.Close())
	return response.StatusCode
}

func hasEndpoint(object *unstructured.Unstructured) bool {
	return text(object, "status", "endpoint", "address") != ""
}

func keys(object map[string]any) []string {
	var found []string
	for _, key := range []string{"conditions", "endpoint", "lastHeartbeatTime", "leaseName", "observedGeneration", "state"} {
		if _, ok := object[key]; ok {
			found = append(found, key)
		}
	}
	return found
}
