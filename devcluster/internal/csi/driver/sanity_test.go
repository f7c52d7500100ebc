package driver_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/kubernetes-csi/csi-test/v5/pkg/sanity"
	"github.com/onsi/ginkgo/v2" //nolint:depguard // the suite of kubernetes-csi is written with it
	"github.com/onsi/gomega"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"k8s.io/utils/clock"

	"github.com/soda-cdm/kahu/devcluster/internal/csi/driver"
	"github.com/soda-cdm/kahu/devcluster/internal/csi/storage"
	"github.com/soda-cdm/kahu/devcluster/internal/loop"
)

// TestSanity runs the suite of kubernetes-csi, once for files and once for
// block devices. Its runner takes one suite in a process, so both are in it.
// What mounts is left out without root.
func TestSanity(t *testing.T) {
	folder := t.TempDir()
	t.Cleanup(func() {
		if err := loop.Detach(folder); err != nil {
			t.Error(err)
		}
	})
	access := []string{"mount"}
	suite, reporter := ginkgo.GinkgoConfiguration()
	if os.Geteuid() == 0 {
		access = append(access, "block")
	} else {
		t.Log("without root, the node's side and block devices are left out")
		suite.SkipStrings = append(suite.SkipStrings, "Node Service", "\\[Node")
	}
	for _, each := range access {
		ginkgo.Describe(each, func() { register(t, filepath.Join(folder, each), each) })
	}
	gomega.RegisterFailHandler(ginkgo.Fail)
	ginkgo.RunSpecs(t, "CSI", suite, reporter)
}

// register adds the tests of a driver of its own. The suite's own way to connect
// waits for a change of a connection that may be ready already, and then fails
// after a minute: so it gets a connection, and no address.
func register(t *testing.T, folder, access string) {
	t.Helper()
	socket := serve(t, folder)
	made := sanity.NewTestConfig()
	made.TargetPath, made.StagingPath = filepath.Join(folder, "target"), filepath.Join(folder, "staging")
	made.TestVolumeSize = 1 << 20
	made.TestVolumeAccessType = access
	made.IdempotentCount = 2
	connection, err := grpc.NewClient("unix://"+socket, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.WaitForReady(true)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := connection.Close(); err != nil {
			t.Error(err)
		}
	})
	sanity.GinkgoTest(&made).Conn = connection
}

// serve runs a driver until the end of the test, and returns its socket.
func serve(t *testing.T, folder string) string {
	t.Helper()
	system := &storage.System{Folder: filepath.Join(folder, "storage"), Clock: clock.RealClock{}, Devices: os.Geteuid() == 0}
	if err := system.Open(); err != nil {
		t.Fatal(err)
	}
	serving := &driver.Driver{Kind: driver.Kinds()[0], System: system, Node: "node-1"}
	socket := filepath.Join(folder, "csi.sock")
	ended := make(chan error, 1)
	ctx, stop := context.WithCancel(t.Context())
	go func() { ended <- serving.Serve(ctx, socket) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(fmt.Errorf("serving %s: %w", folder, err))
		}
	})
	return socket
}
