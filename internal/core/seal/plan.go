package seal

import (
	"fmt"
	"slices"
	"strings"

	"github.com/soda-cdm/kahu/internal/core"
)

// MaxRecipients bounds the recipients of a location.
const MaxRecipients = 20

// Reason says why an epoch began.
type Reason string

// The reasons for which an epoch begins.
const (
	// ReasonFirst: there was none.
	ReasonFirst Reason = "First"
	// ReasonRemoved: somebody who can read the present one shall not read what comes.
	ReasonRemoved Reason = "RecipientRemoved"
	// ReasonAdded: somebody shall read what comes, and nobody here can wrap the present key for them.
	ReasonAdded Reason = "RecipientAdded"
	// ReasonLost: the files of the present one are not in the location as they were written.
	ReasonLost Reason = "KeyFilesLost"
)

// Plan is what is to be done so that exactly the wanted recipients can read what is written from now on.
type Plan struct {
	// Begin says why another epoch begins, and is empty where the present one will do.
	Begin Reason
	// Wrap are the recipients for whom the present key is to be wrapped; nobody where another one begins.
	Wrap []Recipient
}

// Decide compares the wanted recipients with those (by id) for whom the present key is wrapped. It can be wrapped for
// others where the identity of one of these is held.
func Decide(wanted []Recipient, wrapped []string, held []Identity) Plan {
	if len(wrapped) == 0 {
		return Plan{Begin: ReasonFirst}
	}
	for _, id := range wrapped {
		if !slices.ContainsFunc(wanted, func(recipient Recipient) bool { return recipient.ID() == id }) {
			return Plan{Begin: ReasonRemoved}
		}
	}
	var missing []Recipient
	for _, recipient := range wanted {
		if !slices.Contains(wrapped, recipient.ID()) {
			missing = append(missing, recipient)
		}
	}
	opens := slices.ContainsFunc(held, func(identity Identity) bool { return slices.Contains(wrapped, identity.recipient.ID()) })
	if len(missing) > 0 && !opens {
		return Plan{Begin: ReasonAdded}
	}
	return Plan{Wrap: missing}
}

// ParseRecipients reads the recipients of a location: at least one, and none twice.
func ParseRecipients(texts []string) ([]Recipient, error) {
	if len(texts) == 0 || len(texts) > MaxRecipients {
		return nil, fmt.Errorf("a location has 1 to %d recipients: %w", MaxRecipients, core.ErrInvalid)
	}
	found := make([]Recipient, 0, len(texts))
	for i, text := range texts {
		recipient, err := ParseRecipient(text)
		if err != nil {
			return nil, fmt.Errorf("recipient %d: %w", i+1, err)
		}
		if slices.ContainsFunc(found, func(other Recipient) bool { return other.text == recipient.text }) {
			return nil, fmt.Errorf("recipient %d is there twice: %w", i+1, core.ErrInvalid)
		}
		found = append(found, recipient)
	}
	return found, nil
}

// HeldAlone tells whether the identities of all recipients are among those that are held: whoever loses these loses
// every backup.
func HeldAlone(wanted []Recipient, held []Identity) bool {
	for _, recipient := range wanted {
		if !slices.ContainsFunc(held, func(identity Identity) bool { return identity.recipient.text == recipient.text }) {
			return false
		}
	}
	return len(wanted) > 0
}

// KeyNeededError says that something is encrypted to an epoch that no identity at hand opens.
type KeyNeededError struct {
	// Epoch is the id of the key that is needed.
	Epoch string
	// Recipients are the ids of those whose identities open it, as far as they are known.
	Recipients []string
	// Held are the ids of the recipients whose identities are at hand.
	Held []string
}

// Error says what is needed, and what is there.
func (e *KeyNeededError) Error() string {
	text := "it is encrypted with the key of epoch " + e.Epoch
	if len(e.Recipients) > 0 {
		text += fmt.Sprintf(", which the identity of any of these recipients opens: %s", list(e.Recipients))
	}
	if len(e.Held) == 0 {
		return text + "; this cluster has no identity, so that it can write backups and not read them: make " +
			"spec.encryption.identitySecretRef of the BackupLocation name a Secret with such an identity"
	}
	return text + fmt.Sprintf("; this cluster has the identities of %s, which do not: add one to the Secret that "+
		"spec.encryption.identitySecretRef of the BackupLocation names", list(e.Held))
}

func list(ids []string) string { return strings.Join(ids[:min(len(ids), MaxRecipients)], ", ") }
