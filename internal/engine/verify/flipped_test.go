package verify_test

import (
	"bytes"
	"testing"

	"github.com/soda-cdm/kahu/internal/engine"
	"github.com/soda-cdm/kahu/internal/testkit/world"
)

// TestVerifyFindsEveryFlippedBit: wherever in a segment a bit is flipped, that file is damaged, and its objects are whole or named.
func TestVerifyFindsEveryFlippedBit(t *testing.T) {
	w := world.New(t)
	w.Shop()
	w.BackupInParts()
	files := shelfOf(w)
	manifest, err := engine.ReadManifest(t.Context(), files, world.ID("one"))
	if err != nil {
		t.Fatal(err)
	}
	for _, segment := range manifest.Segments {
		for at := 0; at < len(files[segment.Name]); at += 5 {
			changed := bytes.Clone(files[segment.Name])
			changed[at] ^= 1
			result, err := verifyOne(t, files.with(segment.Name, changed))
			if err != nil || len(result.Damaged) != 1 || result.Damaged[0].File != segment.Name {
				t.Fatalf("byte %d of %s: %v, %+v", at, segment.Name, err, result)
			}
			if sum := result.Objects + result.DamagedObjects; sum != result.ObjectsTotal {
				t.Fatalf("byte %d of %s: %d of %d objects are whole or damaged", at, segment.Name, sum, result.ObjectsTotal)
			}
		}
	}
}
