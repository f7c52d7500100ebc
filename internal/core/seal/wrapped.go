package seal

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"

	"filippo.io/age"

	"github.com/soda-cdm/kahu/internal/core"
)

const (
	// keyTextSize is the length of a key as Encode writes it: identities of this sort are all as long.
	keyTextSize = 78
	// payloadOverhead is what age adds to a text of less than 64 KiB after the header: a nonce and a tag of 16 bytes each.
	payloadOverhead = 16 + 16
	// stanzaBodySize is the size of a wrapped file key: 16 bytes and a tag of as many.
	stanzaBodySize = 16 + 16
)

// CheckWrapped returns core.ErrCorrupt where a file cannot be a key as Wrap writes it: where it is cut off, or no age file to a
// recipient of ours with a text of a key's length. Whose key it is, and that all bits of it are what they were, only Unwrap
// can tell.
func CheckWrapped(wrapped []byte) error {
	if len(wrapped) > MaxKeyFileSize {
		return fmt.Errorf("a wrapped key has at most %d bytes: %w", MaxKeyFileSize, core.ErrCorrupt)
	}
	header, err := age.ExtractHeader(bytes.NewReader(wrapped))
	if err != nil || !bytes.HasPrefix(wrapped, header) {
		return fmt.Errorf("it has %d bytes, and does not begin with the header of an age file: %w", len(wrapped), core.ErrCorrupt)
	}
	if len(wrapped)-len(header)-payloadOverhead != keyTextSize {
		return fmt.Errorf("what follows its header has not the length of a key: %w", core.ErrCorrupt)
	}
	found := &stanzas{}
	if _, err := age.DecryptHeader(header, found); !errors.Is(err, age.ErrIncorrectIdentity) || !slices.ContainsFunc(found.all, isOurs) {
		return fmt.Errorf("its header names no recipient of age: %w", core.ErrCorrupt)
	}
	return nil
}

// isOurs tells whether a stanza is whole and of a recipient that ParseRecipient takes.
func isOurs(stanza *age.Stanza) bool {
	size := shareSize(stanza.Type)
	if size == 0 || len(stanza.Args) != 1 || len(stanza.Body) != stanzaBodySize {
		return false
	}
	share, err := base64.RawStdEncoding.Strict().DecodeString(stanza.Args[0])
	return err == nil && len(share) == size
}

// shareSize is the size of what a stanza has besides its body; 0 where the type is none of ours.
func shareSize(of string) int {
	const classical, hybrid = 32, 1120
	switch of {
	case "X25519":
		return classical
	case "mlkem768x25519":
		return hybrid
	}
	return 0
}

// stanzas is an identity that opens nothing and notes for whom a file is encrypted.
type stanzas struct{ all []*age.Stanza }

// Unwrap implements age.Identity.
func (s *stanzas) Unwrap(all []*age.Stanza) ([]byte, error) {
	s.all = all
	return nil, age.ErrIncorrectIdentity
}
