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
		ginkgo.Describe(each, func() { sanity.GinkgoTest(config(t, folder, each)) })
	}
	gomega.RegisterFailHandler(ginkgo.Fail)
	ginkgo.RunSpecs(t, "CSI", suite, reporter)
}

// config serves a driver of its own, and says where.
func config(t *testing.T, folder, access string) *sanity.TestConfig {
	t.Helper()
	folder = filepath.Join(folder, access)
	system := &storage.System{Folder: filepath.Join(folder, "storage"), Clock: clock.RealClock{}, Devices: os.Geteuid() == 0}
	if err := system.Open(); err != nil {
		t.Fatal(err)
	}
	kind := driver.Kinds()[0]
	serving := &driver.Driver{Kind: kind, System: system, Node: "node-1"}
	socket := filepath.Join(folder, "csi.sock")
	ended := make(chan error, 1)
	ctx, stop := context.WithCancel(t.Context())
	go func() { ended <- serving.Serve(ctx, socket) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(fmt.Errorf("serving %s: %w", access, err))
		}
	})
	made := sanity.NewTestConfig()
	made.Address = "unix://" + socket
	made.TargetPath, made.StagingPath = filepath.Join(folder, "target"), filepath.Join(folder, "staging")
	made.TestVolumeSize = 1 << 20
	made.TestVolumeAccessType = access
	made.IdempotentCount = 2
	return &made
}
