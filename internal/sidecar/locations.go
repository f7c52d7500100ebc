package sidecar

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	"github.com/soda-cdm/kahu/internal/locate"
	"github.com/soda-cdm/kahu/provider"
)

// locations looks up what the driver is told about a location. It asks the API server for every call, so that a
// change of a location or of its credentials counts from the next call on, and no Secret is kept.
type locations struct {
	cluster   client.Client
	namespace string
	state     *state
}

// place is a location as the driver sees it.
type place struct {
	attributes provider.Attributes
	secrets    provider.Redactor
}

// find returns the place that the attributes of a call name. That there is no such location is never ErrNotFound: it
// would say that an object is not there, and removing it would have succeeded.
func (l *locations) find(ctx context.Context, called provider.Attributes) (place, error) {
	name, err := locate.Name(called)
	if err != nil {
		return place{}, err
	}
	return l.named(ctx, name)
}

// named returns the place that a location of this name is.
func (l *locations) named(ctx context.Context, name string) (place, error) {
	driver, err := l.state.get()
	if driver == "" {
		return place{}, fmt.Errorf("reaching the driver: %s: %w", err.Error(), provider.ErrUnavailable)
	}
	if errors.Is(err, errOtherDriver) || errors.Is(err, errNoObjects) || errors.Is(err, errNoVolumes) {
		return place{}, fmt.Errorf("%s: %w", err.Error(), provider.ErrFailedPrecondition)
	}
	if errors.Is(err, errTaken) { // This would be another place than the one that is meant.
		return place{}, fmt.Errorf("%s: %w", err.Error(), provider.ErrUnavailable)
	}
	location := &kahuv1.BackupLocation{}
	if err := l.cluster.Get(ctx, client.ObjectKey{Name: name}, location); err != nil {
		return place{}, classed(fmt.Sprintf("reading backup location %s", name), err)
	}
	if location.Spec.ProviderName != driver {
		return place{}, fmt.Errorf("backup location %s is of provider %s, and this is %s: %w",
			name, location.Spec.ProviderName, driver, provider.ErrFailedPrecondition)
	}
	attributes := provider.Attributes{}
	maps.Copy(attributes, location.Spec.Config)
	secrets, err := l.credentials(ctx, name, location.Spec.CredentialsSecretRef.Name)
	if err != nil {
		return place{}, err
	}
	maps.Copy(attributes, secrets) // Where both have a key, the Secret counts.
	return place{attributes: attributes, secrets: provider.NewRedactor(slices.Collect(maps.Values(secrets))...)}, nil
}

// credentials reads the Secret of a location, if it has one.
func (l *locations) credentials(ctx context.Context, location, name string) (provider.Attributes, error) {
	if name == "" {
		return provider.Attributes{}, nil
	}
	secret := &corev1.Secret{}
	if err := l.cluster.Get(ctx, client.ObjectKey{Namespace: l.namespace, Name: name}, secret); err != nil {
		return nil, classed(fmt.Sprintf("reading the credentials of backup location %s, secret %s/%s", location, l.namespace, name), err)
	}
	found := provider.Attributes{}
	for key, value := range secret.Data {
		found[key] = string(value)
	}
	return found, nil
}

// classed turns an error of the API server into one of the provider contract.
func classed(doing string, err error) error {
	class := provider.ErrUnavailable
	switch {
	case errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("%s: %w", doing, err)
	case apierrors.IsNotFound(err) || apierrors.IsForbidden(err) || apierrors.IsUnauthorized(err) || apierrors.IsInvalid(err):
		class = provider.ErrFailedPrecondition
	}
	return fmt.Errorf("%s: %s: %w", doing, err.Error(), class)
}
