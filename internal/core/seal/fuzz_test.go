package seal_test

import (
	"bytes"
	"errors"
	"io"
	"testing"
	"time"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/seal"
)

func FuzzParseRecipient(f *testing.F) {
	f.Add(classical(f).recipient.String())
	f.Add(hybrid(f).recipient.String())
	f.Fuzz(func(t *testing.T, text string) {
		recipient, err := seal.ParseRecipient(text)
		if err != nil {
			if !errors.Is(err, core.ErrInvalid) {
				t.Errorf("%v", err)
			}
			return
		}
		again, err := seal.ParseRecipient(recipient.String())
		if err != nil || again.ID() != recipient.ID() || seal.CheckID(recipient.ID()) != nil {
			t.Errorf("%q comes back as %q: %v", recipient, again, err)
		}
	})
}

func FuzzParseIdentities(f *testing.F) {
	f.Add([]byte("# comment\n" + classical(f).secret + "\r\n" + hybrid(f).secret))
	f.Fuzz(func(t *testing.T, content []byte) {
		found, err := seal.ParseIdentities(content)
		if (err == nil) != (len(found) > 0) || err != nil && !errors.Is(err, core.ErrInvalid) {
			t.Errorf("%d identities, %v", len(found), err)
		}
	})
}

func FuzzDecodeEpoch(f *testing.F) {
	content, err := seal.EncodeEpoch(newKey(f).Epoch(), "cluster", time.Unix(1e9, 0))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(content)
	f.Fuzz(func(t *testing.T, content []byte) {
		record, err := seal.DecodeEpoch(content)
		if err != nil {
			if !errors.Is(err, core.ErrCorrupt) && !errors.Is(err, core.ErrUnsupported) {
				t.Errorf("%v", err)
			}
			return
		}
		if epoch, err := seal.ParseEpoch(record.PublicKey); err != nil || epoch.ID() != record.Epoch {
			t.Errorf("%+v: %v", record, err)
		}
	})
}

// FuzzUnwrap encrypts anything to a recipient: only the key itself is one.
func FuzzUnwrap(f *testing.F) {
	anna, key := classical(f), newKey(f)
	f.Add(wrap(f, key, anna.recipient))
	f.Add([]byte("age-encryption.org/v1\n"))
	f.Fuzz(func(t *testing.T, wrapped []byte) {
		found, err := seal.Unwrap(wrapped, anna.identity, key.Epoch().ID())
		if err == nil && found.Epoch().ID() != key.Epoch().ID() || err != nil && !errors.Is(err, core.ErrCorrupt) {
			t.Errorf("%v, %v", found, err)
		}
	})
}

func FuzzOpen(f *testing.F) {
	key := newKey(f)
	sealed, err := key.Epoch().SealBytes([]byte("content"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(sealed)
	f.Add(sealed[:len(sealed)-1])
	f.Fuzz(func(t *testing.T, content []byte) {
		plain, err := key.Open(bytes.NewReader(content))
		if err == nil {
			_, err = io.Copy(io.Discard, plain)
		}
		if err != nil && !errors.Is(err, core.ErrCorrupt) {
			t.Errorf("%v", err)
		}
	})
}

func FuzzSigner(f *testing.F) {
	f.Add("ed25519:MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=", "c2ln")
	f.Fuzz(func(t *testing.T, signer, signature string) {
		if err := seal.Signer(signer).Verify(seal.PurposeManifest, "sha256:1", signature); !errors.Is(err, core.ErrCorrupt) {
			t.Errorf("%v", err)
		}
	})
}

func FuzzParseSigningKey(f *testing.F) {
	f.Add([]byte("-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIA==\n-----END PRIVATE KEY-----\n"))
	f.Fuzz(func(t *testing.T, content []byte) {
		if _, err := seal.ParseSigningKey(content); err != nil && !errors.Is(err, core.ErrInvalid) {
			t.Errorf("%v", err)
		}
	})
}

func FuzzParseWrapName(f *testing.F) {
	f.Add("keys/0123456789abcdef0123456789abcdef/0123456789abcdef0123456789abcdef.age")
	f.Fuzz(func(t *testing.T, name string) {
		if epoch, recipient, ok := seal.ParseWrapName(name); ok && seal.WrapName(epoch, recipient) != name {
			t.Errorf("%q comes back as %q", name, seal.WrapName(epoch, recipient))
		}
	})
}
