// Package canary_test runs the whole line of real processes over a real S3 server and a real API server, lets everything go well
// and wrong that can, and then looks for secrets in all that anybody can read: what the processes log at the highest verbosity,
// events, objects with their status, metrics, profiles, what the command line prints, and what lies at the location in the clear.
package canary_test

import (
	"os"
	"testing"
	"time"

	"github.com/go-logr/logr"
	ctrl "sigs.k8s.io/controller-runtime"

	testcluster "github.com/soda-cdm/kahu/internal/testkit/cluster"
)

const (
	// waitLimit bounds every wait, for a busy machine.
	waitLimit = 2 * time.Minute
	// top is the top of the repository, from here.
	top = "../.."
	// own is Kahu's namespace.
	own = "kahu-system"
)

func TestMain(m *testing.M) {
	ctrl.SetLogger(logr.Discard())
	os.Exit(testcluster.Main(m)) //nolint:forbidigo // The exit code is that of Main.
}
