// Package binary finds the devcluster that is tested.
package binary

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// Find returns the path of the one that KAHU_DEVCLUSTER names, or of that of
// these sources: building it costs a second when it is current. It is for the
// tests that stand in a folder of devcluster.
func Find(ctx context.Context) (string, error) {
	if named := os.Getenv("KAHU_DEVCLUSTER"); named != "" { //nolint:forbidigo // tests have no flags of their own
		return named, nil
	}
	path, err := filepath.Abs("../../bin/devcluster")
	if err != nil {
		return "", err
	}
	if out, err := exec.CommandContext(ctx, "../build.sh", path).CombinedOutput(); err != nil { //nolint:gosec // the path is ours
		return "", fmt.Errorf("building devcluster: %w\n%s", err, out)
	}
	return path, nil
}
