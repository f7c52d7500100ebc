package sidecar

import (
	"context"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
)

// maxNoteBytes is the limit of the API server for the note of an Event.
const maxNoteBytes = 1024

// registrar writes what the cluster is to know about the driver.
type registrar struct {
	cluster client.Client
	options Options
	address string
	claim   *claim
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
	spec := map[string]any{
		"version":      found.Version,
		"type":         string(r.options.service.kind),
		"manifest":     manifest,
		"capabilities": capabilities,
	}
	if len(found.SupportedVolumeProvisioners) > 0 {
		provisioners := []any{}
		for _, each := range found.SupportedVolumeProvisioners {
			provisioners = append(provisioners, each)
		}
		spec["supportedVolumeProvisioners"] = provisioners
	}
	object := providerNamed(found.Name)
	object.Object["spec"] = spec
	applied := client.ApplyConfigurationFromUnstructured(object)
	if err := r.cluster.Apply(ctx, applied, r.owner(), client.ForceOwnership); err != nil {
		return fmt.Errorf("registering provider %s: %w", found.Name, err)
	}
	return nil
}

// owner is the field manager.
func (r *registrar) owner() client.FieldOwner {
	return client.FieldOwner(r.options.service.fieldManager())
}

// locate writes where the driver can be reached, if it can be, and which Lease tells that it lives. State and conditions in the same status are the manager's.
func (r *registrar) locate(ctx context.Context, providerName string) error {
	status := providerNamed(providerName)
	written := map[string]any{"leaseName": LeaseName(providerName)}
	if r.address != "" {
		written["endpoint"] = map[string]any{"address": r.address, "serverName": r.options.ServerName}
	}
	status.Object["status"] = written
	applied := client.ApplyConfigurationFromUnstructured(status)
	if err := r.cluster.Status().Apply(ctx, applied, r.owner(), client.ForceOwnership); err != nil {
		return fmt.Errorf("writing the status of provider %s: %w", providerName, err)
	}
	return nil
}

// tell writes an Event about the provider: why this sidecar does not serve it.
func (r *registrar) tell(ctx context.Context, providerName, note string) error {
	found := providerNamed(providerName)
	if err := r.cluster.Get(ctx, client.ObjectKey{Name: providerName}, found); err != nil {
		return fmt.Errorf("reading provider %s: %w", providerName, err)
	}
	event := &eventsv1.Event{
		ObjectMeta: metav1.ObjectMeta{GenerateName: "provider-", Namespace: metav1.NamespaceDefault},
		Regarding: corev1.ObjectReference{
			APIVersion: found.GetAPIVersion(), Kind: found.GetKind(), Name: found.GetName(), UID: found.GetUID(),
		},
		EventTime: metav1.NewMicroTime(r.options.Clock.Now()), ReportingController: "kahu.io/" + r.options.service.name, ReportingInstance: r.options.Holder,
		Type: corev1.EventTypeWarning, Action: "Register", Reason: "Taken", Note: strings.ToValidUTF8(note[:min(len(note), maxNoteBytes)], ""),
	}
	if err := r.cluster.Create(ctx, event); err != nil {
		return fmt.Errorf("writing an event about provider %s: %w", providerName, err)
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
