package engine_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/soda-cdm/kahu/internal/core/damage"
	"github.com/soda-cdm/kahu/internal/core/seal"
	"github.com/soda-cdm/kahu/internal/engine"
	"github.com/soda-cdm/kahu/internal/testkit/world"
)

// The golden files are a whole encrypted location, with manifests of format version 2, and beside it the identity that
// opens it and the signer. They are read for ever, and were written once; newer ones are in test/golden.
const (
	goldenLocation = "testdata/v2/location"
	goldenIdentity = "testdata/v2/identity.txt"
	goldenSigner   = "testdata/v2/signer.txt"
)

func TestGoldenEncryptedLocation(t *testing.T) {
	content, err := os.ReadFile(goldenIdentity)
	if err != nil {
		t.Fatal(err)
	}
	identities, err := seal.ParseIdentities(content)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := os.ReadFile(goldenSigner)
	if err != nil {
		t.Fatal(err)
	}
	w := world.NewSealed(t, world.NewIdentity(t))
	err = filepath.WalkDir(goldenLocation, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		file, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		name, err := filepath.Rel(goldenLocation, path)
		w.Put(filepath.ToSlash(name), string(file))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if found := w.Verify("golden", damage.Sample{}, identities[0]); found.Objects != 7 || found.DamagedTotal > 0 || found.Sealed != nil {
		t.Errorf("%+v", found)
	}
	trust := engine.Trust{Required: true, Signers: []seal.Signer{seal.Signer(strings.TrimSpace(string(signer)))}}
	_, result, err := w.RestoreSealed("golden", trust, identities[0])
	if err != nil || result.Counts.Created != 7 {
		t.Errorf("%+v, %v", result, err)
	}
}
