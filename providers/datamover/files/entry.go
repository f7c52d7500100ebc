package files

import (
	"os"
	"time"

	"github.com/kopia/kopia/fs"
	"golang.org/x/sys/unix"
)

// entry is what the kernel says of an entry, as the repository asks for it.
type entry struct {
	name string // As it is stored.
	stat unix.Stat_t
}

// Name implements os.FileInfo.
func (e *entry) Name() string { return e.name }

// Size implements os.FileInfo.
func (e *entry) Size() int64 { return e.stat.Size }

// ModTime implements os.FileInfo.
func (e *entry) ModTime() time.Time { return time.Unix(e.stat.Mtim.Unix()).UTC() }

// IsDir implements os.FileInfo.
func (e *entry) IsDir() bool { return e.Mode().IsDir() }

// Sys implements os.FileInfo.
func (*entry) Sys() any { return nil }

// Owner implements fs.Entry.
func (e *entry) Owner() fs.OwnerInfo { return fs.OwnerInfo{UserID: e.stat.Uid, GroupID: e.stat.Gid} }

// Device implements fs.Entry.
func (e *entry) Device() fs.DeviceInfo { return fs.DeviceInfo{Dev: e.stat.Dev, Rdev: e.stat.Rdev} }

// LocalFilesystemPath implements fs.Entry. Nobody is to go around the tree.
func (*entry) LocalFilesystemPath() string { return "" }

// Close implements fs.Entry.
func (*entry) Close() {}

// Mode implements os.FileInfo.
func (e *entry) Mode() os.FileMode {
	mode := os.FileMode(e.stat.Mode & uint32(os.ModePerm))
	mode |= os.FileMode(e.stat.Mode&unix.S_ISUID) / unix.S_ISUID * os.ModeSetuid
	mode |= os.FileMode(e.stat.Mode&unix.S_ISGID) / unix.S_ISGID * os.ModeSetgid
	mode |= os.FileMode(e.stat.Mode&unix.S_ISVTX) / unix.S_ISVTX * os.ModeSticky
	switch e.stat.Mode & unix.S_IFMT {
	case unix.S_IFDIR:
		mode |= os.ModeDir
	case unix.S_IFLNK:
		mode |= os.ModeSymlink
	case unix.S_IFIFO:
		mode |= os.ModeNamedPipe
	case unix.S_IFSOCK:
		mode |= os.ModeSocket
	case unix.S_IFBLK:
		mode |= os.ModeDevice
	case unix.S_IFCHR:
		mode |= os.ModeDevice | os.ModeCharDevice
	}
	return mode
}

// kind returns what a special entry is, or nothing.
func (e *entry) kind() special {
	switch e.stat.Mode & unix.S_IFMT {
	case unix.S_IFIFO:
		return pipe
	case unix.S_IFSOCK:
		return socket
	case unix.S_IFBLK:
		return blockDevice
	case unix.S_IFCHR:
		return characterDevice
	default:
		return ""
	}
}

// hasHoles tells that a file takes less of the disk than its length.
func (e *entry) hasHoles() bool {
	const unit = 512 // In which the kernel counts.
	return e.stat.Mode&unix.S_IFMT == unix.S_IFREG && e.stat.Blocks*unit < e.stat.Size
}
