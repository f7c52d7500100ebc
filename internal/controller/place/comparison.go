package place

import (
	"context"
	"errors"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/seal"
	"github.com/soda-cdm/kahu/internal/engine/keyring"
)

const (
	// ComparisonSecret is the Secret in Kahu's namespace with the key to which this cluster encrypts what it compares later
	// backups with, made when it is needed.
	ComparisonSecret = "kahu-comparison-key"
	// ComparisonKey is where the key is in it: an identity of age.
	ComparisonKey = "identity"
)

// comparison returns this cluster's own key, for a location whose backups it cannot read; nil where an identity at hand opens
// them. A key that is not what it should be keeps nobody from making backups: the text says what is the matter with it.
func (f *Finder) comparison(
	ctx context.Context, location *kahuv1.BackupLocation, state keyring.State,
) (key *seal.Key, unusable string, err error) {
	held, err := f.Secrets.Identities(ctx, location)
	if invalid := (*NotUsableError)(nil); err != nil && !errors.As(err, &invalid) {
		return nil, "", err
	}
	if opens(held, state) {
		return nil, "", nil
	}
	key, err = f.Secrets.EnsureComparison(ctx)
	if missing := (*missingError)(nil); errors.As(err, &missing) || errors.Is(err, core.ErrInvalid) {
		return nil, err.Error() + ": delete the Secret for a new one", nil
	}
	return key, "", err
}

// opens tells whether one of the identities opens what is written now.
func opens(held []seal.Identity, state keyring.State) bool {
	return slices.ContainsFunc(held, func(identity seal.Identity) bool {
		return slices.ContainsFunc(state.Wrapped, func(wrapped keyring.Wrapped) bool {
			return wrapped.Recipient == identity.Recipient().ID()
		})
	})
}

// EnsureComparison returns the key with which this cluster compares, and makes it where there is none.
func (s *Secrets) EnsureComparison(ctx context.Context) (*seal.Key, error) {
	key, err := s.comparison(ctx)
	if missing := (*missingError)(nil); err == nil || !errors.As(err, &missing) || missing.whole != ComparisonSecret {
		return key, err
	}
	if key, err = seal.NewKey(); err != nil {
		return nil, err
	}
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: s.Namespace, Name: ComparisonSecret},
		Type:       corev1.SecretTypeOpaque, Data: map[string][]byte{ComparisonKey: key.Encode()},
	}
	if err := s.Client.Create(ctx, secret); apierrors.IsAlreadyExists(err) {
		return s.comparison(ctx)
	} else if err != nil {
		return nil, fmt.Errorf("creating Secret %s: %w", ComparisonSecret, err)
	}
	return key, nil
}

func (s *Secrets) comparison(ctx context.Context) (*seal.Key, error) {
	content, err := s.read(ctx, ComparisonSecret, ComparisonKey)
	if err != nil {
		return nil, err
	}
	key, err := seal.ParseKey(content)
	if err != nil {
		return nil, fmt.Errorf("key %s of Secret %s: %w", ComparisonKey, ComparisonSecret, err)
	}
	return key, nil
}
