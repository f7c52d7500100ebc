package sidecar

import (
	"context"
	"fmt"
	"math"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
)

// fieldManager owns what the sidecar writes: spec, status.endpoint and status.leaseName of a Provider, and its Lease.
const fieldManager = "kahu-meta-service"

// LeaseName returns the name of the Lease of a provider.
func LeaseName(providerName string) string { return "provider-" + providerName }

// registrar writes what the cluster is to know about the driver.
type registrar struct {
	cluster client.Client
	options Options
	address string
}

// describe creates the Provider object, or brings what the driver says about itself up to date.
func (r *registrar) describe(ctx context.Context, found description) error {
	capabilities := map[string]any{}
	for _, each := range found.Capabilities {
		capabilities[string(each)] = true
	}
	manifest := map[string]any{}
	for key, value := range found.Manifest {
		manifest[key] = value
	}
	object := providerNamed(found.Name)
	object.Object["spec"] = map[string]any{
		"version":      found.Version,
		"type":         string(kahuv1.ProviderTypeMetadata),
		"manifest":     manifest,
		"capabilities": capabilities,
	}
	applied := client.ApplyConfigurationFromUnstructured(object)
	if err := r.cluster.Apply(ctx, applied, client.FieldOwner(fieldManager), client.ForceOwnership); err != nil {
		return fmt.Errorf("registering provider %s: %w", found.Name, err)
	}
	return nil
}

// locate writes where the driver can be reached. State and conditions in the same status are the manager's.
func (r *registrar) locate(ctx context.Context, providerName string) error {
	status := providerNamed(providerName)
	status.Object["status"] = map[string]any{
		"endpoint":  map[string]any{"address": r.address, "serverName": r.options.ServerName},
		"leaseName": LeaseName(providerName),
	}
	applied := client.ApplyConfigurationFromUnstructured(status)
	if err := r.cluster.Status().Apply(ctx, applied, client.FieldOwner(fieldManager), client.ForceOwnership); err != nil {
		return fmt.Errorf("writing the endpoint of provider %s: %w", providerName, err)
	}
	return nil
}

// renew renews the Lease, and creates it where it is not there.
func (r *registrar) renew(ctx context.Context, providerName string, now time.Time) error {
	lease := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "coordination.k8s.io/v1",
		"kind":       "Lease",
		"metadata":   map[string]any{"name": LeaseName(providerName), "namespace": r.options.Namespace},
		"spec": map[string]any{
			"holderIdentity":       r.options.Holder,
			"leaseDurationSeconds": int64(math.Ceil(r.options.LeaseDuration.Seconds())),
			"renewTime":            now.UTC().Format(metav1.RFC3339Micro),
		},
	}}
	applied := client.ApplyConfigurationFromUnstructured(lease)
	if err := r.cluster.Apply(ctx, applied, client.FieldOwner(fieldManager), client.ForceOwnership); err != nil {
		return fmt.Errorf("renewing lease %s/%s: %w", r.options.Namespace, lease.GetName(), err)
	}
	return nil
}

// providerNamed returns a Provider with nothing but its name.
func providerNamed(name string) *unstructured.Unstructured {
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": kahuv1.GroupVersion.String(),
		"kind":       "Provider",
		"metadata":   map[string]any{"name": name},
	}}
}
