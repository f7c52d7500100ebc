package transform_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/soda-cdm/kahu/internal/core/transform"
)

const balanced = `{"apiVersion": "v1", "kind": "Service", "metadata": {"name": "a"}, "spec": {"type": "LoadBalancer",
	"externalTrafficPolicy": "Local", "ports": [{"name": "x", "port": 80}, {"name": "y", "port": 81}]}}`

// given are the addresses and ports that a cluster gave to a service.
type given struct {
	address, addresses, ports, health any
}

func givenTo(service *unstructured.Unstructured) given {
	spec, _, _ := unstructured.NestedMap(service.Object, "spec")
	var ports []any
	items, _, _ := unstructured.NestedSlice(service.Object, "spec", "ports")
	for _, item := range items {
		port, _ := item.(map[string]any)
		ports = append(ports, port["nodePort"])
	}
	return given{address: spec["clusterIP"], addresses: spec["clusterIPs"], ports: ports, health: spec["healthCheckNodePort"]}
}

// What the cluster gave to a service is kept as the two flags say, and given anew otherwise.
func TestServiceByItsFlags(t *testing.T) {
	t.Parallel()
	kind := kindOf("services", true)
	for name, options := range map[string]transform.Options{
		"neither":   {},
		"addresses": {PreserveClusterIPs: true},
		"ports":     {PreserveNodePorts: true},
		"both":      {PreserveClusterIPs: true, PreserveNodePorts: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			before := w.create(kind, w.object(balanced), nil)
			was := givenTo(before)
			w.remove(kind, "a")
			// Who is given what is free next must not be given the same again by chance.
			squatter := w.back(kind, before, transform.Options{PreserveClusterIPs: !options.PreserveClusterIPs, PreserveNodePorts: !options.PreserveNodePorts})
			squatter.SetName("squatter")
			w.create(kind, squatter, nil)
			got := givenTo(w.create(kind, w.back(kind, before, options), nil))
			if kept := cmp.Equal(was.address, got.address) && cmp.Equal(was.addresses, got.addresses); kept != options.PreserveClusterIPs {
				t.Errorf("the address was %v and is %v", was.addresses, got.addresses)
			}
			if kept := cmp.Equal(was.ports, got.ports) && cmp.Equal(was.health, got.health); kept != options.PreserveNodePorts {
				t.Errorf("the ports were %v and %v, and are %v and %v", was.ports, was.health, got.ports, got.health)
			}
			if got.health == nil || got.address == nil {
				t.Errorf("given are %v", got)
			}
		})
	}
}

// A preserved address or port that another service has is refused, with words that name it.
func TestPreservedAddressIsTaken(t *testing.T) {
	t.Parallel()
	kind := kindOf("services", true)
	for name, test := range map[string]struct {
		options transform.Options
		words   string
	}{
		"address": {transform.Options{PreserveClusterIPs: true}, "provided IP is already allocated"},
		"port":    {transform.Options{PreserveNodePorts: true}, "provided port is already allocated"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			before := w.create(kind, w.object(balanced), nil)
			object := w.back(kind, before, test.options)
			object.SetName("b")
			_, err := w.of(kind).Create(t.Context(), object, metav1.CreateOptions{})
			if !apierrors.IsInvalid(err) || !strings.Contains(err.Error(), test.words) {
				t.Errorf("got %v; want it refused with %q", err, test.words)
			}
		})
	}
}

// A service of a cluster with two families of addresses comes into one with a single family, if it merely prefers two.
func TestServiceOfTwoFamilies(t *testing.T) {
	t.Parallel()
	kind := kindOf("services", true)
	const service = `{"apiVersion": "v1", "kind": "Service", "metadata": {"name": "a"}, "spec": {"ipFamilyPolicy": "PreferDualStack",
		"clusterIP": "10.0.0.1", "clusterIPs": ["10.0.0.1", "fd00::1"], "ipFamilies": ["IPv4", "IPv6"], "ports": [{"port": 80}]}}`
	w := newWorld(t)
	after := w.create(kind, w.back(kind, w.object(service), transform.Options{}), nil)
	families, _, _ := unstructured.NestedStringSlice(after.Object, "spec", "ipFamilies")
	if diff := cmp.Diff([]string{"IPv4"}, families); diff != "" {
		t.Errorf("families (-want +got):\n%s", diff)
	}
	must := w.back(kind, w.object(strings.Replace(service, "Prefer", "Require", 1)), transform.Options{})
	must.SetName("b")
	if _, err := w.of(kind).Create(t.Context(), must, metav1.CreateOptions{}); !apierrors.IsInvalid(err) {
		t.Errorf("got %v; want a service that must have two families refused", err)
	}
}
