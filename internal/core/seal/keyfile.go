package seal

import (
	"bytes"
	"fmt"

	"filippo.io/age"

	"github.com/soda-cdm/kahu/internal/core"
)

// Encode returns the key as age-keygen writes identities. It is secret.
func (k *Key) Encode() []byte { return append([]byte(k.identity.String()), '\n') }

// ParseKey reads a key as Encode writes it. What is none is core.ErrInvalid, in words that repeat nothing.
func ParseKey(content []byte) (*Key, error) {
	if len(content) > MaxIdentitiesSize {
		return nil, fmt.Errorf("a key has at most %d bytes: %w", MaxIdentitiesSize, core.ErrInvalid)
	}
	identity, err := age.ParseHybridIdentity(string(bytes.TrimSpace(content)))
	if err != nil {
		return nil, fmt.Errorf("this is no post-quantum identity of age, which begins with %s: %w", hybridMark, core.ErrInvalid)
	}
	return &Key{identity: identity}, nil
}
