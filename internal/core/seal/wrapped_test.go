package seal_test

import (
	"bytes"
	"errors"
	"testing"

	"filippo.io/age"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/seal"
)

// TestCheckWrapped: what Wrap writes is whole, and no part of it is.
func TestCheckWrapped(t *testing.T) {
	t.Parallel()
	for name, whose := range map[string]person{"classical": classical(t), "hybrid": hybrid(t)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			wrapped := wrap(t, newKey(t), whose.recipient)
			if err := seal.CheckWrapped(wrapped); err != nil {
				t.Error(err)
			}
			for size := range wrapped {
				if err := seal.CheckWrapped(wrapped[:size]); !errors.Is(err, core.ErrCorrupt) {
					t.Errorf("%d of %d bytes: %v", size, len(wrapped), err)
				}
			}
			for _, longer := range []int{1, seal.MaxKeyFileSize} {
				if err := seal.CheckWrapped(append(bytes.Clone(wrapped), make([]byte, longer)...)); !errors.Is(err, core.ErrCorrupt) {
					t.Errorf("%d bytes more: %v", longer, err)
				}
			}
		})
	}
}

// TestCheckWrappedForStrangers: a file that is encrypted in a way for which Kahu has no recipients is no key.
func TestCheckWrappedForStrangers(t *testing.T) {
	t.Parallel()
	password, err := age.NewScryptRecipient("password")
	if err != nil {
		t.Fatal(err)
	}
	password.SetWorkFactor(1)
	var sealed bytes.Buffer
	writer, err := age.Encrypt(&sealed, password)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := writer.Write(newKey(t).Encode()); err != nil {
		t.Fatal(err)
	}
	if err := writer.Close(); err != nil {
		t.Fatal(err)
	}
	if err := seal.CheckWrapped(sealed.Bytes()); !errors.Is(err, core.ErrCorrupt) {
		t.Errorf("got %v", err)
	}
}

// FuzzCheckWrapped: what opens is whole.
func FuzzCheckWrapped(f *testing.F) {
	whose, key := classical(f), newKey(f)
	f.Add(wrap(f, key, whose.recipient))
	f.Fuzz(func(t *testing.T, wrapped []byte) {
		whole := seal.CheckWrapped(wrapped)
		if whole != nil && !errors.Is(whole, core.ErrCorrupt) {
			t.Errorf("%v", whole)
		}
		if _, err := seal.Unwrap(wrapped, whose.identity, key.Epoch().ID()); err == nil && whole != nil {
			t.Errorf("it opens, and is not whole: %v", whole)
		}
	})
}
