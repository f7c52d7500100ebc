package filesystem

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"strings"
	"time"
)

// makeFolders makes a folder and those above it. It fails with fs.ErrNotExist when somebody removes them meanwhile.
func makeFolders(root *os.Root, folder string) error {
	if folder == "." {
		return nil
	}
	made := ""
	for element := range strings.SplitSeq(folder, "/") {
		made = path.Join(made, element)
		if err := root.Mkdir(made, folderMode); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	return nil
}

// syncFolders makes what is in a folder, and in those above it up to the root, durable: a file is only there after a
// crash if its folder is, and somebody else may have made that a moment ago. Folders that are gone are left out.
func syncFolders(root *os.Root, folder string) error {
	for {
		if err := syncFolder(root, folder); err != nil {
			return err
		}
		if folder == "." {
			return nil
		}
		folder = path.Dir(folder)
	}
}

func syncFolder(root *os.Root, folder string) error {
	file, err := root.Open(folder)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer closeQuietly(file)
	if err := file.Sync(); err != nil && !isUnsupported(err) {
		return err
	}
	return nil
}

// removeEmptyFolder removes a folder if nothing is in it. The slash at the end keeps it from removing a file that has
// taken the folder's place.
func removeEmptyFolder(root *os.Root, folder string) error { return root.Remove(folder + "/") }

const (
	// staleAfter is the age at which a partial file is a leftover: an upload that is alive writes to its file.
	staleAfter = 24 * time.Hour
	// maxSwept limits how many locations are remembered as swept. Beyond that, some are swept again.
	maxSwept = 1000
	// sweepBatch is how many entries of the hidden folder are read at once.
	sweepBatch = 256
)

// sweepOnce removes the old leftovers of a location when it is first written to after the start. That it cannot is no
// reason to refuse an upload.
func (s *Store) sweepOnce(root *os.Root, location string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, done := s.swept[location]; done {
		return
	}
	if len(s.swept) >= maxSwept {
		clear(s.swept)
	}
	s.swept[location] = struct{}{}
	sweep(root, s.options.Now().Add(-staleAfter))
}

// sweep removes the partial files that have last been written to before a time.
func sweep(root *os.Root, before time.Time) {
	folder, err := root.Open(PartialFolder)
	if err != nil {
		return
	}
	defer closeQuietly(folder)
	for {
		entries, err := folder.ReadDir(sweepBatch)
		for _, entry := range entries {
			name := path.Join(PartialFolder, entry.Name())
			info, err := root.Lstat(name)
			if err == nil && info.Mode().IsRegular() && info.ModTime().Before(before) {
				_ = root.Remove(name)
			}
		}
		if err != nil {
			return
		}
	}
}
