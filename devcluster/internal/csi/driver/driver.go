// Package driver speaks CSI for a storage system of package storage: the
// controller's side on the machine, and the node's side in every node.
//
// There are two drivers, so that tests have several: Local, whose volumes are
// each of one node, and Shared, whose volumes are everywhere.
package driver

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/soda-cdm/kahu/devcluster/internal/csi/storage"
)

// Kind is one of the drivers.
type Kind struct {
	// Name is the short one, of files and classes; Driver is the one by which Kubernetes knows it.
	Name, Driver string
	// Pinned says that a volume belongs to a node, where there are nodes.
	Pinned bool
	// Changes is the port where clients are told which blocks have changed, of
	// the cluster's network if it has one of its own.
	Changes int
}

// Kinds gives both.
func Kinds() []Kind {
	return []Kind{
		{Name: "local", Driver: "local.csi.devcluster", Pinned: true, Changes: 9601},
		{Name: "shared", Driver: "shared.csi.devcluster", Changes: 9602},
	}
}

// NodeKey is the topology key whose value is the name of a node.
const NodeKey = "csi.devcluster/node"

// Version is what the drivers say of themselves.
const Version = "1.0.0"

// Driver serves one kind.
type Driver struct {
	csi.UnimplementedIdentityServer
	csi.UnimplementedControllerServer
	csi.UnimplementedGroupControllerServer
	csi.UnimplementedNodeServer
	csi.UnimplementedSnapshotMetadataServer

	Kind   Kind
	System *storage.System
	// Nodes says that the cluster has nodes.
	Nodes bool
	// Node is the name of the node that this serves; empty for the controller's side.
	Node string
}

// Serve answers on a socket until the context ends.
func (d *Driver) Serve(ctx context.Context, socket string) error {
	server := grpc.NewServer()
	csi.RegisterIdentityServer(server, d)
	csi.RegisterControllerServer(server, d)
	csi.RegisterGroupControllerServer(server, d)
	csi.RegisterSnapshotMetadataServer(server, d)
	if d.Node != "" {
		csi.RegisterNodeServer(server, d)
	}
	return serve(ctx, server, socket)
}

func serve(ctx context.Context, server *grpc.Server, socket string) error {
	if err := os.MkdirAll(filepath.Dir(socket), 0o750); err != nil {
		return fmt.Errorf("making the folder of a socket: %w", err)
	}
	if err := os.Remove(socket); err != nil && !errors.Is(err, fs.ErrNotExist) { // of an earlier life
		return fmt.Errorf("removing an old socket: %w", err)
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "unix", socket)
	if err != nil {
		return fmt.Errorf("listening: %w", err)
	}
	defer context.AfterFunc(ctx, server.Stop)()
	return server.Serve(listener)
}

// failure gives an error its code.
func failure(err error) error {
	if err == nil {
		return nil
	}
	code := codes.Internal
	for class, its := range map[error]codes.Code{
		storage.ErrNotFound:      codes.NotFound,
		storage.ErrExists:        codes.AlreadyExists,
		storage.ErrRange:         codes.OutOfRange,
		storage.ErrNotReady:      codes.Unavailable,
		storage.ErrPending:       codes.Aborted,
		storage.ErrRefused:       codes.FailedPrecondition,
		context.Canceled:         codes.Canceled,
		context.DeadlineExceeded: codes.DeadlineExceeded,
	} {
		if errors.Is(err, class) {
			code = its
		}
	}
	return status.Error(code, err.Error())
}

func missing(what string) error {
	return status.Error(codes.InvalidArgument, what+" is missing")
}
