package archive_test

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"filippo.io/age"
	"github.com/google/go-cmp/cmp"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/archive"
	sealing "github.com/soda-cdm/kahu/internal/core/seal"
)

func newSigningKey(tb testing.TB) *sealing.SigningKey {
	tb.Helper()
	return must(sealing.NewSigningKey(rand.Reader))(tb)
}

// newSealedManifest returns the manifest of an encrypted backup.
func newSealedManifest() archive.Manifest {
	manifest := newManifest()
	manifest.FormatVersion = archive.SealedVersion
	manifest.Backup, manifest.Missing = nil, []archive.Missing{}
	manifest.Encryption = archive.Encryption{
		Scheme: archive.SchemeAge, Epoch: strings.Repeat("0a", 16),
		Details: archive.File{Name: backupID.DetailsNameOf(""), Size: 700, Digest: archive.DigestOf([]byte("details"))},
	}
	return manifest
}

func TestSealedManifestComesBack(t *testing.T) {
	key, manifest := newSigningKey(t), newSealedManifest()
	encoded := must(archive.SealManifest(manifest, key))(t)
	got, err := archive.DecodeManifest(bytes.NewReader(encoded))
	manifest.Signer = key.Signer()
	if diff := cmp.Diff(manifest, got); err != nil || diff != "" {
		t.Errorf("%v\n%s", err, diff)
	}
	if files := got.Files(); len(files) != 5 || files[0].Name != backupID.DetailsNameOf("") {
		t.Errorf("%v", files)
	}
}

func TestEveryByteOfASealedManifestCounts(t *testing.T) {
	encoded := must(archive.SealManifest(newSealedManifest(), newSigningKey(t)))(t)
	for i := range encoded {
		damaged := bytes.Clone(encoded)
		damaged[i] ^= 1
		if _, err := archive.DecodeManifest(bytes.NewReader(damaged)); !errors.Is(err, core.ErrCorrupt) {
			t.Fatalf("byte %d: %v", i, err)
		}
		if _, err := archive.DecodeManifest(bytes.NewReader(encoded[:i])); !errors.Is(err, core.ErrCorrupt) {
			t.Fatalf("ended at %d: %v", i, err)
		}
	}
}

func TestSealedManifestRefuses(t *testing.T) {
	key := newSigningKey(t)
	body, last, _ := strings.Cut(string(must(archive.SealManifest(newSealedManifest(), key))(t)), "\n")
	plain, _, _ := strings.Cut(string(must(archive.EncodeManifest(newManifest()))(t)), "\n")
	signed := func(body string) string {
		digest := string(archive.DigestOf([]byte(body)))
		return fmt.Sprintf("%s\n{\"digest\":%q,\"signer\":%q,\"signature\":%q}\n", body, digest, key.Signer(),
			key.Sign(sealing.PurposeManifest, digest))
	}
	if _, err := archive.DecodeManifest(strings.NewReader(signed(body))); err != nil {
		t.Fatal(err)
	}
	other, _, _ := strings.Cut(last, `"signature"`)
	replaced := strings.Replace(last, string(key.Signer()), string(newSigningKey(t).Signer()), 1)
	for name, test := range map[string]struct {
		content string
		want    error
	}{
		"unsigned":              {string(seal(body)), core.ErrCorrupt},
		"signed by another":     {body + "\n" + replaced, core.ErrCorrupt},
		"signature taken away":  {body + "\n" + strings.TrimSuffix(other, ",") + "}\n", core.ErrCorrupt},
		"signed, not encrypted": {signed(plain), core.ErrCorrupt},
		"version without it": {
			signed(strings.Replace(plain, `"formatVersion":1`, `"formatVersion":2`, 1)), core.ErrCorrupt,
		},
		"unknown scheme": {signed(strings.Replace(body, `"scheme":"age"`, `"scheme":"rot13"`, 1)), core.ErrUnsupported},
		"epoch upwards":  {signed(strings.Replace(body, `"epoch":"0a0a`, `"epoch":"../x`, 1)), core.ErrCorrupt},
		"details elsewhere": {
			signed(strings.Replace(body, "details.json", "../details.json", 1)), core.ErrCorrupt,
		},
		"names of objects": {
			signed(strings.Replace(body, `"missing":[]`, `"missing":[{"apiVersion":"v1","kind":"Secret","name":"x","reason":"y"}]`, 1)),
			core.ErrCorrupt,
		},
	} {
		if _, err := archive.DecodeManifest(strings.NewReader(test.content)); !errors.Is(err, test.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := archive.EncodeManifest(newSealedManifest()); !errors.Is(err, core.ErrInvalid) {
		t.Errorf("encrypted and unsigned: %v", err)
	}
}

func TestDetailsComeBack(t *testing.T) {
	plain, sealed := newManifest(), newSealedManifest()
	content := must(archive.EncodeDetails(archive.Details{ID: backupID, Backup: plain.Backup, Missing: plain.Missing}))(t)
	details, err := archive.DecodeDetails(bytes.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	if err := details.Complete(&sealed); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(plain.Missing, sealed.Missing); diff != "" || string(sealed.Backup) != string(plain.Backup) {
		t.Errorf("%s\n%s", sealed.Backup, diff)
	}
	sealed.ID.Name = "other"
	if err := details.Complete(&sealed); !errors.Is(err, core.ErrCorrupt) {
		t.Errorf("those of another backup: %v", err)
	}
}

func FuzzDecodeDetails(f *testing.F) {
	f.Add(must(archive.EncodeDetails(archive.Details{ID: backupID, Backup: json.RawMessage(`{}`)}))(f))
	f.Fuzz(func(t *testing.T, content []byte) {
		details, err := archive.DecodeDetails(bytes.NewReader(content))
		if err != nil {
			checkRefusal(t, err)
			return
		}
		if _, err := archive.EncodeDetails(details); err != nil {
			t.Errorf("read, and cannot be written: %v", err)
		}
	})
}

// FuzzSealedManifest signs what it gets, so that the fuzzer comes past the signature.
func FuzzSealedManifest(f *testing.F) {
	key := newSigningKey(f)
	body, _, _ := strings.Cut(string(must(archive.SealManifest(newSealedManifest(), key))(f)), "\n")
	f.Add(body)
	f.Fuzz(func(t *testing.T, body string) {
		digest := string(archive.DigestOf([]byte(body)))
		content := fmt.Sprintf("%s\n{\"digest\":%q,\"signer\":%q,\"signature\":%q}\n", body, digest, key.Signer(),
			key.Sign(sealing.PurposeManifest, digest))
		manifest, err := archive.DecodeManifest(strings.NewReader(content))
		if err != nil {
			checkRefusal(t, err)
			return
		}
		if manifest.Signer != key.Signer() || manifest.Encryption.IsZero() || len(manifest.Backup) > 0 {
			t.Errorf("%+v", manifest)
		}
	})
}

func TestSignedCheckpoint(t *testing.T) {
	key := newSigningKey(t)
	builder := must(archive.NewIndexBuilder(0))(t)
	if err := builder.Begin(configMaps, "77"); err != nil {
		t.Fatal(err)
	}
	var target bytes.Buffer
	head := archive.Checkpoint{
		Backup: backupID, Attempt: attempt, Key: key,
		Kinds: []archive.CheckpointKind{{IndexedKind: archive.IndexedKind{Kind: configMaps}}},
	}
	if err := builder.WriteCheckpoint(&target, head); err != nil {
		t.Fatal(err)
	}
	read := func(signer sealing.Signer) error {
		reader, err := archive.NewCheckpointReader(bytes.NewReader(target.Bytes()), signer)
		if err != nil {
			return err
		}
		defer reader.Close()
		for _, err := range reader.Records() {
			if err != nil {
				return err
			}
		}
		return nil
	}
	if err := read(key.Signer()); err != nil {
		t.Error(err)
	}
	for name, signer := range map[string]sealing.Signer{"of another": newSigningKey(t).Signer(), "of nobody": ""} {
		if err := read(signer); !errors.Is(err, core.ErrCorrupt) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// buildAge builds the command line of the very module that encrypts.
func buildAge(t *testing.T) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "age")
	build := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-o", program, "filippo.io/age/cmd/age")
	build.Dir = "../../../tools"
	if output, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building age: %v\n%s", err, output)
	}
	return program
}

// TestAgeReadsASegment does what docs/encryption.md says, with the real programs: the identity of a person opens the key of
// the epoch, and that one the segments.
func TestAgeReadsASegment(t *testing.T) {
	program := buildAge(t)
	classical, hybrid := must(age.GenerateX25519Identity())(t), must(age.GenerateHybridIdentity())(t)
	key := must(sealing.NewKey())(t)
	store := newMemoryStore()
	objects := []core.Object{newObject(configMaps, "shop", "large", 2<<20)}
	for i := range 3000 {
		objects = append(objects, newObject(deploys, "shop", fmt.Sprintf("web-%05d", i), 3000))
	}
	records, files := packAll(t, store, objects, archive.PackerOptions{Seal: key.Epoch().Seal, SegmentSize: 1 << 18})
	if len(files) < 2 {
		t.Fatalf("%d segments", len(files))
	}
	folder := t.TempDir()
	for name, secret := range map[string]string{"classical": classical.String(), "hybrid": hybrid.String()} {
		identity := must(sealing.ParseIdentities([]byte(secret)))(t)[0]
		wrapped := must(key.Wrap(identity.Recipient()))(t)
		for file, content := range map[string][]byte{
			name + ".txt": []byte(secret + "\n"), name + ".age": wrapped, "segment": store.files[files[len(files)-1].Name],
		} {
			must(0, os.WriteFile(filepath.Join(folder, file), content, 0o600))(t)
		}
		listed := shell(t, folder, fmt.Sprintf("%[1]s -d -i %[2]s.txt %[2]s.age > %[2]s.key; %[1]s -d -i %[2]s.key segment | zstd -dc | tar t",
			program, name), "zstd", "tar")
		if !strings.Contains(listed, "apps/v1/deployments/shop/web-0") {
			t.Errorf("%s: %s", name, listed[:min(len(listed), 200)])
		}
	}
	for _, file := range files {
		if file.Size > archive.MaxSegmentSize || file != (archive.File{
			Name: file.Name, Size: int64(len(store.files[file.Name])), Digest: archive.DigestOf(store.files[file.Name]),
		}) {
			t.Errorf("%+v is not what lies there", file)
		}
	}
	for group := range archive.ByFrame(records) {
		content := store.files[group[0].Frame.Segment]
		plain, _ := must2(t)(key.OpenAt(bytes.NewReader(content), int64(len(content))))
		frame := make([]byte, group[0].Frame.Length)
		if _, err := plain.ReadAt(frame, group[0].Frame.Offset); err != nil && !errors.Is(err, io.EOF) {
			t.Fatal(err)
		}
		if err := archive.ReadFrame(frame, group, func(archive.Record, []byte) error { return nil }); err != nil {
			t.Fatal(err)
		}
	}
}

// must2 is must for two values.
func must2(t *testing.T) func(plain io.ReaderAt, size int64, err error) (io.ReaderAt, int64) {
	t.Helper()
	return func(plain io.ReaderAt, size int64, err error) (io.ReaderAt, int64) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return plain, size
	}
}

// TestOpenSSLChecksTheSignature does what docs/encryption.md says.
func TestOpenSSLChecksTheSignature(t *testing.T) {
	page := string(must(os.ReadFile("../../../docs/encryption.md"))(t))
	_, rest, _ := strings.Cut(page, "To check a signature with openssl:")
	_, rest, _ = strings.Cut(rest, "```\n")
	lines, _, found := strings.Cut(rest, "```")
	if !found {
		t.Fatal("the page does not say how")
	}
	folder := t.TempDir()
	content := must(archive.SealManifest(newSealedManifest(), newSigningKey(t)))(t)
	must(0, os.WriteFile(filepath.Join(folder, "manifest.json"), content, 0o600))(t)
	if said := shell(t, folder, lines, "jq", "openssl", "base64"); !strings.Contains(said, "Verified Successfully") {
		t.Errorf("openssl says %q", said)
	}
}
