package e2e_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/kubernetes-csi/external-snapshot-metadata/pkg/api"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"

	"github.com/soda-cdm/kahu/devcluster/internal/csi/storage"
)

// TestChangedBlocks asks, as a backup does, which blocks of a volume have changed
// between two snapshots: with a token, at the address that the cluster tells.
func TestChangedBlocks(t *testing.T) {
	const driver, block = "shared.csi.devcluster", storage.BlockBytes
	f := newFleet(t)
	c := f.up(t, "default", "--csi", "--node")
	c.apply(t, claim("disk", "shared", "Block", nil))
	c.must(t, "wait", "pvc/disk", "--for=jsonpath={.status.phase}=Bound", "--timeout=50s")
	disk := theDisk(t, c)
	scribble(t, disk, block)
	first := c.cut(t, "first")
	scribble(t, disk, 5*block)
	c.cut(t, "second")

	c.must(t, "create", "serviceaccount", "asker")
	c.must(t, "create", "clusterrolebinding", "asker", "--clusterrole=cluster-admin", "--serviceaccount=default:asker")
	client := c.asker(t, driver)
	token := c.must(t, "create", "token", "asker", "--audience="+driver)
	ctx, cancel := context.WithTimeout(t.Context(), endLimit)
	defer cancel()
	allocated, err := client.GetMetadataAllocated(ctx, &api.GetMetadataAllocatedRequest{
		SecurityToken: token, Namespace: "default", SnapshotName: "second",
	}, grpc.WaitForReady(true))
	if err != nil {
		t.Fatal(err)
	}
	wantRanges(t, "allocated", func() ([]*api.BlockMetadata, error) {
		message, err := allocated.Recv()
		return message.GetBlockMetadata(), err
	}, block, 5*block)
	changed, err := client.GetMetadataDelta(ctx, &api.GetMetadataDeltaRequest{
		SecurityToken: token, Namespace: "default", BaseSnapshotId: first, TargetSnapshotName: "second",
	})
	if err != nil {
		t.Fatal(err)
	}
	wantRanges(t, "changed", func() ([]*api.BlockMetadata, error) {
		message, err := changed.Recv()
		return message.GetBlockMetadata(), err
	}, 5*block)

	stranger, err := client.GetMetadataAllocated(ctx, &api.GetMetadataAllocatedRequest{
		SecurityToken: c.must(t, "create", "token", "asker"), Namespace: "default", SnapshotName: "second",
	})
	if err == nil {
		_, err = stranger.Recv()
	}
	if err == nil {
		t.Error("a token for somebody else is taken")
	}
}

// theDisk is the file of the only block volume.
func theDisk(t *testing.T, c cluster) string {
	t.Helper()
	system := &storage.System{Folder: filepath.Join(c.layout.Storage(), "shared")}
	volumes, err := system.Volumes()
	if err != nil || len(volumes) != 1 {
		t.Fatalf("there are %v, %v", volumes, err)
	}
	return system.Content(volumes[0])
}

func scribble(t *testing.T, disk string, at int64) {
	t.Helper()
	file, err := os.OpenFile(disk, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := file.WriteAt([]byte("something"), at); err != nil {
		t.Fatal(err)
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
}

// cut makes a snapshot of the disk and gives its handle.
func (c cluster) cut(t *testing.T, name string) string {
	t.Helper()
	c.apply(t, snapshot(name, "disk", "shared"))
	c.must(t, "wait", "volumesnapshot/"+name, "--for=jsonpath={.status.readyToUse}=true", "--timeout=50s")
	content := c.must(t, "get", "volumesnapshot", name, "-o", "jsonpath={.status.boundVolumeSnapshotContentName}")
	return c.must(t, "get", "volumesnapshotcontent", content, "-o", "jsonpath={.status.snapshotHandle}")
}

// asker is a client of what the cluster says about a driver.
func (c cluster) asker(t *testing.T, driver string) api.SnapshotMetadataClient { //nolint:ireturn // the generated client is one
	t.Helper()
	address := c.must(t, "get", "snapshotmetadataservice", driver, "-o", "jsonpath={.spec.address}")
	authority, err := base64.StdEncoding.DecodeString(c.must(t, "get", "snapshotmetadataservice", driver, "-o", "jsonpath={.spec.caCert}"))
	if err != nil {
		t.Fatal(err)
	}
	trusted := x509.NewCertPool()
	if !trusted.AppendCertsFromPEM(authority) {
		t.Fatalf("this is no certificate: %q", authority)
	}
	connection, err := grpc.NewClient(address, grpc.WithTransportCredentials(credentials.NewTLS(&tls.Config{RootCAs: trusted, MinVersion: tls.VersionTLS12})))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = connection.Close() })
	return api.NewSnapshotMetadataClient(connection)
}

// wantRanges wants ranges of one block each, at these places.
func wantRanges(t *testing.T, what string, next func() ([]*api.BlockMetadata, error), places ...int64) {
	t.Helper()
	var got []int64
	for {
		some, err := next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		for _, one := range some {
			got = append(got, one.GetByteOffset())
			if one.GetSizeBytes() != storage.BlockBytes {
				t.Errorf("%s: at %d there are %d bytes", what, one.GetByteOffset(), one.GetSizeBytes())
			}
		}
	}
	if !slices.Equal(got, places) {
		t.Errorf("%s: at %v, want %v", what, got, places)
	}
}
