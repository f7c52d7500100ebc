package files

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/kopia/kopia/fs"
	"github.com/kopia/kopia/snapshot"
	"github.com/kopia/kopia/snapshot/restore"
	"golang.org/x/sys/unix"
)

// Target is a folder into which a tree is written. What is in the way of an entry is replaced, and all else there stays. Nothing
// outside of the folder is reached.
type Target struct {
	root *os.Root

	mutex   sync.Mutex
	folders map[string]map[string]attributes // Those under way, by path.
	links   map[string]*linked
	lost    []string
	count   int
}

// linked is a file that has several names.
type linked struct {
	made sync.Mutex
	path string
}

// Into returns a target. It is to be closed.
func Into(folder string) (*Target, error) {
	root, err := os.OpenRoot(folder)
	if err != nil {
		return nil, fmt.Errorf("opening the volume: %w", err)
	}
	return &Target{root: root, folders: map[string]map[string]attributes{}, links: map[string]*linked{}}, nil
}

// Lost returns how many entries could not be written as they were, and what is wrong with the first of them.
func (t *Target) Lost() (int, []string) {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	return t.count, slices.Clone(t.lost)
}

// loses keeps what is wrong with an entry. What is wrong with the whole volume is returned, and ends the restore.
func (t *Target) loses(at string, err error) error {
	for _, fatal := range []error{
		unix.ENOSPC, unix.EDQUOT, unix.EIO, unix.EROFS, context.Canceled, context.DeadlineExceeded, errContent,
	} {
		if errors.Is(err, fatal) {
			return fmt.Errorf("%s: %w", at, err)
		}
	}
	if err == nil {
		return nil
	}
	t.mutex.Lock()
	defer t.mutex.Unlock()
	if t.count++; len(t.lost) < MaxNamed {
		t.lost = append(t.lost, at+": "+err.Error())
	}
	return nil
}

// errContent is wrapped by errors of what is read from the repository.
var errContent = errors.New("the repository does not give the content")

// Parallelizable implements restore.Output.
func (*Target) Parallelizable() bool { return true }

// FileExists implements restore.Output: everything is written again.
func (*Target) FileExists(context.Context, string, fs.File) bool { return false }

// SymlinkExists implements restore.Output: everything is written again.
func (*Target) SymlinkExists(context.Context, string, fs.Symlink) bool { return false }

// WriteDirEntry implements restore.Output. It is for restores that leave something out.
func (*Target) WriteDirEntry(context.Context, string, *snapshot.DirEntry, fs.Directory) error {
	return errors.ErrUnsupported
}

// Close implements restore.Output: what was written is on the disk then.
func (t *Target) Close(context.Context) error {
	top, err := t.root.Open(".")
	if err != nil {
		return errors.Join(err, t.root.Close())
	}
	err = unix.Syncfs(descriptor(top))
	return errors.Join(err, top.Close(), t.root.Close())
}

// BeginDirectory implements restore.Output.
func (t *Target) BeginDirectory(ctx context.Context, stored string, from fs.Directory) error {
	at, err := truePath(stored)
	if err != nil {
		return err
	}
	rows, err := rowsOf(ctx, from)
	if err != nil {
		return fmt.Errorf("%s: %w: %w", at, errContent, err)
	}
	t.mutex.Lock()
	t.folders[at] = rows
	t.mutex.Unlock()
	if at == "." {
		return nil
	}
	const whileUnderWay = 0o700
	err = t.root.Mkdir(at, whileUnderWay)
	if !errors.Is(err, unix.EEXIST) {
		return err
	}
	if found, err := t.root.Lstat(at); err == nil && found.IsDir() {
		return nil
	}
	if err := t.root.Remove(at); err != nil {
		return err
	}
	return t.root.Mkdir(at, whileUnderWay)
}

// rowsOf reads the attributes of a folder of the repository.
func rowsOf(ctx context.Context, from fs.Directory) (map[string]attributes, error) {
	found, err := from.Child(ctx, AttributesName)
	if errors.Is(err, fs.ErrEntryNotFound) {
		return map[string]attributes{}, nil
	}
	if err != nil {
		return nil, err
	}
	stored, is := found.(fs.File)
	if !is {
		return nil, fmt.Errorf("%s is no file", AttributesName)
	}
	content, err := stored.Open(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { _ = content.Close() }() // Only read.
	return decode(content)
}

// FinishDirectory implements restore.Output: everything in the folder is there.
func (t *Target) FinishDirectory(_ context.Context, stored string, from fs.Directory) error {
	at, err := truePath(stored)
	if err != nil {
		return err
	}
	modified := t.modified(at, path.Base(stored), from)
	t.mutex.Lock()
	rows := t.folders[at]
	delete(t.folders, at)
	t.mutex.Unlock()
	opened, err := t.root.OpenFile(at, os.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW, 0)
	if err != nil {
		return t.loses(at, err)
	}
	defer func() { _ = opened.Close() }() // Nothing is written into it.
	for _, row := range rows {
		if row.Special != nil {
			if err := t.loses(path.Join(at, row.Name), makeSpecial(opened, row)); err != nil {
				return err
			}
		}
	}
	return t.loses(at, dress(opened, from, rows["."].Extended, modified))
}

// modified returns when a folder was changed.
func (t *Target) modified(at, stored string, from fs.Directory) time.Time {
	if at == "." {
		stored = "."
	}
	if known := t.row(at, stored).Modified; known != 0 {
		return time.Unix(0, known)
	}
	return from.ModTime()
}

// WriteFile implements restore.Output.
func (t *Target) WriteFile(ctx context.Context, stored string, from fs.File, progress restore.FileWriteProgress) error {
	if path.Base(stored) == AttributesName {
		return nil
	}
	at, err := truePath(stored)
	if err != nil {
		return err
	}
	row := t.row(at, path.Base(stored))
	if row.Link == "" {
		return t.loses(at, t.write(ctx, at, from, row, progress))
	}
	return t.loses(at, t.writeLinked(ctx, at, from, row, progress))
}

// writeLinked writes a file that has several names when it is the first of them, and else adds the name.
func (t *Target) writeLinked(ctx context.Context, at string, from fs.File, row attributes, progress restore.FileWriteProgress) error {
	t.mutex.Lock()
	of := t.links[row.Link]
	if of == nil {
		of = &linked{}
		t.links[row.Link] = of
	}
	t.mutex.Unlock()
	of.made.Lock()
	defer of.made.Unlock()
	if of.path != "" {
		if err := t.clear(at); err != nil {
			return err
		}
		return t.root.Link(of.path, at)
	}
	if err := t.write(ctx, at, from, row, progress); err != nil {
		return err
	}
	of.path = at
	return nil
}

func (t *Target) write(ctx context.Context, at string, from fs.File, row attributes, progress restore.FileWriteProgress) (err error) {
	content, err := from.Open(ctx)
	if err != nil {
		return fmt.Errorf("%w: %w", errContent, err)
	}
	defer func() { _ = content.Close() }() // Only read.
	if err := t.clear(at); err != nil {
		return err
	}
	const whileUnderWay = 0o600
	made, err := t.root.OpenFile(at, os.O_WRONLY|os.O_CREATE|os.O_EXCL|unix.O_NOFOLLOW, whileUnderWay)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, made.Close()) }()
	put := putAll
	if row.Sparse {
		put = putSparse
	}
	if err := fill(ctx, content, func(part []byte, offset int64) error { return put(made, part, offset) }, progress); err != nil {
		return err
	}
	if err := made.Truncate(from.Size()); err != nil { // A hole at the end has no bytes.
		return err
	}
	return dress(made, from, row.Extended, from.ModTime())
}

// chunk is how much is copied at once, and hole the least length of zeros that becomes a hole.
const (
	chunk = 1 << 20
	hole  = 4 << 10
)

// fill copies the content of a file, chunk by chunk.
func fill(ctx context.Context, from io.Reader, put func(part []byte, offset int64) error, progress restore.FileWriteProgress) error {
	buffer, offset := make([]byte, chunk), int64(0)
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		count, err := io.ReadFull(from, buffer)
		end := errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
		if err != nil && !end {
			return fmt.Errorf("%w: %w", errContent, err)
		}
		if err := put(buffer[:count], offset); err != nil || end {
			return err
		}
		offset += int64(count)
		progress(int64(count))
	}
}

// putAll writes a chunk.
func putAll(into io.WriterAt, content []byte, offset int64) error {
	_, err := into.WriteAt(content, offset)
	return err
}

// putSparse writes a chunk, and leaves holes out.
func putSparse(into io.WriterAt, content []byte, offset int64) error {
	var zeros [hole]byte
	for len(content) > 0 {
		part := content[:min(hole, len(content))]
		if !bytes.Equal(part, zeros[:len(part)]) {
			if _, err := into.WriteAt(part, offset); err != nil {
				return err
			}
		}
		content, offset = content[len(part):], offset+int64(len(part))
	}
	return nil
}

// CreateSymlink implements restore.Output.
func (t *Target) CreateSymlink(ctx context.Context, stored string, from fs.Symlink) error {
	at, err := truePath(stored)
	if err != nil {
		return err
	}
	points, err := from.Readlink(ctx)
	if err != nil {
		return fmt.Errorf("%s: %w: %w", at, errContent, err)
	}
	return t.loses(at, t.link(at, points, from, t.row(at, path.Base(stored))))
}

func (t *Target) link(at, points string, from fs.Entry, row attributes) error {
	if err := t.clear(at); err != nil {
		return err
	}
	parent, err := t.root.Open(path.Dir(at))
	if err != nil {
		return err
	}
	defer func() { _ = parent.Close() }() // Nothing is written into it.
	name := path.Base(at)
	if err := unix.Symlinkat(points, descriptor(parent), name); err != nil {
		return err
	}
	return dressAt(parent, name, from.Owner(), row.Extended, from.ModTime())
}

// clear removes what is in the way of an entry.
func (t *Target) clear(at string) error { return t.root.RemoveAll(at) }

func (t *Target) row(at, stored string) attributes {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	return t.folders[path.Dir(at)][stored]
}

// truePath returns where an entry of the repository is in the volume.
func truePath(stored string) (string, error) {
	if stored == "" {
		return ".", nil
	}
	names := strings.Split(stored, "/")
	for i, name := range names {
		made, err := TrueName(name)
		if err != nil {
			return "", err
		}
		names[i] = made
	}
	return strings.Join(names, "/"), nil
}

// dress gives an opened file or folder its owner, attributes, mode and times, in the order in which none undoes another.
func dress(opened *os.File, as fs.Entry, extended map[string][]byte, modified time.Time) error {
	owner, self := as.Owner(), fmt.Sprintf("/proc/self/fd/%d", opened.Fd())
	if err := opened.Chown(int(owner.UserID), int(owner.GroupID)); err != nil {
		return err
	}
	for name, value := range extended {
		if err := unix.Setxattr(self, name, value, 0); err != nil {
			return fmt.Errorf("setting attribute %s: %w", name, err)
		}
	}
	if err := opened.Chmod(as.Mode() & fs.ModBits); err != nil {
		return err
	}
	return unix.UtimesNanoAt(unix.AT_FDCWD, self, timesOf(modified), 0)
}

// dressAt does the same for what cannot be opened, by its name in an opened folder. It has no mode of its own, or has it already.
func dressAt(parent *os.File, name string, owner fs.OwnerInfo, extended map[string][]byte, modified time.Time) error {
	at := descriptor(parent)
	if err := unix.Fchownat(at, name, int(owner.UserID), int(owner.GroupID), unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return err
	}
	for attribute, value := range extended {
		if err := unix.Lsetxattr(fmt.Sprintf("/proc/self/fd/%d/%s", at, name), attribute, value, 0); err != nil {
			return fmt.Errorf("setting attribute %s: %w", attribute, err)
		}
	}
	return unix.UtimesNanoAt(at, name, timesOf(modified), unix.AT_SYMLINK_NOFOLLOW)
}

// makeSpecial makes a pipe, a socket or a device in an opened folder.
func makeSpecial(parent *os.File, row attributes) error {
	name, err := TrueName(row.Name)
	if err != nil {
		return err
	}
	kinds := map[special]uint32{pipe: unix.S_IFIFO, socket: unix.S_IFSOCK, characterDevice: unix.S_IFCHR, blockDevice: unix.S_IFBLK}
	kind, known := kinds[row.Special.Kind]
	if !known {
		return fmt.Errorf("an entry of kind %q, which this version does not know", row.Special.Kind)
	}
	at := descriptor(parent)
	if err := unix.Unlinkat(at, name, 0); err != nil && !errors.Is(err, unix.ENOENT) {
		return err
	}
	if err := unix.Mknodat(at, name, kind|row.Special.Mode, int(row.Special.Device)); err != nil { //nolint:gosec // The kernel gave it.
		return err
	}
	owner := fs.OwnerInfo{UserID: row.Special.Owner, GroupID: row.Special.Group}
	if err := dressAt(parent, name, owner, row.Extended, time.Unix(0, row.Special.Modified)); err != nil {
		return err
	}
	return unix.Fchmodat(at, name, row.Special.Mode, 0) // Without the mask of the process.
}

// timesOf returns the times that the kernel is given: that of the last change, for both.
func timesOf(modified time.Time) []unix.Timespec {
	stamp := unix.NsecToTimespec(modified.UnixNano())
	return []unix.Timespec{stamp, stamp}
}

func descriptor(of *os.File) int { return int(of.Fd()) }
