package backup_test

import (
	"context"
	"strings"
	"testing"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/selection"
	"github.com/soda-cdm/kahu/internal/core/volumeplan"
	"github.com/soda-cdm/kahu/internal/testkit/world"
)

// vanishing says of every claim that it was deleted since it was copied.
type vanishing struct{ volumes }

func (*vanishing) Look(_ context.Context, claims []core.Key) (volumeplan.Facts, error) {
	facts := volumeplan.Facts{}
	for _, key := range claims {
		facts.Claims = append(facts.Claims, volumeplan.Claim{Namespace: key.Namespace, Name: key.Name, Gone: true})
	}
	return facts, nil
}

// TestBoundClaimThatWasDeleted: a bound claim whose object is in the backup and whose data is not is missing, or warned of.
func TestBoundClaimThatWasDeleted(t *testing.T) {
	w := world.New(t)
	w.Volumes = &vanishing{}
	w.Shop()
	w.Cluster.Put(t, world.Claims, "shop", "data", `{"spec":{"volumeName":"pv"},"status":{"phase":"Bound"}}`)
	result, err := w.Backup("one", selection.Filters{})
	if err != nil {
		t.Fatal(err)
	}
	if result.Manifest.Complete && !strings.Contains(strings.Join(result.Warnings, "\n"), "shop/data") {
		t.Errorf("the claim is in the backup, bound; its data is not; and the backup is Completed without a word: %v", result.Warnings)
	}
}
