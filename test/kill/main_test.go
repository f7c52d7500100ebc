// Package kill_test kills the manager before and after every call that changes something, and stops one at each of them
// while another goes on in its place.
//
// The calls are those of an undisturbed run: requests to the API server that are no reads, and calls to the provider that
// write or remove. The test binary runs itself as the manager, assembled as the program is, with a transport and
// interceptors that end the process at a call. The provider and its sidecar are the real programs, and so is the API
// server.
package kill_test

import (
	"encoding/json"
	"fmt"
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

// managerRole is the first argument of the test binary when it is to be a manager; the second one is its role.
const managerRole = "be-a-manager"

// nodes is the environment variable that gives the cluster a node, which takes root: make e2e sets it.
const nodes = "KAHU_NODES"

func TestMain(m *testing.M) {
	if len(os.Args) == 3 && os.Args[1] == managerRole {
		var is role
		err := json.Unmarshal([]byte(os.Args[2]), &is)
		if err == nil {
			err = is.run()
		}
		fmt.Fprintln(os.Stderr, "manager:", err)
		os.Exit(1) //nolint:forbidigo // It is a main.
	}
	ctrl.SetLogger(logr.Discard())
	options := []testcluster.Option{testcluster.Setup(install)}
	if os.Getenv(nodes) != "" { //nolint:forbidigo // A test binary has no flags of its own.
		options = append(options, testcluster.Nodes(1))
	}
	os.Exit(testcluster.Main(m, options...)) //nolint:forbidigo // The exit code is that of Main.
}

func install(tb testing.TB, config *rest.Config) {
	tb.Helper()
	testcluster.InstallCRDs(tb, config, filepath.Join(top, "config", "crd"))
}
