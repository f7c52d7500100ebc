package sidecar

import (
	"context"
	"fmt"
	"math"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// LeaseName returns the name of the Lease of a provider.
func LeaseName(providerName string) string { return "provider-" + providerName }

// renew renews the Lease, and creates it where it is not there. One that another sidecar holds it leaves alone, which is an
// errTaken.
func (r *registrar) renew(ctx context.Context, providerName string, now time.Time) error {
	held, err := r.lease(ctx, providerName)
	if err != nil {
		return err
	}
	if err := r.claim.judge(held); err != nil {
		return err
	}
	return r.hold(ctx, held, map[string]any{
		"holderIdentity":       r.options.Holder,
		"leaseDurationSeconds": int64(math.Ceil(r.options.LeaseDuration.Seconds())),
		"renewTime":            now.UTC().Format(metav1.RFC3339Micro),
	})
}

// giveBack says that this sidecar does not hold the Lease any more, so that one of another place need not wait until it has run
// out. The manager goes by the last renewal, which stays.
func (r *registrar) giveBack(ctx context.Context, providerName string) error {
	held, err := r.lease(ctx, providerName)
	if err != nil || ptr.Deref(held.Spec.HolderIdentity, "") != r.options.Holder || held.Spec.RenewTime == nil {
		return err
	}
	return r.hold(ctx, held, map[string]any{
		"holderIdentity":       "",
		"leaseDurationSeconds": int64(ptr.Deref(held.Spec.LeaseDurationSeconds, 0)),
		"renewTime":            held.Spec.RenewTime.UTC().Format(metav1.RFC3339Micro),
	})
}

// lease reads the Lease of the provider; one that is not there has nothing but its name.
func (r *registrar) lease(ctx context.Context, providerName string) (*coordinationv1.Lease, error) {
	found := &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Namespace: r.options.Namespace, Name: LeaseName(providerName)}}
	err := r.cluster.Get(ctx, client.ObjectKeyFromObject(found), found)
	if client.IgnoreNotFound(err) != nil {
		return nil, fmt.Errorf("reading lease %s/%s: %w", r.options.Namespace, LeaseName(providerName), err)
	}
	return found, nil
}

// hold writes the Lease, unless it has changed or came to be since it was read: of two sidecars that want it at once, one gets
// it. An Apply could not be told that there must be none yet.
func (r *registrar) hold(ctx context.Context, held *coordinationv1.Lease, spec map[string]any) error {
	metadata := map[string]any{
		"name": held.Name, "namespace": held.Namespace, "annotations": map[string]any{placeAnnotation: r.options.Place},
	}
	lease := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata, "spec": spec,
	}}
	var err error
	if held.ResourceVersion == "" {
		err = r.cluster.Create(ctx, lease, r.owner())
	} else {
		metadata["resourceVersion"] = held.ResourceVersion
		applied := client.ApplyConfigurationFromUnstructured(lease)
		err = r.cluster.Apply(ctx, applied, r.owner(), client.ForceOwnership)
	}
	if err != nil {
		return fmt.Errorf("renewing lease %s/%s: %w", held.Namespace, held.Name, err)
	}
	return nil
}
