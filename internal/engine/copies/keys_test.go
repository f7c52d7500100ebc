package copies_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/archive"
	"github.com/soda-cdm/kahu/internal/core/copyplan"
	"github.com/soda-cdm/kahu/internal/core/seal"
)

// TestCopySealed: an encrypted backup is copied as it is, with the keys for whoever can read it, and its signature holds.
func TestCopySealed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	manifest := w.sealed("a")
	epoch := manifest.Encryption.Epoch
	mine := seal.WrapName(epoch, strings.Repeat("cd", 16))
	theirs, again := w.wrapName(), w.wrap(w.key)
	put(t, w.to, theirs, again)
	put(t, w.to, mine, []byte("for a recipient of the target"))
	result, err := w.copy(t.Context(), w.from, w.to, request("a"))
	if err != nil || result.Note == "" {
		t.Fatalf("%+v %v", result, err)
	}
	found := contents(t, w.to)
	if found[theirs] != string(again) || !strings.HasPrefix(found[mine], "for a recipient") {
		t.Error("a key of the target was written over")
	}
	copied, err := archive.DecodeManifest(strings.NewReader(found[id("a").ManifestName()]))
	if err != nil || copied.Signer != manifest.Signer {
		t.Errorf("signed by %s, not %s: %v", copied.Signer, manifest.Signer, err)
	}
	if _, there := found[seal.EpochName(epoch)]; !there {
		t.Errorf("there is no %s among %v", seal.EpochName(epoch), names(found))
	}

	keyless := newWorld(t)
	keyless.sealed("a")
	remove(t, keyless, keyless.wrapName())
	if _, err := keyless.copy(t.Context(), keyless.from, keyless.to, request("a")); !copyplan.IsLasting(err) || !errors.Is(err, core.ErrNotFound) {
		t.Errorf("without its keys: %v", err)
	}
}

// TestCopyWithDamagedKey: a key that is at the target already and cannot be that of the epoch ends the copy, which nobody could
// read. What only an identity can tell is told where that is at hand.
func TestCopyWithDamagedKey(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.sealed("a")
	stranger, err := seal.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	again := w.wrap(w.key)
	bent := append([]byte{}, again...)
	bent[len(bent)-1] ^= 1
	mine := func(context.Context) ([]seal.Identity, error) { return []seal.Identity{identity(t), w.reader}, nil }
	gone := func(context.Context) ([]seal.Identity, error) { return nil, core.ErrUnavailable }
	for name, tc := range map[string]struct {
		content    []byte
		identities func(context.Context) ([]seal.Identity, error)
		refused    bool
		err        error
	}{
		"Empty":           {content: nil, refused: true},
		"Header":          {content: again[:20], refused: true},
		"End":             {content: again[:len(again)-1], refused: true},
		"Longer":          {content: append(append([]byte{}, again...), 0), refused: true},
		"Huge":            {content: make([]byte, seal.MaxKeyFileSize+1), refused: true},
		"Noise":           {content: noise(t, len(again)), refused: true},
		"AnotherTime":     {content: again},
		"AnotherTimeHeld": {content: again, identities: mine},
		"Bit":             {content: bent, identities: mine, refused: true},
		"AnotherEpoch":    {content: w.wrap(stranger), identities: mine, refused: true},
		"IdentitiesGone":  {content: again, identities: gone, err: core.ErrUnavailable},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			to := newWorld(t).to
			put(t, to, w.wrapName(), tc.content)
			wish := request("a")
			wish.Identities = tc.identities
			_, err := w.copy(t.Context(), w.from, to, wish)
			refused, is := errors.AsType[*copyplan.RefusedError](err)
			if is != tc.refused || is && (refused.Reason != copyplan.Differs || !strings.Contains(refused.Message, w.wrapName())) {
				t.Errorf("got %v", err)
			}
			if !is && !errors.Is(err, tc.err) {
				t.Errorf("got %v", err)
			}
			if there, _ := isWhole(t, to, "a"); there != (err == nil) {
				t.Errorf("the manifest is there: %t, after %v", there, err)
			}
			if contents(t, to)[w.wrapName()] != string(tc.content) {
				t.Error("it was written over")
			}
		})
	}
}
