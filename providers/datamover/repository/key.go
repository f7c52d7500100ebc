package repository

import (
	"crypto/rand"
	"encoding/base64"
	"fmt"

	"github.com/soda-cdm/kahu/provider"
)

// Key opens a repository. Whoever has it reads all that is there; without it, nobody does. It never shows itself.
type Key struct{ secret string }

// keyBytes is how many random bytes a new key has, and minKeyBytes the least length of one that was made elsewhere.
const (
	keyBytes    = 32
	minKeyBytes = 16
)

// NewKey returns a key that nobody else has.
func NewKey() Key {
	made := make([]byte, keyBytes)
	_, _ = rand.Read(made) // It ends the process rather than fail.
	return Key{secret: base64.RawURLEncoding.EncodeToString(made)}
}

// ParseKey returns the key of which text is the content of a Secret.
func ParseKey(text string) (Key, error) {
	if len(text) < minKeyBytes {
		return Key{}, fmt.Errorf("the key of the repository has %d bytes, and needs %d: %w", len(text), minKeyBytes, provider.ErrInvalidArgument)
	}
	return Key{secret: text}, nil
}

// Reveal returns the text of the key, for a Secret and for nothing else. It is the password of the repository for kopia's own command.
func (k Key) Reveal() string { return k.secret }

// String implements fmt.Stringer.
func (Key) String() string { return "[a key]" }

// GoString implements fmt.GoStringer.
func (Key) GoString() string { return "[a key]" }
