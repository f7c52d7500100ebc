package seal

import (
	"crypto/ed25519"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"io"
	"strings"

	"github.com/soda-cdm/kahu/internal/core"
)

// Signer is the public half of a signing key: "ed25519:" and 32 bytes in base64.
type Signer string

const (
	signerPrefix = "ed25519:"
	pemType      = "PRIVATE KEY"
	// MaxSignerSize bounds the text of a signer.
	MaxSignerSize = 64
)

// Purpose is what a signature is for, so that one for the one is none for the other.
type Purpose string

// The purposes of signatures.
const (
	PurposeManifest   Purpose = "kahu.io manifest"
	PurposeCheckpoint Purpose = "kahu.io checkpoint"
)

// message returns what is signed: the purpose and what it is about, each a line.
func (p Purpose) message(digest string) []byte { return []byte(string(p) + "\n" + digest + "\n") }

// Check returns core.ErrInvalid where the text is no signer.
func (s Signer) Check() error {
	_, err := s.key()
	return err
}

func (s Signer) key() (ed25519.PublicKey, error) {
	text, found := strings.CutPrefix(string(s), signerPrefix)
	key, err := base64.StdEncoding.Strict().DecodeString(text)
	if !found || err != nil || len(key) != ed25519.PublicKeySize || strings.ContainsAny(text, "\r\n") {
		return nil, fmt.Errorf("%q is no signer: it is %s and 32 bytes in base64, and status.encryption.signer of the "+
			"location in the cluster that signs has it: %w", string(s[:min(len(s), MaxSignerSize)]), signerPrefix, core.ErrInvalid)
	}
	return key, nil
}

// Verify returns core.ErrCorrupt where the signature is not that of the signer, for the purpose and the digest.
func (s Signer) Verify(purpose Purpose, digest, signature string) error {
	key, err := s.key()
	if err != nil {
		return fmt.Errorf("%w: %s", core.ErrCorrupt, err.Error())
	}
	bytes, err := base64.StdEncoding.Strict().DecodeString(signature)
	if err != nil || strings.ContainsAny(signature, "\r\n") || !ed25519.Verify(key, purpose.message(digest), bytes) {
		return fmt.Errorf("the signature is not that of %s: %w", s, core.ErrCorrupt)
	}
	return nil
}

// SigningKey signs what a cluster writes.
type SigningKey struct{ private ed25519.PrivateKey }

// NewSigningKey returns a new key.
func NewSigningKey(random io.Reader) (*SigningKey, error) {
	_, private, err := ed25519.GenerateKey(random)
	if err != nil {
		return nil, fmt.Errorf("making a signing key: %w", err)
	}
	return &SigningKey{private: private}, nil
}

// ParseSigningKey reads a key as EncodeSigningKey writes it. What is none is core.ErrInvalid, in words that repeat nothing.
func ParseSigningKey(content []byte) (*SigningKey, error) {
	block, _ := pem.Decode(content)
	if block == nil || block.Type != pemType {
		return nil, fmt.Errorf("a signing key is a PEM block %q: %w", pemType, core.ErrInvalid)
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	private, is := key.(ed25519.PrivateKey)
	if err != nil || !is {
		return nil, fmt.Errorf("a signing key is an Ed25519 key in PKCS #8: %w", core.ErrInvalid)
	}
	return &SigningKey{private: private}, nil
}

// Encode returns the key in PKCS #8 and PEM, as openssl reads it. It is secret.
func (k *SigningKey) Encode() ([]byte, error) {
	bytes, err := x509.MarshalPKCS8PrivateKey(k.private)
	if err != nil {
		return nil, fmt.Errorf("encoding a signing key: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: pemType, Bytes: bytes}), nil
}

// Signer returns the public half.
func (k *SigningKey) Signer() Signer {
	public, _ := k.private.Public().(ed25519.PublicKey)
	return Signer(signerPrefix + base64.StdEncoding.EncodeToString(public))
}

// Sign returns the signature of a digest for a purpose, in base64.
func (k *SigningKey) Sign(purpose Purpose, digest string) string {
	return base64.StdEncoding.EncodeToString(ed25519.Sign(k.private, purpose.message(digest)))
}

// String hides the key from whoever prints it.
func (k *SigningKey) String() string { return "signing key of " + string(k.Signer()) }

// GoString hides it too.
func (k *SigningKey) GoString() string { return k.String() }
