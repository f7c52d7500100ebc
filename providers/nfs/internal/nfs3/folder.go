package nfs3

import (
	"context"
	"fmt"

	"github.com/soda-cdm/kahu/providers/nfs/internal/xdr"
)

// Entry is a name in a folder.
type Entry struct {
	Name string
	// File is what has the name. A server may leave out the handle, the attributes, or both.
	File      File
	Described bool
}

// Cookie is a place in a folder. The zero value is its beginning.
type Cookie struct {
	place    uint64
	verifier Verifier
}

const (
	// folderBytes is how much of a folder is read at once, with attributes; namesBytes is how much of that is names.
	folderBytes = 128 << 10
	namesBytes  = 32 << 10
	// maxNameBytes is more than any server has in a name.
	maxNameBytes = 1024
	// maxEntries is more than fit into one answer.
	maxEntries = 16 << 10
)

// ReadFolder returns some entries of a folder, and where to go on, unless that is the end. It returns neither
// "." nor "..". ErrBadCookie means that the folder has to be read again from its beginning.
func (c *Client) ReadFolder(ctx context.Context, folder Handle, from Cookie) (entries []Entry, next Cookie, err error) {
	reply, err := c.call(ctx, procedureReadDirPlus, func(e *xdr.Encoder) {
		encodeHandle(e, folder)
		e.Uint64(from.place)
		e.Fixed(from.verifier[:])
		e.Uint32(namesBytes)
		e.Uint32(folderBytes)
	})
	if err != nil {
		return nil, Cookie{}, err
	}
	decodeOptionalAttributes(reply)
	next = Cookie{place: from.place, verifier: decodeVerifier(reply)}
	count := 0
	for reply.Bool() {
		if count++; count > maxEntries {
			reply.Refuse("more entries than fit into an answer")
		}
		entry := decodeEntry(reply, &next.place)
		if entry.Name != "." && entry.Name != ".." {
			entries = append(entries, entry)
		}
	}
	isEnd := reply.Bool()
	if err := reply.Err(); err != nil {
		return nil, Cookie{}, err
	}
	if isEnd {
		return entries, Cookie{}, nil
	}
	if count == 0 || next.place == from.place {
		return nil, Cookie{}, fmt.Errorf("%w: a folder goes on without an entry", xdr.ErrMalformed)
	}
	return entries, next, nil
}

// IsEnd tells whether there is nothing more in the folder.
func (c Cookie) IsEnd() bool { return c == Cookie{} }

func decodeEntry(d *xdr.Decoder, place *uint64) Entry {
	var entry Entry
	d.Uint64() // The number of the file, which is among the attributes, too.
	entry.Name = d.String(maxNameBytes)
	*place = d.Uint64()
	entry.File.Attributes, entry.Described = decodeOptionalAttributes(d)
	entry.File.Handle = decodeOptionalHandle(d)
	return entry
}

// Describe completes an entry by asking for what the server has left out.
func (c *Client) Describe(ctx context.Context, folder Handle, entry Entry) (File, error) {
	if entry.File.Handle == "" {
		return c.Lookup(ctx, folder, entry.Name)
	}
	return c.describe(ctx, entry)
}
