package nfs3

import (
	"context"
	"errors"
	"fmt"

	"github.com/soda-cdm/kahu/providers/nfs/internal/xdr"
)

// File is a file or folder, and what it is like.
type File struct {
	Handle     Handle
	Attributes Attributes
}

const (
	folderMode = 0o700
	fileMode   = 0o600
	// maxIOBytes is how much is read or written at once of a server that takes more.
	maxIOBytes = 256 << 10
	minIOBytes = 512
)

// GetAttr describes a file or folder.
func (c *Client) GetAttr(ctx context.Context, handle Handle) (Attributes, error) {
	reply, err := c.call(ctx, procedureGetAttr, func(e *xdr.Encoder) { encodeHandle(e, handle) })
	if err != nil {
		return Attributes{}, err
	}
	attributes := decodeAttributes(reply)
	return attributes, reply.Err()
}

// Lookup finds a name in a folder. Links are not followed.
func (c *Client) Lookup(ctx context.Context, folder Handle, name string) (File, error) {
	reply, err := c.call(ctx, procedureLookup, func(e *xdr.Encoder) { encodeName(e, folder, name) })
	if err != nil {
		return File{}, err
	}
	handle := decodeHandle(reply)
	attributes, described := decodeOptionalAttributes(reply)
	if err := reply.Err(); err != nil {
		return File{}, err
	}
	return c.describe(ctx, Entry{File: File{handle, attributes}, Described: described})
}

// describe asks for attributes that a server has left out.
func (c *Client) describe(ctx context.Context, entry Entry) (File, error) {
	if entry.Described {
		return entry.File, nil
	}
	attributes, err := c.GetAttr(ctx, entry.File.Handle)
	return File{entry.File.Handle, attributes}, err
}

func encodeName(e *xdr.Encoder, folder Handle, name string) {
	encodeHandle(e, folder)
	e.String(name)
}

// Read reads a part of a file, at most count bytes. Fewer, also none, need not mean that the file ends there; end tells
// whether it does.
func (c *Client) Read(ctx context.Context, file Handle, offset uint64, count uint32) (data []byte, end bool, err error) {
	reply, err := c.call(ctx, procedureRead, func(e *xdr.Encoder) {
		encodeHandle(e, file)
		e.Uint64(offset)
		e.Uint32(count)
	})
	if err != nil {
		return nil, false, err
	}
	decodeOptionalAttributes(reply)
	length := reply.Uint32()
	end = reply.Bool()
	data = reply.Opaque(int(count))
	if int64(length) != int64(len(data)) {
		reply.Refuse("the data are not as many bytes as are said")
	}
	return data, end, reply.Err()
}

// Stability is how durable data are.
type Stability uint32

// The three stages: in the memory of the server until a Commit; the data durable; everything durable.
const (
	Unstable Stability = 0
	DataSync Stability = 1
	FileSync Stability = 2
)

// Verifier changes when a server starts: what was unstable before may be lost.
type Verifier [8]byte

// Written is what a server says of data that were written.
type Written struct {
	// Count is how many bytes it took, at least one.
	Count    uint32
	Stable   Stability
	Verifier Verifier
}

// Write writes a part of a file.
func (c *Client) Write(ctx context.Context, file Handle, offset uint64, data []byte, stability Stability) (Written, error) {
	count := uint32(len(data)) //nolint:gosec // No caller has more than a few hundred KiB.
	reply, err := c.call(ctx, procedureWrite, func(e *xdr.Encoder) {
		encodeHandle(e, file)
		e.Uint64(offset)
		e.Uint32(count)
		e.Uint32(uint32(stability))
		e.Opaque(data)
	})
	if err != nil {
		return Written{}, err
	}
	skipChange(reply)
	written := Written{Count: reply.Uint32(), Stable: Stability(reply.Uint32())}
	written.Verifier = decodeVerifier(reply)
	if written.Count > count || written.Count == 0 && count > 0 {
		reply.Refuse(fmt.Sprintf("%d bytes of %d were written", written.Count, count))
	}
	return written, reply.Err()
}

// Commit makes all of a file durable that was written under the verifier that it returns.
func (c *Client) Commit(ctx context.Context, file Handle) (Verifier, error) {
	reply, err := c.call(ctx, procedureCommit, func(e *xdr.Encoder) {
		encodeHandle(e, file)
		e.Uint64(0)
		e.Uint32(0) // To the end.
	})
	if err != nil {
		return Verifier{}, err
	}
	skipChange(reply)
	verifier := decodeVerifier(reply)
	return verifier, reply.Err()
}

func decodeVerifier(d *xdr.Decoder) Verifier {
	var verifier Verifier
	copy(verifier[:], d.Fixed(len(verifier)))
	return verifier
}

// Create makes an empty file, or returns the one that is there. It does not empty that: a call that arrives twice, and
// late, must do no harm.
func (c *Client) Create(ctx context.Context, folder Handle, name string) (File, error) {
	const unchecked = 0
	return c.make(ctx, procedureCreate, folder, name, func(e *xdr.Encoder) {
		e.Uint32(unchecked)
		encodeMode(e, fileMode)
	})
}

// Mkdir makes a folder.
func (c *Client) Mkdir(ctx context.Context, folder Handle, name string) (File, error) {
	return c.make(ctx, procedureMkdir, folder, name, func(e *xdr.Encoder) { encodeMode(e, folderMode) })
}

// encodeMode sets the mode of what is made, and leaves everything else to the server.
func encodeMode(e *xdr.Encoder, mode uint32) {
	e.Bool(true)
	e.Uint32(mode)
	for range 3 { // User, group and size.
		e.Bool(false)
	}
	for range 2 { // The times.
		e.Uint32(0)
	}
}

// make makes something in a folder.
func (c *Client) make(
	ctx context.Context, procedure uint32, folder Handle, name string, what func(*xdr.Encoder),
) (File, error) {
	reply, err := c.call(ctx, procedure, func(e *xdr.Encoder) {
		encodeName(e, folder, name)
		what(e)
	})
	if err != nil {
		return File{}, err
	}
	handle := decodeOptionalHandle(reply)
	attributes, described := decodeOptionalAttributes(reply)
	if err := reply.Err(); err != nil {
		return File{}, err
	}
	if handle == "" {
		return c.Lookup(ctx, folder, name)
	}
	return c.describe(ctx, Entry{File: File{handle, attributes}, Described: described})
}

// Remove removes a name that is no folder.
func (c *Client) Remove(ctx context.Context, folder Handle, name string) error {
	_, err := c.call(ctx, procedureRemove, func(e *xdr.Encoder) { encodeName(e, folder, name) })
	return err
}

// Rmdir removes a folder that is empty.
func (c *Client) Rmdir(ctx context.Context, folder Handle, name string) error {
	_, err := c.call(ctx, procedureRmdir, func(e *xdr.Encoder) { encodeName(e, folder, name) })
	return err
}

// Place is a name in a folder.
type Place struct {
	Folder Handle
	Name   string
}

// Rename moves a name, in place of what is there.
func (c *Client) Rename(ctx context.Context, from, to Place) error {
	_, err := c.call(ctx, procedureRename, func(e *xdr.Encoder) {
		encodeName(e, from.Folder, from.Name)
		encodeName(e, to.Folder, to.Name)
	})
	return err
}

// Link gives a file a further name, where nothing is.
func (c *Client) Link(ctx context.Context, file Handle, to Place) error {
	_, err := c.call(ctx, procedureLink, func(e *xdr.Encoder) {
		encodeHandle(e, file)
		encodeName(e, to.Folder, to.Name)
	})
	return err
}

// fsInfo asks what the server takes at once.
func (c *Client) fsInfo(ctx context.Context, root Handle) (Limits, error) {
	reply, err := c.call(ctx, procedureFSInfo, func(e *xdr.Encoder) { encodeHandle(e, root) })
	if err != nil {
		return Limits{}, err
	}
	decodeOptionalAttributes(reply)
	readMost := reply.Uint32()
	reply.Uint32() // What it prefers to read,
	reply.Uint32() // and in multiples of what.
	writeMost := reply.Uint32()
	reply.Uint32()
	// What follows are preferences, which are for others to have.
	limits := Limits{ReadBytes: min(readMost, maxIOBytes), WriteBytes: min(writeMost, maxIOBytes)}
	if err := reply.Err(); err != nil {
		return Limits{}, err
	}
	if limits.ReadBytes < minIOBytes || limits.WriteBytes < minIOBytes {
		return Limits{}, errors.New("the server takes less than 512 bytes at once")
	}
	return limits, nil
}
