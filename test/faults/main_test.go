// Package faults_test lets the store and the API server fail at random while backups, restores, verifications and
// deletions go on, and checks what must hold nevertheless.
//
// The manager and the sidecar are the real programs. They reach a real API server through a proxy that fails, and the
// filesystem driver, over gRPC, through a driver that does.
package faults_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/go-logr/logr"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"

	testcluster "github.com/soda-cdm/kahu/internal/testkit/cluster"
)

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
