package filesystem

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"syscall"

	"github.com/soda-cdm/kahu/provider"
)

const (
	// copyBytes is how much of a content is written at once.
	copyBytes = 128 << 10
	// maxAttempts is how often a file is put in its place while others remove the folder there.
	maxAttempts = 100
)

// Upload implements provider.ObjectStore.
func (s *Store) Upload(
	ctx context.Context, name string, attributes provider.Attributes, content io.Reader,
) error {
	return s.store(ctx, name, attributes, content, replace)
}

// Create implements provider.Creator.
func (s *Store) Create(
	ctx context.Context, name string, attributes provider.Attributes, content io.Reader,
) error {
	return s.store(ctx, name, attributes, content, create)
}

// place puts a file in its place in one step, with the errors of the system.
type place func(root *os.Root, partial, name string) error

// replace takes the place of what is there.
func replace(root *os.Root, partial, name string) error { return root.Rename(partial, name) }

// create takes a place only where nothing is. The partial file stays, as a second name that is removed later.
func create(root *os.Root, partial, name string) error {
	err := root.Link(partial, name)
	if errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.ENOTSUP) {
		return fmt.Errorf("the file system of the store has no hard links, without which nothing can be created safely: %w: %w",
			err, provider.ErrFailedPrecondition)
	}
	return err
}

// store writes a content into a partial file, and puts that in its place when all of it is durable.
func (s *Store) store(
	ctx context.Context, name string, attributes provider.Attributes, content io.Reader, put place,
) error {
	if err := check(ctx, name); err != nil {
		return err
	}
	root, err := s.makeLocation(attributes)
	if err != nil {
		return err
	}
	defer closeQuietly(root)
	partial, err := writePartial(ctx, root, content)
	if err != nil {
		return fmt.Errorf("storing object %q: %w", name, err)
	}
	// After replace there is nothing left to remove.
	defer func() { _ = root.Remove(partial) }()
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("storing object %q: %w", name, err)
	}
	if err := putInPlace(root, partial, name, put); err != nil {
		return err
	}
	if err := syncFolders(root, path.Dir(name)); err != nil {
		return classify(fmt.Sprintf("making object %q durable", name), err)
	}
	return nil
}

// writePartial writes the whole content into a new partial file and makes it durable. After an error nothing is left.
func writePartial(ctx context.Context, root *os.Root, content io.Reader) (partial string, err error) {
	file, err := createPartial(root)
	if err != nil {
		return "", classify("making a file for the content", err)
	}
	partial = path.Join(PartialFolder, path.Base(file.Name()))
	defer func() {
		if err != nil {
			_ = root.Remove(partial)
		}
	}()
	err = copyContent(ctx, file, content)
	if err == nil {
		err = wrapWriting(file.Sync())
	}
	if closing := wrapWriting(file.Close()); err == nil {
		err = closing
	}
	return partial, err
}

// createPartial makes a new file in the hidden folder, and the folder where it is missing.
func createPartial(root *os.Root) (*os.File, error) {
	name := path.Join(PartialFolder, rand.Text())
	const flags = os.O_WRONLY | os.O_CREATE | os.O_EXCL
	file, err := root.OpenFile(name, flags, fileMode)
	if !errors.Is(err, fs.ErrNotExist) {
		return file, err
	}
	if err := root.Mkdir(PartialFolder, folderMode); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	return root.OpenFile(name, flags, fileMode)
}

// copyContent writes until the end of the content. Only io.EOF itself is the end: every other error, also one that
// wraps it, means that the rest is missing.
func copyContent(ctx context.Context, file *os.File, content io.Reader) error {
	buffer := make([]byte, copyBytes)
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		n, reading := content.Read(buffer)
		if _, err := file.Write(buffer[:n]); err != nil {
			return wrapWriting(err)
		}
		if reading == io.EOF {
			return nil
		}
		if reading != nil {
			return fmt.Errorf("reading the content: %w", reading)
		}
	}
}

// wrapWriting classifies what goes wrong while a content is written.
func wrapWriting(err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(classOf(err), provider.ErrResourceExhausted) {
		return classify("the file system of the store is full, or its quota used up: make room there", err)
	}
	return classify("writing the content", err)
}

// putInPlace puts a file in its place, and makes the folders that are missing. A deletion at the same time may remove
// folders that have just been made or found: then it tries once more.
func putInPlace(root *os.Root, partial, name string, put place) error {
	var err error
	for range maxAttempts {
		err = put(root, partial, name)
		switch {
		case err == nil:
			return nil
		case errors.Is(err, fs.ErrNotExist):
			err = makeFolders(root, path.Dir(name))
			if err != nil && !errors.Is(err, fs.ErrNotExist) {
				return inTheWay(name, err)
			}
		case isInTheWay(err):
			if removeEmptyFolder(root, name) == nil {
				continue
			}
			return inTheWay(name, whatStands(root, name, err))
		default:
			return classify(fmt.Sprintf("putting object %q in its place", name), err)
		}
	}
	return fmt.Errorf("putting object %q in its place: its folder was removed %d times: %w: %w",
		name, maxAttempts, err, provider.ErrUnavailable)
}

// whatStands says what stands in the place of an object: the object itself, or something else.
func whatStands(root *os.Root, name string, err error) error {
	if info, looking := root.Lstat(name); looking == nil && info.Mode().IsRegular() {
		return provider.ErrAlreadyExists
	}
	return err
}

// inTheWay returns the error for an object whose place is taken.
func inTheWay(name string, err error) error {
	if errors.Is(err, provider.ErrAlreadyExists) {
		return fmt.Errorf("object %q: %w", name, err)
	}
	if isInTheWay(err) {
		return fmt.Errorf("object %q: in a file system a name is an object or a folder, and here it is the other one: %w: %w",
			name, err, provider.ErrFailedPrecondition)
	}
	return classify(fmt.Sprintf("making the folder of object %q", name), err)
}

// Delete implements provider.ObjectStore. Folders that are empty then are removed, too.
func (s *Store) Delete(ctx context.Context, name string, attributes provider.Attributes) error {
	if err := check(ctx, name); err != nil {
		return err
	}
	root, err := s.openLocation(attributes)
	if err == nil {
		defer closeQuietly(root)
		err = find(root, name)
	}
	if errors.Is(err, provider.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := root.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return classify(fmt.Sprintf("deleting object %q", name), err)
	}
	folder := path.Dir(name)
	for folder != "." && removeEmptyFolder(root, folder) == nil {
		folder = path.Dir(folder)
	}
	if err := syncFolders(root, folder); err != nil {
		return classify(fmt.Sprintf("making the deletion of object %q durable", name), err)
	}
	return nil
}
