package seal

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"

	"filippo.io/age"

	"github.com/soda-cdm/kahu/internal/core"
)

const (
	// idSize is the length of the id of a key, in hexadecimal digits: 128 bits of a SHA-256.
	idSize = 32
	// MaxRecipientSize bounds the text of a recipient, in bytes: a post-quantum one has about 2,000.
	MaxRecipientSize = 2500
	// MaxIdentitiesSize bounds the text in which identities are, in bytes.
	MaxIdentitiesSize = 64 << 10
	// MaxIdentities bounds how many there are in it.
	MaxIdentities = 100

	hybridPrefix    = "age1pq1"
	classicalPrefix = "age1"
	identityStem    = "AGE-SECRET-KEY-"
	hybridMark      = identityStem + "PQ-1"
	classicalMark   = identityStem + "1"
)

// Recipient is the public half of the key of somebody who can read.
type Recipient struct {
	text string
	age  age.Recipient
}

// ParseRecipient reads a recipient of age: age1... (X25519) or age1pq1... (post-quantum). Everything else, such as SSH
// keys and plugins, is core.ErrInvalid.
func ParseRecipient(text string) (Recipient, error) {
	if len(text) > MaxRecipientSize {
		return Recipient{}, fmt.Errorf("a recipient has at most %d characters: %w", MaxRecipientSize, core.ErrInvalid)
	}
	if strings.HasPrefix(strings.ToUpper(text), identityStem) {
		return Recipient{}, fmt.Errorf("this is an identity, which is secret: give the recipient that belongs to it, "+
			"which begins with age1: %w", core.ErrInvalid)
	}
	if strings.HasPrefix(text, hybridPrefix) {
		recipient, err := age.ParseHybridRecipient(text)
		if err != nil {
			return Recipient{}, notRecipient(text)
		}
		return Recipient{text: recipient.String(), age: recipient}, nil
	}
	recipient, err := age.ParseX25519Recipient(text)
	if err != nil {
		return Recipient{}, notRecipient(text)
	}
	return Recipient{text: recipient.String(), age: recipient}, nil
}

func notRecipient(text string) error {
	const shown = 24
	return fmt.Errorf("%q is no recipient of age: it begins with %s or %s, and age-keygen -y shows it: %w",
		text[:min(len(text), shown)], classicalPrefix, hybridPrefix, core.ErrInvalid)
}

// String returns the recipient as age writes it.
func (r Recipient) String() string { return r.text }

// ID returns a short name of the recipient, the same wherever it is asked for.
func (r Recipient) ID() string { return idOf(r.text) }

// PostQuantum tells whether what is encrypted to the recipient withstands quantum computers, as far as is known.
func (r Recipient) PostQuantum() bool { return strings.HasPrefix(r.text, hybridPrefix) }

// idOf returns the id of a public key.
func idOf(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])[:idSize]
}

// CheckID returns core.ErrInvalid for what is no id of a key.
func CheckID(id string) error {
	if len(id) != idSize || strings.Trim(id, "0123456789abcdef") != "" {
		return fmt.Errorf("%q is no id of a key: %w", id[:min(len(id), idSize)], core.ErrInvalid)
	}
	return nil
}

// Identity is the secret half of the key of somebody who can read.
type Identity struct {
	recipient Recipient
	age       age.Identity
}

// Recipient returns the public half.
func (i Identity) Recipient() Recipient { return i.recipient }

// String hides the identity from whoever prints it.
func (i Identity) String() string { return "identity of " + i.recipient.ID() }

// GoString hides it too.
func (i Identity) GoString() string { return i.String() }

// ParseIdentities reads the file that age-keygen writes: one identity a line, empty lines and comments with #. What is
// none is core.ErrInvalid, in words that repeat nothing of it.
func ParseIdentities(content []byte) ([]Identity, error) {
	if len(content) > MaxIdentitiesSize {
		return nil, fmt.Errorf("identities have at most %d bytes: %w", MaxIdentitiesSize, core.ErrInvalid)
	}
	var found []Identity
	number := 0
	for line := range bytes.Lines(content) {
		number++
		text := strings.TrimSpace(string(line))
		if text == "" || strings.HasPrefix(text, "#") {
			continue
		}
		identity, err := parseIdentity(text)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", number, err)
		}
		if found = append(found, identity); len(found) > MaxIdentities {
			return nil, fmt.Errorf("there are more than %d identities: %w", MaxIdentities, core.ErrInvalid)
		}
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("there is no identity: age-keygen makes one: %w", core.ErrInvalid)
	}
	return found, nil
}

func parseIdentity(text string) (Identity, error) {
	switch {
	case strings.HasPrefix(text, hybridMark):
		identity, err := age.ParseHybridIdentity(text)
		if err == nil {
			public := identity.Recipient()
			return Identity{recipient: Recipient{text: public.String(), age: public}, age: identity}, nil
		}
	case strings.HasPrefix(text, classicalMark):
		identity, err := age.ParseX25519Identity(text)
		if err == nil {
			public := identity.Recipient()
			return Identity{recipient: Recipient{text: public.String(), age: public}, age: identity}, nil
		}
	}
	return Identity{}, fmt.Errorf("this is no identity of age: it begins with %s or %s, and age-keygen makes it: %w",
		classicalMark, hybridMark, core.ErrInvalid)
}
