package place

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	"github.com/soda-cdm/kahu/internal/core/archive"
	"github.com/soda-cdm/kahu/internal/core/seal"
	"github.com/soda-cdm/kahu/internal/engine"
	"github.com/soda-cdm/kahu/internal/engine/backup"
	"github.com/soda-cdm/kahu/internal/engine/keyring"
)

const (
	// SigningSecret is the Secret in Kahu's namespace with the key with which this cluster signs, made when it is needed.
	SigningSecret = "kahu-signing-key" //nolint:gosec // This is a name.
	// SigningKey is where the key is in it: in PKCS #8 and PEM.
	SigningKey = "private.pem"
	// IdentityKey is where identities are in the Secret that a location names.
	IdentityKey = "identity"
)

// Secrets reads the keys of Kahu's own namespace, each time from the API server itself: nothing of them is kept.
type Secrets struct {
	// Direct reads, and Client writes.
	Direct client.Reader
	Client client.Writer
	// Namespace is Kahu's own.
	Namespace string
}

// Identities returns the identities of a location: none where it names no Secret. A Secret that is not there, or has none,
// gives a NotUsableError.
func (s *Secrets) Identities(ctx context.Context, location *kahuv1.BackupLocation) ([]seal.Identity, error) {
	if location.Spec.Encryption == nil || location.Spec.Encryption.IdentitySecretRef.Name == "" {
		return nil, nil
	}
	name := location.Spec.Encryption.IdentitySecretRef.Name
	content, err := s.read(ctx, name, IdentityKey)
	if err != nil {
		return nil, asUnusable(err, kahuv1.ReasonIdentityInvalid, "spec.encryption.identitySecretRef")
	}
	identities, err := seal.ParseIdentities(content)
	if err != nil {
		return nil, &NotUsableError{
			Reason: kahuv1.ReasonIdentityInvalid, Field: "spec.encryption.identitySecretRef",
			Message: fmt.Sprintf("key %s of Secret %s: %s", IdentityKey, name, err.Error()),
		}
	}
	return identities, nil
}

// Signing returns the key with which this cluster signs.
func (s *Secrets) Signing(ctx context.Context) (*seal.SigningKey, error) {
	content, err := s.read(ctx, SigningSecret, SigningKey)
	if err != nil {
		return nil, asUnusable(err, kahuv1.ReasonSigningKeyInvalid, "")
	}
	key, err := seal.ParseSigningKey(content)
	if err != nil {
		return nil, &NotUsableError{
			Reason: kahuv1.ReasonSigningKeyInvalid,
			Message: fmt.Sprintf("key %s of Secret %s: %s: bring it back from a copy, or delete the Secret for a new one, "+
				"and add the old signer to spec.encryption.trustedSigners", SigningKey, SigningSecret, err.Error()),
		}
	}
	return key, nil
}

// EnsureSigning is Signing, and makes the key where there is none.
func (s *Secrets) EnsureSigning(ctx context.Context) (*seal.SigningKey, error) {
	key, err := s.Signing(ctx)
	if missing := (*missingError)(nil); err == nil || !errors.As(err, &missing) || missing.whole != SigningSecret {
		return key, err
	}
	key, err = seal.NewSigningKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	content, err := key.Encode()
	if err != nil {
		return nil, err
	}
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: s.Namespace, Name: SigningSecret},
		Type:       corev1.SecretTypeOpaque, Data: map[string][]byte{SigningKey: content},
	}
	if err := s.Client.Create(ctx, secret); apierrors.IsAlreadyExists(err) {
		return s.Signing(ctx)
	} else if err != nil {
		return nil, fmt.Errorf("creating Secret %s: %w", SigningSecret, err)
	}
	return key, nil
}

// missingError says that a Secret, or a key of it, is not there.
type missingError struct {
	message string
	whole   string // the Secret that is not there at all
}

// Error says what is missing.
func (e *missingError) Error() string { return e.message }

func (s *Secrets) read(ctx context.Context, name, key string) ([]byte, error) {
	secret := &corev1.Secret{}
	err := s.Direct.Get(ctx, client.ObjectKey{Namespace: s.Namespace, Name: name}, secret)
	if apierrors.IsNotFound(err) {
		return nil, &missingError{message: fmt.Sprintf("there is no Secret %s in namespace %s", name, s.Namespace), whole: name}
	}
	if err != nil {
		return nil, fmt.Errorf("reading Secret %s: %w", name, err)
	}
	if len(secret.Data[key]) == 0 {
		return nil, &missingError{message: fmt.Sprintf("Secret %s in namespace %s has no key %s", name, s.Namespace, key)}
	}
	return secret.Data[key], nil
}

// asUnusable makes what is missing a reason not to use a location.
func asUnusable(err error, reason, field string) error {
	if missing := (*missingError)(nil); errors.As(err, &missing) {
		return &secretError{NotUsableError{Reason: reason, Field: field, Message: missing.message, Passing: true}, missing}
	}
	return err
}

// secretError is a NotUsableError that knows what is missing.
type secretError struct {
	NotUsableError

	missing *missingError
}

// Unwrap returns both.
func (e *secretError) Unwrap() []error { return []error{&e.NotUsableError, e.missing} }

// Keys returns what opens encrypted backups at a location.
func (f *Finder) Keys(location *kahuv1.BackupLocation, files Files) *keyring.Ring {
	return &keyring.Ring{Files: files, Identities: func(ctx context.Context) ([]seal.Identity, error) {
		return f.Secrets.Identities(ctx, location)
	}}
}

// Sealing returns how a backup at a location is encrypted, nil where it is not.
func (f *Finder) Sealing(ctx context.Context, location *kahuv1.BackupLocation, files Files) (*backup.Sealing, error) {
	if location.Spec.Encryption == nil {
		return nil, nil //nolint:nilnil // Not to encrypt is no error.
	}
	state := KeyState(location)
	if state.Epoch.IsZero() {
		return nil, &NotUsableError{
			Reason: kahuv1.ReasonLocationNotReady, Passing: true,
			Message: fmt.Sprintf("BackupLocation %q has no key to encrypt with yet", location.Name),
		}
	}
	signing, err := f.Secrets.Signing(ctx)
	if err != nil {
		return nil, err
	}
	keeper := &keyring.Keeper{Files: files, Clock: clock.RealClock{}}
	sealing := &backup.Sealing{
		Epoch: state.Epoch, Signing: signing, Keys: f.Keys(location, files),
		Check: func(ctx context.Context) error { return keeper.Check(ctx, state) },
	}
	sealing.Comparison, sealing.NoComparison, err = f.comparison(ctx, location, state)
	return sealing, err
}

// KeyState returns what this cluster remembers of the key with which it encrypts.
func KeyState(location *kahuv1.BackupLocation) keyring.State {
	status := location.Status.Encryption
	if status == nil {
		return keyring.State{}
	}
	epoch, err := seal.ParseEpoch(status.PublicKey)
	if err != nil {
		return keyring.State{}
	}
	state := keyring.State{Epoch: epoch}
	for _, recipient := range status.Recipients {
		state.Wrapped = append(state.Wrapped, keyring.Wrapped{
			Recipient: recipient.ID, Digest: archive.Digest(recipient.Digest), Content: recipient.WrappedKey,
		})
	}
	return state
}

// Trust returns whose backups may be restored from a location.
func Trust(location *kahuv1.BackupLocation) engine.Trust {
	if location.Spec.Encryption == nil {
		return engine.Trust{}
	}
	trust := engine.Trust{Required: true}
	if status := location.Status.Encryption; status != nil && status.Signer != "" {
		trust.Signers = append(trust.Signers, seal.Signer(status.Signer))
	}
	for _, signer := range location.Spec.Encryption.TrustedSigners {
		trust.Signers = append(trust.Signers, seal.Signer(signer))
	}
	return trust
}
