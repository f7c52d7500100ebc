// Package nfs3 is a client of NFS version 3 and of its mount protocol (RFC 1813), from user space: it needs no kernel,
// no mount and no privilege. It has what a store of objects needs, and no locks.
//
// A Client is one export of one server. Its methods are the procedures of the protocol, with the limits that the
// server names in Limits. A procedure whose answer is lost is sent again, and the server may carry it out twice:
// whoever makes, moves, links or removes something has to take the second answer (it exists, it is gone) with care.
//
// It is our own because those that there are do not fit: what we found has no LINK, without which nothing can be
// created in one step, no contexts, and no bound on what it reads or on how long it tries.
package nfs3

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"sync"
	"time"

	"github.com/soda-cdm/kahu/providers/nfs/internal/rpc"
	"github.com/soda-cdm/kahu/providers/nfs/internal/xdr"
)

// The programs and their registered ports.
const (
	programPortMapper, versionPortMapper = 100000, 2
	programNFS, versionNFS               = 100003, 3
	programMount, versionMount           = 100005, 3

	portMapperPort = 111
	// DefaultPort is where a server listens if nothing else is said.
	DefaultPort = 2049
)

// Options say which export of which server, and who asks.
type Options struct {
	// Server is a host name or an address.
	Server string
	// Port is that of NFS. Required.
	Port uint16
	// MountPort is that of the mount protocol. Zero means: ask the port mapper of the server.
	MountPort uint16
	// Export is the path that the server exports.
	Export string
	// Credential says who asks.
	Credential rpc.Credential
	// Dial connects to the server. Required.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// Silence and Patience are those of rpc.Options. Required.
	Silence, Patience time.Duration
}

// Limits are what a server takes and gives at once.
type Limits struct {
	// ReadBytes and WriteBytes are how much is read and written at once.
	ReadBytes, WriteBytes uint32
}

// Export is the root of what a server exports.
type Export struct {
	Root   Handle
	Limits Limits
}

// Client calls a server.
type Client struct {
	options Options
	nfs     *rpc.Client

	mounting chan struct{} // Holds one value while somebody mounts.
	mu       sync.Mutex
	export   *Export // Nil until it is mounted.
}

// NewClient returns a client. It connects with the first call.
func NewClient(options Options) *Client {
	c := &Client{options: options, mounting: make(chan struct{}, 1)}
	c.nfs = c.client(options.Port)
	return c
}

// client returns a client of a port of the server.
func (c *Client) client(port uint16) *rpc.Client {
	return rpc.NewClient(rpc.Options{
		Address:    net.JoinHostPort(c.options.Server, strconv.Itoa(int(port))),
		Credential: c.options.Credential, Dial: c.options.Dial,
		Silence: c.options.Silence, Patience: c.options.Patience,
	})
}

// Disconnect closes the connection. A later call makes another one.
func (c *Client) Disconnect() { c.nfs.Disconnect() }

// Connections returns how many connections to the server were made so far.
func (c *Client) Connections() uint64 { return c.nfs.Connections() }

// Mount returns the export, which it asks the server for once. That needs no right at this machine: it is a call that
// returns a file handle.
func (c *Client) Mount(ctx context.Context) (Export, error) {
	select {
	case c.mounting <- struct{}{}:
		defer func() { <-c.mounting }()
	case <-ctx.Done():
		return Export{}, ctx.Err()
	}
	c.mu.Lock()
	export := c.export
	c.mu.Unlock()
	if export != nil {
		return *export, nil
	}
	root, err := c.mount(ctx)
	if err != nil {
		return Export{}, fmt.Errorf("mounting: %w", err)
	}
	limits, err := c.fsInfo(ctx, root)
	if err != nil {
		return Export{}, fmt.Errorf("asking for the limits of the server: %w", err)
	}
	export = &Export{Root: root, Limits: limits}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.export = export
	return *export, nil
}

// Forget lets the next Mount ask the server again, if the export is still the one that is meant.
func (c *Client) Forget(export Export) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.export != nil && c.export.Root == export.Root {
		c.export = nil
	}
}

// mount asks for the root of the export.
func (c *Client) mount(ctx context.Context) (Handle, error) {
	port := c.options.MountPort
	if port == 0 {
		found, err := c.mapPort(ctx)
		if err != nil {
			return "", fmt.Errorf("asking the port mapper: %w", err)
		}
		port = found
	}
	client := c.client(port)
	defer client.Disconnect()
	const procedureMount = 1
	reply, err := client.Call(ctx, rpc.Procedure{Program: programMount, Version: versionMount, Number: procedureMount},
		func(e *xdr.Encoder) { e.String(c.options.Export) })
	if err != nil {
		return "", err
	}
	if status := MountError(reply.Uint32()); status != 0 && reply.Err() == nil {
		return "", status
	}
	root := decodeHandle(reply)
	return root, reply.Err()
}

// ErrNoMountService means that the server has not registered the mount protocol over TCP.
var ErrNoMountService = errors.New("the server has no mount service of NFS version 3 over TCP")

// mapPort asks the port mapper (RFC 1833) where the mount protocol is.
func (c *Client) mapPort(ctx context.Context) (uint16, error) {
	client := c.client(portMapperPort)
	defer client.Disconnect()
	const procedureGetPort, protocolTCP = 3, 6
	reply, err := client.Call(ctx,
		rpc.Procedure{Program: programPortMapper, Version: versionPortMapper, Number: procedureGetPort},
		func(e *xdr.Encoder) {
			e.Uint32(programMount)
			e.Uint32(versionMount)
			e.Uint32(protocolTCP)
			e.Uint32(0)
		})
	if err != nil {
		return 0, err
	}
	port := reply.Uint32()
	if port > 1<<16-1 {
		reply.Refuse("a port has at most 16 bits")
	}
	if err := reply.Err(); err != nil {
		return 0, err
	}
	if port == 0 {
		return 0, ErrNoMountService
	}
	return uint16(port), nil //nolint:gosec // It was compared above.
}

// The procedures of NFS.
const (
	procedureGetAttr     = 1
	procedureLookup      = 3
	procedureRead        = 6
	procedureWrite       = 7
	procedureCreate      = 8
	procedureMkdir       = 9
	procedureRemove      = 12
	procedureRmdir       = 13
	procedureRename      = 14
	procedureLink        = 15
	procedureReadDirPlus = 17
	procedureFSInfo      = 19
	procedureCommit      = 21
)

// jukeboxPause is how long a client waits before it asks again a server that is not ready.
const jukeboxPause = 500 * time.Millisecond

// call calls a procedure of NFS and takes its status off the reply. A status is returned as the error, with the reply.
func (c *Client) call(ctx context.Context, procedure uint32, arguments func(*xdr.Encoder)) (*xdr.Decoder, error) {
	patient, cancel := context.WithTimeout(ctx, c.options.Patience)
	defer cancel()
	for {
		reply, err := c.nfs.Call(ctx, rpc.Procedure{Program: programNFS, Version: versionNFS, Number: procedure}, arguments)
		if err != nil {
			return nil, err
		}
		status := StatusError(reply.Uint32())
		if err := reply.Err(); err != nil {
			return nil, err
		}
		if status == ErrJukebox && Pause(patient) == nil {
			continue
		}
		if status != 0 {
			return reply, status
		}
		return reply, nil
	}
}

// Pause waits for as long as a server may take to become ready.
func Pause(ctx context.Context) error { return rpc.Pause(ctx, jukeboxPause) }
