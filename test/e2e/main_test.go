// Package e2e_test uses the product as its users do: through objects in a real API server, with the store looked at
// from the side.
//
// Most tests run the controllers inside the test binary over a store in memory, where faults can be injected. Those
// about processes run bin/kahu and bin/kahu-provider-filesystem.
package e2e_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"

	testcluster "github.com/soda-cdm/kahu/internal/testkit/cluster"
)

// waitLimit bounds every wait, for a busy machine.
const waitLimit = 2 * time.Minute

// top is the top of the repository, from here.
const top = "../.."

func TestMain(m *testing.M) {
	ctrl.SetLogger(logr.Discard())
	os.Exit(testcluster.Main(m, testcluster.Setup(install))) //nolint:forbidigo // The exit code is that of Main.
}

func install(tb testing.TB, config *rest.Config) {
	tb.Helper()
	testcluster.InstallCRDs(tb, config, filepath.Join(top, "config", "crd"))
}
