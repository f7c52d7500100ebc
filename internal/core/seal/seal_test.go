package seal_test

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"filippo.io/age"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/seal"
)

// person is somebody with a key.
type person struct {
	secret    string
	recipient seal.Recipient
	identity  seal.Identity
}

func classical(tb testing.TB) person {
	tb.Helper()
	identity, err := age.GenerateX25519Identity()
	if err != nil {
		tb.Fatal(err)
	}
	return newPerson(tb, identity.String())
}

func hybrid(tb testing.TB) person {
	tb.Helper()
	identity, err := age.GenerateHybridIdentity()
	if err != nil {
		tb.Fatal(err)
	}
	return newPerson(tb, identity.String())
}

func newPerson(tb testing.TB, secret string) person {
	tb.Helper()
	found, err := seal.ParseIdentities([]byte("# made for a test\n\n" + secret + "\n"))
	if err != nil || len(found) != 1 {
		tb.Fatalf("%d identities: %v", len(found), err)
	}
	return person{secret: secret, recipient: found[0].Recipient(), identity: found[0]}
}

func newKey(tb testing.TB) *seal.Key {
	tb.Helper()
	key, err := seal.NewKey()
	if err != nil {
		tb.Fatal(err)
	}
	return key
}

func wrap(tb testing.TB, key *seal.Key, recipient seal.Recipient) []byte {
	tb.Helper()
	wrapped, err := key.Wrap(recipient)
	if err != nil {
		tb.Fatal(err)
	}
	return wrapped
}

func TestWhoCanRead(t *testing.T) {
	anna, bert, eve := classical(t), hybrid(t), hybrid(t)
	key := newKey(t)
	sealed, err := key.Epoch().SealBytes([]byte("content"))
	if err != nil {
		t.Fatal(err)
	}
	for _, who := range []person{anna, bert} {
		opened, err := seal.Unwrap(wrap(t, key, who.recipient), who.identity, key.Epoch().ID())
		if err != nil {
			t.Fatal(err)
		}
		plain, err := opened.Open(bytes.NewReader(sealed))
		if err != nil {
			t.Fatal(err)
		}
		if content, err := io.ReadAll(plain); err != nil || string(content) != "content" {
			t.Errorf("%q, %v", content, err)
		}
	}
	for name, try := range map[string]struct {
		wrapped []byte
		epoch   string
	}{
		"of somebody else": {wrap(t, key, bert.recipient), key.Epoch().ID()},
		"of another epoch": {wrap(t, newKey(t), eve.recipient), key.Epoch().ID()},
		"no key at all":    {[]byte("nonsense"), key.Epoch().ID()},
		"empty":            {nil, key.Epoch().ID()},
	} {
		if _, err := seal.Unwrap(try.wrapped, eve.identity, try.epoch); !errors.Is(err, core.ErrCorrupt) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := newKey(t).Open(bytes.NewReader(sealed)); !errors.Is(err, core.ErrCorrupt) {
		t.Errorf("opened with another key: %v", err)
	}
}

func TestEveryByteCounts(t *testing.T) {
	key := newKey(t)
	sealed, err := key.Epoch().SealBytes(bytes.Repeat([]byte("some content "), 20))
	if err != nil {
		t.Fatal(err)
	}
	read := func(content []byte) error {
		plain, err := key.Open(bytes.NewReader(content))
		if err != nil {
			return err
		}
		_, err = io.Copy(io.Discard, plain)
		return err
	}
	for i := range sealed {
		damaged := slices.Clone(sealed)
		damaged[i] ^= 1
		if err := read(damaged); !errors.Is(err, core.ErrCorrupt) {
			t.Fatalf("byte %d: %v", i, err)
		}
		if err := read(sealed[:i]); !errors.Is(err, core.ErrCorrupt) {
			t.Fatalf("ended at %d: %v", i, err)
		}
	}
	if err := read(append(slices.Clone(sealed), 0)); !errors.Is(err, core.ErrCorrupt) {
		t.Errorf("a byte more: %v", err)
	}
}

func TestOpenAtReadsAnyPart(t *testing.T) {
	key := newKey(t)
	content := make([]byte, 300_000)
	_, _ = rand.Read(content)
	sealed, err := key.Epoch().SealBytes(content)
	if err != nil {
		t.Fatal(err)
	}
	plain, length, err := key.OpenAt(bytes.NewReader(sealed), int64(len(sealed)))
	if err != nil || length != int64(len(content)) {
		t.Fatalf("%d bytes, %v", length, err)
	}
	for _, offset := range []int{0, 1, 65535, 65536, 65537, 200_000, 299_999} {
		part := make([]byte, min(100_000, len(content)-offset))
		if _, err := plain.ReadAt(part, int64(offset)); err != nil && !errors.Is(err, io.EOF) {
			t.Fatal(err)
		}
		if !bytes.Equal(part, content[offset:offset+len(part)]) {
			t.Errorf("at %d: another content", offset)
		}
	}
}

func TestFaultsOfTheSourceAreNoDamage(t *testing.T) {
	key := newKey(t)
	sealed, err := key.Epoch().SealBytes(make([]byte, 200_000))
	if err != nil {
		t.Fatal(err)
	}
	errCable := errors.New("cable")
	for _, cut := range []int{0, 10, 1000, 100_000} {
		source := io.MultiReader(bytes.NewReader(sealed[:cut]), iotest.ErrReader(errCable))
		plain, err := key.Open(source)
		if err == nil {
			_, err = io.Copy(io.Discard, plain)
		}
		if !errors.Is(err, errCable) || errors.Is(err, core.ErrCorrupt) {
			t.Errorf("cut at %d: %v", cut, err)
		}
	}
}

func TestRefusedRecipients(t *testing.T) {
	anna := classical(t)
	for name, text := range map[string]string{
		"nothing": "", "ssh": "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI", "a plugin": "age1yubikey1qwerty",
		"an identity": anna.secret, "damaged": anna.recipient.String()[:50], "endless": strings.Repeat("age1", 10_000),
	} {
		if _, err := seal.ParseRecipient(text); !errors.Is(err, core.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		} else if strings.Contains(err.Error(), anna.secret[20:]) {
			t.Errorf("%s: the error shows the secret", name)
		}
	}
	if _, err := seal.ParseRecipients([]string{anna.recipient.String(), anna.recipient.String()}); !errors.Is(err, core.ErrInvalid) {
		t.Errorf("twice: %v", err)
	}
	if _, err := seal.ParseRecipients(nil); !errors.Is(err, core.ErrInvalid) {
		t.Errorf("none: %v", err)
	}
}

func TestSecretsAreNotShown(t *testing.T) {
	anna, key := hybrid(t), newKey(t)
	signing, err := seal.NewSigningKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	encoded, err := signing.Encode()
	if err != nil {
		t.Fatal(err)
	}
	shown := fmt.Sprintf("%v %+v %#v %s %v %+v %#v %v %+v %#v",
		anna.identity, anna.identity, anna.identity, anna.identity, key, key, key, signing, signing, signing)
	_, wrongErr := seal.ParseIdentities([]byte(anna.secret[:len(anna.secret)-1]))
	shown += wrongErr.Error()
	for _, secret := range []string{anna.secret[30:60], strings.Split(string(encoded), "\n")[1], "AGE-SECRET-KEY-PQ-1" + "Q"} {
		if strings.Contains(shown, secret) {
			t.Errorf("a secret is shown: %s", shown)
		}
	}
}

func TestRefusedIdentities(t *testing.T) {
	for name, text := range map[string]string{
		"nothing": "", "comments": "# one\n# two\n", "a recipient": classical(t).recipient.String(),
		"a plugin": "AGE-PLUGIN-YUBIKEY-1QQQQ", "ssh": "-----BEGIN OPENSSH PRIVATE KEY-----",
		"endless": strings.Repeat("#", seal.MaxIdentitiesSize+1),
	} {
		if _, err := seal.ParseIdentities([]byte(text)); !errors.Is(err, core.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestDecide(t *testing.T) {
	holder := hybrid(t)
	anna, bert, carl := holder.recipient, hybrid(t).recipient, hybrid(t).recipient
	for name, test := range map[string]struct {
		reason  string
		wanted  []seal.Recipient
		wrapped []string
		held    []seal.Identity
		want    seal.Plan
	}{
		"first": {
			reason: "there is no epoch yet", wanted: []seal.Recipient{anna}, want: seal.Plan{Begin: seal.ReasonFirst},
		},
		"same": {
			reason: "the order does not matter", wanted: []seal.Recipient{anna, bert}, wrapped: []string{bert.ID(), anna.ID()},
		},
		"added": {
			reason: "the key at hand is wrapped once more", wanted: []seal.Recipient{anna, bert}, wrapped: []string{anna.ID()},
			held: []seal.Identity{holder.identity}, want: seal.Plan{Wrap: []seal.Recipient{bert}},
		},
		"added without a key": {
			reason: "nobody can wrap what nobody has", wanted: []seal.Recipient{anna, bert}, wrapped: []string{anna.ID()},
			want: seal.Plan{Begin: seal.ReasonAdded},
		},
		"removed": {
			reason: "who has read may not read on", wanted: []seal.Recipient{anna}, wrapped: []string{anna.ID(), bert.ID()},
			held: []seal.Identity{holder.identity}, want: seal.Plan{Begin: seal.ReasonRemoved},
		},
		"exchanged": {
			reason: "a removal comes before an addition", wanted: []seal.Recipient{anna, carl},
			wrapped: []string{anna.ID(), bert.ID()}, held: []seal.Identity{holder.identity}, want: seal.Plan{Begin: seal.ReasonRemoved},
		},
	} {
		got := seal.Decide(test.wanted, test.wrapped, test.held)
		if got.Begin != test.want.Begin || fmt.Sprint(got.Wrap) != fmt.Sprint(test.want.Wrap) {
			t.Errorf("%s: %v, want %v, as %s", name, got, test.want, test.reason)
		}
	}
}

func TestHeldAlone(t *testing.T) {
	anna, bert := hybrid(t), classical(t)
	both := []seal.Recipient{anna.recipient, bert.recipient}
	for name, test := range map[string]struct {
		wanted []seal.Recipient
		held   []seal.Identity
		want   bool
	}{
		"the only one":      {[]seal.Recipient{anna.recipient}, []seal.Identity{anna.identity}, true},
		"both":              {both, []seal.Identity{bert.identity, anna.identity}, true},
		"one is elsewhere":  {both, []seal.Identity{anna.identity}, false},
		"all are elsewhere": {both, nil, false},
	} {
		if got := seal.HeldAlone(test.wanted, test.held); got != test.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}

func TestSignatures(t *testing.T) {
	key, err := seal.NewSigningKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	encoded, err := key.Encode()
	if err != nil {
		t.Fatal(err)
	}
	again, err := seal.ParseSigningKey(encoded)
	if err != nil || again.Signer() != key.Signer() {
		t.Fatalf("%v, %v", again, err)
	}
	signature := again.Sign(seal.PurposeManifest, "sha256:1")
	if err := key.Signer().Verify(seal.PurposeManifest, "sha256:1", signature); err != nil {
		t.Error(err)
	}
	other, err := seal.NewSigningKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for name, err := range map[string]error{
		"another signer":    other.Signer().Verify(seal.PurposeManifest, "sha256:1", signature),
		"another purpose":   key.Signer().Verify(seal.PurposeCheckpoint, "sha256:1", signature),
		"another digest":    key.Signer().Verify(seal.PurposeManifest, "sha256:2", signature),
		"another signature": key.Signer().Verify(seal.PurposeManifest, "sha256:1", other.Sign(seal.PurposeManifest, "sha256:1")),
		"a line more":       key.Signer().Verify(seal.PurposeManifest, "sha256:1", signature+"\n"),
		"no signature":      key.Signer().Verify(seal.PurposeManifest, "sha256:1", ""),
		"no signer":         seal.Signer("").Verify(seal.PurposeManifest, "sha256:1", signature),
	} {
		if !errors.Is(err, core.ErrCorrupt) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestEpochRecord(t *testing.T) {
	epoch, created := newKey(t).Epoch(), time.Date(2026, time.March, 1, 2, 3, 4, 5, time.UTC)
	content, err := seal.EncodeEpoch(epoch, "cluster", created)
	if err != nil {
		t.Fatal(err)
	}
	record, err := seal.DecodeEpoch(content)
	if err != nil || record.Epoch != epoch.ID() || record.PublicKey != epoch.String() || record.ClusterID != "cluster" {
		t.Errorf("%+v, %v", record, err)
	}
	swapped := strings.Replace(string(content), epoch.String(), newKey(t).Epoch().String(), 1)
	if _, err := seal.DecodeEpoch([]byte(swapped)); !errors.Is(err, core.ErrCorrupt) {
		t.Errorf("another key under the same id: %v", err)
	}
	newer := strings.Replace(string(content), `"formatVersion":1`, `"formatVersion":2`, 1)
	if _, err := seal.DecodeEpoch([]byte(newer)); !errors.Is(err, core.ErrUnsupported) {
		t.Errorf("a later format: %v", err)
	}
}

func TestWrapNames(t *testing.T) {
	epoch, recipient := newKey(t).Epoch().ID(), hybrid(t).recipient.ID()
	name := seal.WrapName(epoch, recipient)
	if gotEpoch, gotRecipient, ok := seal.ParseWrapName(name); !ok || gotEpoch != epoch || gotRecipient != recipient {
		t.Errorf("%s: %s, %s, %t", name, gotEpoch, gotRecipient, ok)
	}
	for _, other := range []string{"", name + "x", "x" + name, seal.EpochName(epoch), strings.ToUpper(name), "keys/../" + recipient + ".age"} {
		if _, _, ok := seal.ParseWrapName(other); ok {
			t.Errorf("%q is taken for a wrapped key", other)
		}
	}
}

// TestKeysAreKept writes a key down and reads it again.
func TestKeysAreKept(t *testing.T) {
	key, err := seal.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	content := key.Encode()
	again, err := seal.ParseKey(content)
	if err != nil || again.Epoch().ID() != key.Epoch().ID() {
		t.Fatalf("%v, %v", again, err)
	}
	secret := strings.TrimSpace(string(content))
	if shown := fmt.Sprintf("%v %#v", again, again); strings.Contains(shown, secret) {
		t.Error("the key is shown")
	}
	for name, damaged := range map[string]string{
		"nothing": "", "half": secret[:len(secret)/2], "another letter": secret[:30] + "7" + secret[31:],
		"too much": strings.Repeat(secret, 1000), "a recipient": key.Epoch().String(),
	} {
		if _, err := seal.ParseKey([]byte(damaged)); !errors.Is(err, core.ErrInvalid) || strings.Contains(err.Error(), secret[20:50]) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
