package restore

import (
	"context"

	"github.com/soda-cdm/kahu/internal/core/volumework"
)

// Volumes has providers make volumes from their backups.
type Volumes interface {
	// Away returns why volumes of that provider cannot be restored now; empty where they can.
	Away(ctx context.Context, provider string) (string, error)
	// Make orders a volume and returns what its claim is created with, as soon as the provider says so. What an earlier
	// attempt has ordered is not ordered again.
	Make(ctx context.Context, run volumework.Run, order volumework.RestoreOrder) (volumework.Made, error)
	// Await waits until the orders of the run are over, and returns why those failed that did, by the namespace and name of
	// their claims. What only waits for a pod that uses the claim is over as far as the restore can tell.
	Await(ctx context.Context, run volumework.Run) (map[string]string, error)
}
