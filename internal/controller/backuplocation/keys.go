package backuplocation

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	"github.com/soda-cdm/kahu/internal/controller/place"
	"github.com/soda-cdm/kahu/internal/core/seal"
	"github.com/soda-cdm/kahu/internal/engine/keyring"
	"github.com/soda-cdm/kahu/internal/reconcile"
)

// keepKeys sees to it that the recipients of an encrypted location can read what is written there. What comes of it is in
// the status before the location is ready: only then is anything written with it.
func (c *Controller) keepKeys(ctx context.Context, s *scope) error {
	encryption, status := s.location.Spec.Encryption, &s.location.Status
	if s.isReadOnly() && encryption != nil {
		return c.lookAtKeys(ctx, s)
	}
	if encryption == nil {
		status.Encryption = nil
		for _, condition := range []string{kahuv1.ConditionEncrypted, kahuv1.ConditionReadable, kahuv1.ConditionRecoverable} {
			meta.RemoveStatusCondition(&status.Conditions, condition)
		}
		return nil
	}
	recipients, err := parseEncryption(encryption)
	if err != nil {
		s.set(kahuv1.ConditionEncrypted, metav1.ConditionFalse, kahuv1.ReasonEncryptionInvalid, err.Error())
		return reconcile.Stalled(kahuv1.ReasonEncryptionInvalid, err.Error())
	}
	signing, err := c.Finder.Secrets.EnsureSigning(ctx)
	if err != nil {
		return outcome(err)
	}
	held, identityErr := c.Finder.Secrets.Identities(ctx, s.location)
	var unusable *place.NotUsableError
	if identityErr != nil && !errors.As(identityErr, &unusable) {
		return identityErr
	}
	keeper := &keyring.Keeper{Files: s.files, Clock: c.Clock, ClusterID: c.ClusterID}
	kept, err := keeper.Keep(ctx, keyring.Wish{Recipients: recipients, Held: held, State: place.KeyState(s.location)})
	if err != nil {
		return outcome(err)
	}
	status.Encryption = encryptionStatus(kept, recipients, held)
	status.Encryption.Signer = string(signing.Signer())
	s.sayEncrypted(kept, recipients)
	s.sayReadable(kept, held, unusable)
	s.sayRecoverable(recipients, held)
	return nil
}

// parseEncryption reads what a person wrote.
func parseEncryption(encryption *kahuv1.LocationEncryption) ([]seal.Recipient, error) {
	recipients, err := seal.ParseRecipients(encryption.Recipients)
	if err != nil {
		return nil, fmt.Errorf("spec.encryption.recipients: %w", err)
	}
	for _, signer := range encryption.TrustedSigners {
		if err := seal.Signer(signer).Check(); err != nil {
			return nil, fmt.Errorf("spec.encryption.trustedSigners: %w", err)
		}
	}
	return recipients, nil
}

// encryptionStatus writes down what must be remembered, and what people want to know.
func encryptionStatus(kept keyring.Kept, recipients []seal.Recipient, held []seal.Identity) *kahuv1.LocationEncryptionStatus {
	status := &kahuv1.LocationEncryptionStatus{Epoch: kept.State.Epoch.ID(), PublicKey: kept.State.Epoch.String()}
	if kept.Epochs >= 0 {
		status.Epochs, status.ReadableEpochs = number(kept.Epochs), number(kept.Readable)
	}
	for _, wrapped := range kept.State.Wrapped {
		row := kahuv1.LocationRecipient{ID: wrapped.Recipient, Digest: string(wrapped.Digest), WrappedKey: wrapped.Content}
		if kept.Epochs >= 0 {
			row.Epochs = number(kept.Reads[wrapped.Recipient])
		}
		for _, recipient := range recipients {
			if recipient.ID() == wrapped.Recipient {
				row.Recipient = recipient.String()
			}
		}
		row.IdentityInCluster = slices.ContainsFunc(held, func(identity seal.Identity) bool {
			return identity.Recipient().ID() == wrapped.Recipient
		})
		status.Recipients = append(status.Recipients, row)
	}
	return status
}

func number(of int) *int32 {
	bounded := int32(min(max(of, 0), 1<<30))
	return &bounded
}

func (s *scope) set(condition string, status metav1.ConditionStatus, reason, message string) {
	meta.SetStatusCondition(&s.location.Status.Conditions, metav1.Condition{
		Type: condition, Status: status, Reason: reason, Message: message, ObservedGeneration: s.location.Generation,
	})
}

func (s *scope) sayEncrypted(kept keyring.Kept, recipients []seal.Recipient) {
	message := fmt.Sprintf("What this cluster writes is encrypted with the key of epoch %s, for %d recipients.",
		kept.State.Epoch.ID(), len(recipients))
	classical := 0
	for _, recipient := range recipients {
		if !recipient.PostQuantum() {
			classical++
		}
	}
	if classical > 0 {
		message += fmt.Sprintf(" %d of them are not post-quantum: who keeps a copy now may read it one day.", classical)
	}
	if kept.Began == seal.ReasonLost {
		message += " It is new, as the files of the key before are not at the location as they were written: backups that were " +
			"encrypted with that one can be lost. Verify them."
	}
	s.set(kahuv1.ConditionEncrypted, metav1.ConditionTrue, kahuv1.ReasonEncrypted, message)
}

func (s *scope) sayReadable(kept keyring.Kept, held []seal.Identity, unusable *place.NotUsableError) {
	switch {
	case unusable != nil:
		s.set(kahuv1.ConditionReadable, metav1.ConditionFalse, kahuv1.ReasonIdentityInvalid, unusable.Error())
	case len(held) == 0:
		s.set(kahuv1.ConditionReadable, metav1.ConditionFalse, kahuv1.ReasonWriteOnly,
			"This cluster has no identity: it writes backups and cannot read them. To restore, compare or look into them here, "+
				"make spec.encryption.identitySecretRef name a Secret with the identity of a recipient.")
	case kept.Epochs < 0:
		s.set(kahuv1.ConditionReadable, metav1.ConditionTrue, kahuv1.ReasonIdentityHeld,
			"This cluster has an identity. Which keys it opens is not known, as the driver of the location cannot list.")
	case kept.Readable < kept.Epochs:
		s.set(kahuv1.ConditionReadable, metav1.ConditionFalse, kahuv1.ReasonIdentityIncomplete, fmt.Sprintf(
			"The identities of this cluster open %d of the %d keys at the location: what is encrypted with the others cannot be "+
				"read here. Add an identity that opens them to the Secret of spec.encryption.identitySecretRef.", kept.Readable, kept.Epochs))
	default:
		s.set(kahuv1.ConditionReadable, metav1.ConditionTrue, kahuv1.ReasonIdentityHeld,
			"The identities of this cluster open every key at the location.")
	}
}

func (s *scope) sayRecoverable(recipients []seal.Recipient, held []seal.Identity) {
	if seal.HeldAlone(recipients, held) {
		s.set(kahuv1.ConditionRecoverable, metav1.ConditionFalse, kahuv1.ReasonOnlyIdentityInCluster,
			"The identities of all recipients are in this cluster: whoever loses the cluster loses every backup of it. Add a "+
				"recipient whose identity is kept elsewhere; if this one is, keep the copy, and add the other recipient all the same.")
		return
	}
	s.set(kahuv1.ConditionRecoverable, metav1.ConditionTrue, kahuv1.ReasonIdentityElsewhere,
		"The identity of some recipient is kept outside of this cluster.")
}
