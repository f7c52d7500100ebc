// Package recover_test brings a lost cluster back with the one command that there is for it: from a store that nobody may
// write to, and with a process that is killed again and again.
package recover_test

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
	// settings is how many config maps the application has.
	settings = 400
)

func TestMain(m *testing.M) {
	ctrl.SetLogger(logr.Discard())
	os.Exit(testcluster.Main(m)) //nolint:forbidigo // The exit code is that of Main.
}
