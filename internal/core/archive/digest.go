package archive

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/soda-cdm/kahu/internal/core"
)

// Digest is the SHA-256 of some bytes as "sha256:" and 64 hexadecimal digits in lower case.
type Digest string

const digestPrefix = "sha256:"

// DigestOf returns the digest of the content. The digest of an object is that of core.Object.JSON, all of it and
// nothing else.
func DigestOf(content []byte) Digest {
	return digestFrom(sha256.Sum256(content))
}

func digestFrom(sum [sha256.Size]byte) Digest {
	var text [len(digestPrefix) + 2*sha256.Size]byte
	copy(text[:], digestPrefix)
	hex.Encode(text[len(digestPrefix):], sum[:])
	return Digest(text[:])
}

func isHex(char byte) bool { return '0' <= char && char <= '9' || 'a' <= char && char <= 'f' }

// Check returns core.ErrInvalid where the digest is not written as digests are.
func (d Digest) Check() error {
	digits, found := strings.CutPrefix(string(d), digestPrefix)
	if !found || len(digits) != 2*sha256.Size || !consists(digits, isHex) {
		return fmt.Errorf("digest %q: %w", clip(string(d)), core.ErrInvalid)
	}
	return nil
}
