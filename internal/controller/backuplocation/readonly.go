package backuplocation

import (
	"context"
	"errors"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	"github.com/soda-cdm/kahu/internal/controller/place"
	"github.com/soda-cdm/kahu/internal/reconcile"
)

// isReadOnly tells whether nothing may be written to the location, nor removed from it.
func (s *scope) isReadOnly() bool { return s.location.Spec.AccessMode == kahuv1.AccessReadOnly }

// unlessReadOnly makes a step that claims the location one that does not where nothing may be written.
func (c *Controller) unlessReadOnly(claim func(ctx context.Context, s *scope) error) func(ctx context.Context, s *scope) error {
	return func(ctx context.Context, s *scope) error {
		if !s.isReadOnly() {
			return claim(ctx, s)
		}
		c.setOwned(s, metav1.ConditionFalse, kahuv1.ReasonLocationReadOnly, "The location is read-only: nothing is written, and nothing is deleted.")
		return nil
	}
}

// lookAtKeys is keepKeys for a read-only location: nothing is encrypted there any more, and what this cluster remembers of
// the keys stays for the time when it is again.
func (c *Controller) lookAtKeys(ctx context.Context, s *scope) error {
	if _, err := parseEncryption(s.location.Spec.Encryption); err != nil {
		return reconcile.Stalled(kahuv1.ReasonEncryptionInvalid, err.Error())
	}
	status := &s.location.Status
	for _, condition := range []string{kahuv1.ConditionEncrypted, kahuv1.ConditionRecoverable} {
		meta.RemoveStatusCondition(&status.Conditions, condition)
	}
	if status.Encryption == nil {
		status.Encryption = &kahuv1.LocationEncryptionStatus{}
	}
	if signing, err := c.Finder.Secrets.Signing(ctx); err == nil {
		status.Encryption.Signer = string(signing.Signer())
	}
	held, err := c.Finder.Secrets.Identities(ctx, s.location)
	unusable, is := errors.AsType[*place.NotUsableError](err)
	switch {
	case is:
		s.set(kahuv1.ConditionReadable, metav1.ConditionFalse, kahuv1.ReasonIdentityInvalid, unusable.Error())
	case err != nil:
		return err
	case len(held) == 0:
		s.set(kahuv1.ConditionReadable, metav1.ConditionFalse, kahuv1.ReasonWriteOnly,
			"This cluster has no identity, and cannot read what is encrypted. To restore, compare or look into it here, make "+
				"spec.encryption.identitySecretRef name a Secret with the identity of a recipient.")
	default:
		s.set(kahuv1.ConditionReadable, metav1.ConditionTrue, kahuv1.ReasonIdentityHeld,
			"This cluster has an identity. Which keys it opens shows when a backup is read.")
	}
	return nil
}
