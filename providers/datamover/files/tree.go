package files

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/kopia/kopia/fs"
	"golang.org/x/sys/unix"
)

// MaxNamed is how many names are kept of files with which something is wrong. All are counted.
const MaxNamed = 100

// Tree is the files below a folder, as a repository reads them. Nothing outside of the folder is reached, wherever symbolic links
// in it point.
type Tree struct {
	root *os.Root

	mutex   sync.Mutex
	changed []string
	count   int
}

// Open returns the tree below a folder. It is to be closed.
func Open(folder string) (*Tree, error) {
	root, err := os.OpenRoot(folder)
	if err != nil {
		return nil, fmt.Errorf("opening the volume: %w", err)
	}
	return &Tree{root: root}, nil
}

// Close ends the use of the tree.
func (t *Tree) Close() error { return t.root.Close() }

// Changed returns how many files were another one after they were read than before, and the names of the first of them. Their
// content is of no single moment.
func (t *Tree) Changed() (int, []string) {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	return t.count, slices.Clone(t.changed)
}

func (t *Tree) changes(name string) {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	if t.count++; len(t.changed) < MaxNamed {
		t.changed = append(t.changed, name)
	}
}

// Folder returns the top of the tree.
func (t *Tree) Folder() (fs.Directory, error) { //nolint:ireturn // The repository asks for it.
	top, err := t.root.Open(".")
	if err != nil {
		return nil, fmt.Errorf("opening the volume: %w", err)
	}
	defer func() { _ = top.Close() }() // Only read.
	made := &folder{located: located{tree: t, path: ".", entry: entry{name: "."}}}
	if err := unix.Fstat(descriptor(top), &made.stat); err != nil {
		return nil, fmt.Errorf("looking at the volume: %w", err)
	}
	return made, nil
}

// located is an entry at its place in the tree.
type located struct {
	entry

	tree *Tree
	path string
}

// folder is a folder of the tree.
type folder struct{ located }

// SupportsMultipleIterations implements fs.Directory.
func (*folder) SupportsMultipleIterations() bool { return true }

// Child implements fs.Directory.
func (f *folder) Child(ctx context.Context, name string) (fs.Entry, error) { //nolint:ireturn // The repository asks for it.
	return fs.IterateEntriesAndFindChild(ctx, f, name)
}

// Iterate implements fs.Directory.
func (f *folder) Iterate(context.Context) (fs.DirectoryIterator, error) { //nolint:ireturn // The repository asks for it.
	opened, err := f.tree.root.OpenFile(f.path, os.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW, 0)
	if err != nil {
		return nil, err
	}
	names, err := opened.Readdirnames(-1)
	if err != nil {
		return nil, errors.Join(err, opened.Close())
	}
	slices.Sort(names)
	walk, own := &walk{folder: f, opened: opened, names: names}, attributes{Name: "."}
	if f.path == "." {
		own.Modified = f.stat.Mtim.Nano() // For all others it is in the folder above.
	}
	if err := walk.look(".", &f.stat, &own); err != nil {
		return nil, errors.Join(err, opened.Close())
	}
	return walk, nil
}

// walk goes through a folder. The file of attributes comes last.
type walk struct {
	folder *folder
	opened *os.File
	names  []string
	rows   []attributes
}

// Close implements fs.DirectoryIterator.
func (w *walk) Close() { _ = w.opened.Close() }

// Next implements fs.DirectoryIterator.
func (w *walk) Next(ctx context.Context) (fs.Entry, error) { //nolint:ireturn // The repository asks for it.
	for len(w.names) > 0 {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		name := w.names[0]
		w.names = w.names[1:]
		found, err := w.entry(name)
		if errors.Is(err, unix.ENOENT) {
			continue // Removed since the folder was read.
		}
		if err != nil {
			return &unreadable{entry: entry{name: StoredName(name)}, err: err}, nil //nolint:nilerr // It is told of by the entry.
		}
		if found != nil {
			return found, nil
		}
	}
	return w.last()
}

// last returns the file of attributes, if there are any, and then nothing.
func (w *walk) last() (fs.Entry, error) { //nolint:ireturn // The repository asks for it.
	if len(w.rows) == 0 {
		return nil, nil //nolint:nilnil // That is how an iteration ends.
	}
	content, err := encode(w.rows)
	w.rows = nil
	if err != nil {
		return nil, err
	}
	const readable = 0o600
	made := &attributesFile{entry: entry{name: AttributesName}, content: content, stamp: stampOf(content)}
	made.stat.Size, made.stat.Mode = int64(len(content)), unix.S_IFREG|readable
	return made, nil
}

// entry returns an entry of the folder, or nothing if it is one that only the attributes tell of.
func (w *walk) entry(name string) (fs.Entry, error) { //nolint:ireturn // The repository asks for it.
	at := located{tree: w.folder.tree, path: path.Join(w.folder.path, name), entry: entry{name: StoredName(name)}}
	row := attributes{Name: at.name}
	if err := unix.Fstatat(descriptor(w.opened), name, &at.stat, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return nil, err
	}
	if kind := at.kind(); kind != "" {
		row.Special = &specialEntry{
			Kind: kind, Device: at.stat.Rdev, Mode: at.stat.Mode &^ unix.S_IFMT, Owner: at.stat.Uid, Group: at.stat.Gid,
			Modified: at.stat.Mtim.Nano(),
		}
	}
	row.Sparse = at.hasHoles()
	if at.IsDir() { // The other attributes are in itself.
		w.rows = append(w.rows, attributes{Name: at.name, Modified: at.stat.Mtim.Nano()})
		return &folder{located: at}, nil
	}
	if err := w.look(name, &at.stat, &row); err != nil {
		return nil, err
	}
	switch at.stat.Mode & unix.S_IFMT {
	case unix.S_IFREG:
		return &file{located: at}, nil
	case unix.S_IFLNK:
		return &link{located: at}, nil
	}
	return nil, nil //nolint:nilnil // It is in the attributes.
}

// look completes the row of an entry of the opened folder, and keeps it if there is something to tell.
func (w *walk) look(name string, stat *unix.Stat_t, row *attributes) error {
	found, err := extended(fmt.Sprintf("/proc/self/fd/%d/%s", w.opened.Fd(), name))
	if err != nil {
		return err
	}
	row.Extended = found
	if stat.Nlink > 1 && stat.Mode&unix.S_IFMT != unix.S_IFDIR {
		row.Link = strconv.FormatUint(stat.Ino, 16)
	}
	if !row.ordinary() {
		w.rows = append(w.rows, *row)
	}
	return nil
}

// unreadable is an entry that cannot be read.
type unreadable struct {
	entry

	err error
}

// ErrorInfo implements fs.ErrorEntry.
func (u *unreadable) ErrorInfo() error { return u.err }

// link is a symbolic link.
type link struct{ located }

// Readlink implements fs.Symlink.
func (l *link) Readlink(context.Context) (string, error) { return l.tree.root.Readlink(l.path) }

// Resolve implements fs.Symlink. Nothing is to go where links point.
func (*link) Resolve(context.Context) (fs.Entry, error) { //nolint:ireturn // The repository asks for it.
	return nil, fs.ErrEntryNotFound
}

// file is a regular file.
type file struct{ located }

// Open implements fs.File.
func (f *file) Open(context.Context) (fs.Reader, error) { //nolint:ireturn // The repository asks for it.
	opened, err := f.tree.root.OpenFile(f.path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	return &reader{File: opened, of: f}, nil
}

// reader reads a file, and sees at its end whether it is the one that was listed.
type reader struct {
	*os.File

	of *file
}

// Entry implements fs.Reader.
func (r *reader) Entry() (fs.Entry, error) { return r.of, nil } //nolint:ireturn // The repository asks for it.

// Close implements io.Closer.
func (r *reader) Close() error {
	var now unix.Stat_t
	err := unix.Fstat(descriptor(r.File), &now)
	was := &r.of.stat
	if err != nil || now.Ino != was.Ino || now.Size != was.Size || now.Mtim != was.Mtim {
		r.of.tree.changes(r.of.path)
	}
	return r.File.Close()
}

// attributesFile is the file that tells what the tree has no place for.
type attributesFile struct {
	entry

	content []byte
	stamp   time.Time
}

// ModTime implements os.FileInfo.
func (a *attributesFile) ModTime() time.Time { return a.stamp }

// Open implements fs.File.
func (a *attributesFile) Open(context.Context) (fs.Reader, error) { //nolint:ireturn // The repository asks for it.
	return &attributesReader{Reader: bytes.NewReader(a.content), of: a}, nil
}

type attributesReader struct {
	*bytes.Reader

	of *attributesFile
}

// Entry implements fs.Reader.
func (r *attributesReader) Entry() (fs.Entry, error) { return r.of, nil } //nolint:ireturn // The repository asks for it.

// Close implements io.Closer.
func (*attributesReader) Close() error { return nil }
