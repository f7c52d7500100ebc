package nfs3

import (
	"fmt"

	"github.com/soda-cdm/kahu/providers/nfs/internal/xdr"
)

// StatusError is why a server has not done what was asked (RFC 1813, section 2.6). It is an error.
type StatusError uint32

// The states that somebody decides by.
const (
	ErrPerm        StatusError = 1
	ErrNoEnt       StatusError = 2
	ErrIO          StatusError = 5
	ErrNXIO        StatusError = 6
	ErrAccess      StatusError = 13
	ErrExist       StatusError = 17
	ErrXDev        StatusError = 18
	ErrNoDev       StatusError = 19
	ErrNotDir      StatusError = 20
	ErrIsDir       StatusError = 21
	ErrInval       StatusError = 22
	ErrFBig        StatusError = 27
	ErrNoSpace     StatusError = 28
	ErrReadOnly    StatusError = 30
	ErrMLink       StatusError = 31
	ErrNameTooLong StatusError = 63
	ErrNotEmpty    StatusError = 66
	ErrDQuota      StatusError = 69
	ErrStale       StatusError = 70
	ErrBadHandle   StatusError = 10001
	ErrBadCookie   StatusError = 10003
	ErrNotSupp     StatusError = 10004
	ErrServerFault StatusError = 10006
	ErrJukebox     StatusError = 10008
)

// Error implements error.
func (s StatusError) Error() string {
	names := map[StatusError]string{
		ErrPerm: "not the owner", ErrNoEnt: "no such file or folder", ErrIO: "input or output failed",
		ErrNXIO: "no such device", ErrAccess: "permission denied", ErrExist: "it exists",
		ErrXDev: "another file system", ErrNoDev: "no such device", ErrNotDir: "it is no folder",
		ErrIsDir: "it is a folder", ErrInval: "an argument is not valid", ErrFBig: "the file is too large",
		ErrNoSpace: "no space is left", ErrReadOnly: "the file system is read-only", ErrMLink: "too many links",
		ErrNameTooLong: "the name is too long", ErrNotEmpty: "the folder is not empty", ErrDQuota: "the quota is used up",
		ErrStale: "the file or folder is gone", ErrBadHandle: "the file handle is not valid",
		ErrBadCookie: "the place in the folder is not valid", ErrNotSupp: "the server cannot do this",
		ErrServerFault: "the server has a fault", ErrJukebox: "the server is not ready",
	}
	if name, known := names[s]; known {
		return "the NFS server says: " + name
	}
	return fmt.Sprintf("the NFS server says: state %d", uint32(s))
}

// MountError is why a server does not give out an export (RFC 1813, section 5.1.5). It is an error.
type MountError uint32

// The states that somebody decides by.
const (
	ErrMountPerm   MountError = 1
	ErrMountNoEnt  MountError = 2
	ErrMountAccess MountError = 13
	ErrMountNotDir MountError = 20
)

// Error implements error.
func (s MountError) Error() string {
	switch s {
	case ErrMountPerm, ErrMountAccess:
		return "the server does not let this client have the export"
	case ErrMountNoEnt:
		return "the server has no such export"
	case ErrMountNotDir:
		return "the export is no folder"
	default:
		return fmt.Sprintf("the server does not give out the export (state %d)", uint32(s))
	}
}

// Type is the type of a file.
type Type uint32

// The types that matter here.
const (
	TypeRegular Type = 1
	TypeFolder  Type = 2
	TypeLink    Type = 5
)

// maxHandleBytes limits a file handle.
const maxHandleBytes = 64

// Handle names a file or a folder at a server, for as long as it is there. It is opaque.
type Handle string

func encodeHandle(e *xdr.Encoder, handle Handle) { e.String(string(handle)) }

func decodeHandle(d *xdr.Decoder) Handle { return Handle(d.String(maxHandleBytes)) }

// decodeOptionalHandle returns an empty handle where there is none.
func decodeOptionalHandle(d *xdr.Decoder) Handle {
	if !d.Bool() {
		return ""
	}
	return decodeHandle(d)
}

// Time is a time by the clock of the server.
type Time struct{ Seconds, Nanoseconds uint32 }

// Attributes describe a file or folder.
type Attributes struct {
	Type     Type
	Size     uint64
	FSID     uint64
	FileID   uint64
	Modified Time
}

// IsSame tells whether both are of one file.
func (a Attributes) IsSame(other Attributes) bool {
	return a.FSID == other.FSID && a.FileID == other.FileID
}

func decodeAttributes(d *xdr.Decoder) Attributes {
	var a Attributes
	a.Type = Type(d.Uint32())
	for range 4 { // Mode, number of names, user and group.
		d.Uint32()
	}
	a.Size = d.Uint64()
	for range 2 { // Bytes that are used, and the number of a device.
		d.Uint64()
	}
	a.FSID = d.Uint64()
	a.FileID = d.Uint64()
	decodeTime(d) // When it was read.
	a.Modified = decodeTime(d)
	decodeTime(d) // When its attributes were changed.
	return a
}

func decodeTime(d *xdr.Decoder) Time { return Time{d.Uint32(), d.Uint32()} }

// decodeOptionalAttributes returns whether there are attributes, which a server may leave out.
func decodeOptionalAttributes(d *xdr.Decoder) (Attributes, bool) {
	if !d.Bool() {
		return Attributes{}, false
	}
	return decodeAttributes(d), true
}

// skipChange takes off what a server tells of a folder before and after a change.
func skipChange(d *xdr.Decoder) {
	if d.Bool() {
		d.Uint64() // Size.
		decodeTime(d)
		decodeTime(d)
	}
	decodeOptionalAttributes(d)
}
