package sidecar_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/locate"
	"github.com/soda-cdm/kahu/internal/pki"
	"github.com/soda-cdm/kahu/internal/store"
	"github.com/soda-cdm/kahu/internal/testkit/cluster"
	"github.com/soda-cdm/kahu/provider"
)

// canary is a credential that must be seen by the driver alone.
const canary = "canary-4711-do-not-sing"

func TestLocationAttributes(t *testing.T) {
	w := newWorld(t)
	good := newDriver(w.name)
	w.serve(good)
	w.run(w.options())
	w.secret(w.namespace, "keys", map[string]any{"password": canary, "region": "of the secret"})
	config := map[string]any{"path": "backups", "region": "of the config", "empty": ""}
	with := w.locationNamed("with", map[string]any{
		"providerName": w.name, "config": config, "credentialsSecretRef": map[string]any{"name": "keys"},
	})
	without := w.locationNamed("without", map[string]any{"providerName": w.name, "config": config})
	bare := w.locationNamed("bare", map[string]any{"providerName": w.name})

	cases := map[string]provider.Attributes{
		with:    {"path": "backups", "region": "of the secret", "empty": "", "password": canary},
		without: {"path": "backups", "region": "of the config", "empty": ""},
		bare:    nil,
	}
	for location, want := range cases {
		t.Run(location, func(t *testing.T) {
			files := w.location(location)
			calls := map[string]func() error{
				"create":  func() error { return w.write(files, location) },
				"replace": func() error { return files.Replace(t.Context(), "r", nil) },
				"open":    func() error { return drain(files.Open(t.Context(), location)) },
				"range":   func() error { return drain(files.OpenRange(t.Context(), location, 1, 2)) },
				"list":    func() error { return files.List(t.Context(), "", func(core.FileInfo) error { return nil }) },
				"remove":  func() error { return files.Remove(t.Context(), "r") },
			}
			for _, call := range slices.Sorted(maps.Keys(calls)) {
				must(t, calls[call]())
				if diff := cmp.Diff(want, good.last()); diff != "" {
					t.Errorf("%s: the driver was given other attributes: %s", call, diff)
				}
			}
		})
	}
}

// A change of a location counts from the next call on.
func TestLocationChanges(t *testing.T) {
	w := newWorld(t)
	good := newDriver(w.name)
	w.serve(good)
	w.run(w.options())
	location := w.locationNamed("a", map[string]any{"providerName": w.name, "config": map[string]any{"path": "old"}})
	files := w.location(location)
	must(t, files.Remove(t.Context(), "a"))
	w.patchLocation(location, `{"spec":{"config":{"path":"new"}}}`)
	must(t, files.Remove(t.Context(), "a"))
	if got := good.last()["path"]; got != "new" {
		t.Errorf("the driver was given the path %q", got)
	}
}

func TestLocationsThatCannotBeUsed(t *testing.T) {
	w := newWorld(t)
	good := newDriver(w.name)
	w.serve(good)
	w.run(w.options())
	elsewhere := cluster.Namespace(t)
	w.secret(elsewhere, "elsewhere", map[string]any{"password": canary})
	cases := map[string]string{
		"Unknown":       w.namespace + "-unknown",
		"OtherProvider": w.locationNamed("other", map[string]any{"providerName": "s3.kahu.io"}),
		"NoSecret":      w.locationNamed("secretless", map[string]any{"providerName": w.name, "credentialsSecretRef": map[string]any{"name": "none"}}),
		"SecretElsewhere": w.locationNamed("elsewhere", map[string]any{
			"providerName": w.name, "credentialsSecretRef": map[string]any{"name": "elsewhere"},
		}),
	}
	for name, location := range cases {
		t.Run(name, func(t *testing.T) {
			files := w.location(location)
			calls := map[string]error{
				"create":  w.write(files, "a"),
				"replace": files.Replace(t.Context(), "r", nil),
				"open":    drain(files.Open(t.Context(), "a")),
				"range":   drain(files.OpenRange(t.Context(), "a", 1, 2)),
				"list":    files.List(t.Context(), "", func(core.FileInfo) error { return nil }),
				// NotFound here would say that there is nothing to remove.
				"remove": files.Remove(t.Context(), "a"),
			}
			for call, err := range calls {
				if !errors.Is(err, core.ErrInvalid) || !strings.Contains(err.Error(), location) {
					t.Errorf("%s: got %v", call, err)
				}
			}
		})
	}
	if seen := good.last(); seen != nil {
		t.Errorf("the driver was called with %v", seen)
	}
}

// What a client sends besides the name of a location goes nowhere.
func TestAttributesOfTheCallerAreDropped(t *testing.T) {
	w := newWorld(t)
	good := newDriver(w.name)
	w.serve(good)
	w.run(w.options())
	location := w.locationNamed("a", map[string]any{"providerName": w.name, "config": map[string]any{"path": "backups"}})
	client := w.rawClient()
	attributes := locate.Attributes(location)
	attributes["path"], attributes["more"] = "../elsewhere", "x"
	must(t, client.Delete(t.Context(), "a", attributes))
	if diff := cmp.Diff(provider.Attributes{"path": "backups"}, good.last()); diff != "" {
		t.Error(diff)
	}
	if err := client.Delete(t.Context(), "a", provider.Attributes{"path": "x"}); !errors.Is(err, provider.ErrInvalidArgument) {
		t.Errorf("a call without a location gives %v", err)
	}
}

// A credential is for the driver: not even a driver that tells everything brings it anywhere else.
func TestCredentialsStaySecret(t *testing.T) {
	w := newWorld(t)
	good := newDriver(w.name)
	good.failWith = func(attributes provider.Attributes) error {
		return fmt.Errorf("signing in with %v, key %q: %w", attributes, strings.Split(attributes["key"], "\n")[1], provider.ErrUnauthenticated)
	}
	w.serve(good)
	w.run(w.options())
	w.secret(w.namespace, "keys", map[string]any{"password": canary, "key": "-----BEGIN-----\n" + canary + "-line-2\n-----END-----\n"})
	location := w.locationNamed("a", map[string]any{
		"providerName": w.name, "config": map[string]any{"path": "backups"}, "credentialsSecretRef": map[string]any{"name": "keys"},
	})
	files := w.location(location)
	told := map[string]error{
		"create":  w.write(files, "a"),
		"replace": files.Replace(t.Context(), "r", nil),
		"open":    drain(files.Open(t.Context(), "a")),
		"range":   drain(files.OpenRange(t.Context(), "a", 1, 2)),
		"list":    files.List(t.Context(), "", func(core.FileInfo) error { return nil }),
		"remove":  files.Remove(t.Context(), "a"),
	}
	good.change(func(d *driver) { d.tear = true })
	must(t, w.write(files, "torn"))
	told["read"] = drain(files.Open(t.Context(), "torn"))
	told["read a range"] = drain(files.OpenRange(t.Context(), "torn", 0, 100))
	for call, err := range told {
		if !errors.Is(err, core.ErrDenied) || !strings.Contains(err.Error(), "backups") {
			t.Errorf("%s: the driver's words and class are lost: %v", call, err)
		}
		mustNotSing(t, call, err.Error())
	}
	if !strings.Contains(fmt.Sprint(good.last()), canary) {
		t.Error("the driver was not given the credentials: the test shows nothing")
	}
	mustNotSing(t, "the log", w.log.String())
	for _, resource := range []schema.GroupVersionResource{
		{Group: "kahu.io", Version: "v1beta1", Resource: "providers"},
		{Group: "kahu.io", Version: "v1beta1", Resource: "backuplocations"},
		{Group: "coordination.k8s.io", Version: "v1", Resource: "leases"},
		{Version: "v1", Resource: "events"},
		{Version: "v1", Resource: "configmaps"},
	} {
		found, err := w.client.Resource(resource).List(t.Context(), metav1.ListOptions{})
		must(t, err)
		encoded, err := json.Marshal(found)
		must(t, err)
		mustNotSing(t, resource.Resource, string(encoded))
	}
}

// A stop has an end, also while a call goes on.
func TestStopIsBounded(t *testing.T) {
	w := newWorld(t)
	good := newDriver(w.name)
	good.block = make(chan struct{})
	w.serve(good)
	stop := w.run(w.options())
	files := w.location(w.locationNamed("a", map[string]any{"providerName": w.name}))
	replaced := make(chan error, 1)
	go func() { replaced <- files.Replace(t.Context(), "a", nil) }()
	<-good.block
	begin := time.Now() //nolint:forbidigo // The stop is real.
	stop()
	if took := time.Since(begin); took > patience/2 { //nolint:forbidigo // The stop is real.
		t.Errorf("stopping took %s", took)
	}
	if err := <-replaced; !errors.Is(err, core.ErrUnavailable) {
		t.Errorf("the call that was broken off gives %v", err)
	}
}

// Who has no certificate of the manager reaches no driver.
func TestStrangersAreRefused(t *testing.T) {
	w := newWorld(t)
	good := newDriver(w.name)
	w.serve(good)
	w.run(w.options())
	location := w.locationNamed("a", map[string]any{"providerName": w.name})
	w.location(location)
	object, err := w.providers().Get(t.Context(), w.name, metav1.GetOptions{})
	must(t, err)
	pool := store.NewPool(w.folder(pki.Leaf{Name: "kahu-stranger"}).Client, store.Options{Attempts: 1})
	defer func() { must(t, pool.Close()) }()
	files, err := pool.Location(location, store.Endpoint{Address: text(object, "status", "endpoint", "address"), ServerName: serverName})
	must(t, err)
	if err := files.Remove(t.Context(), "a"); err == nil || good.last() != nil {
		t.Errorf("a stranger got through: %v, %v", err, good.last())
	}
}

// rawClient returns a client of the meta-service that sends what it likes.
func (w *world) rawClient() *provider.Client {
	w.t.Helper()
	object := w.await(w.providers(), w.name, hasEndpoint)
	config, err := w.folder(pki.Leaf{Name: managerName}).Client(serverName)
	must(w.t, err)
	address := text(object, "status", "endpoint", "address")
	connection, err := provider.Dial(address, grpc.WithTransportCredentials(credentials.NewTLS(config)))
	must(w.t, err)
	w.t.Cleanup(func() { must(w.t, connection.Close()) })
	return provider.NewClient(connection)
}

// mustNotSing fails where a credential can be read.
func mustNotSing(t *testing.T, where, text string) {
	t.Helper()
	if strings.Contains(text, canary) {
		t.Errorf("%s has the credential: %s", where, text)
	}
}

// drain reads a stream to its end.
func drain(content io.ReadCloser, err error) error {
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, content)
	return errors.Join(err, content.Close())
}
