package filesystem

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/soda-cdm/kahu/provider"
)

// listBatch is how many entries of a folder are read at once.
const listBatch = 256

// List implements provider.Lister.
//
// It walks through the folders in the order of the names that it will return: a folder comes where its name with a
// slash at the end belongs. Of each folder it keeps no more entries at a time than fit into a page, however many the
// folder has; a large folder is therefore read once for each page.
func (s *Store) List(ctx context.Context, request provider.ListRequest) (provider.ListPage, error) {
	if err := errors.Join(ctx.Err(), provider.ValidateListRequest(request)); err != nil {
		return provider.ListPage{}, err
	}
	after, err := provider.DecodePageToken(request.PageToken)
	if err != nil {
		return provider.ListPage{}, err
	}
	root, err := s.openLocation(request.Attributes)
	if errors.Is(err, provider.ErrNotFound) {
		return provider.ListPage{}, nil
	}
	if err != nil {
		return provider.ListPage{}, err
	}
	defer closeQuietly(root)
	size := request.PageSize
	if size == 0 || size > provider.MaxPageSize {
		size = provider.MaxPageSize
	}
	// One more than a page has tells whether there is a next one.
	w := &walk{root: root, prefix: request.Prefix, after: after, most: size + 1}
	if err := w.folder(ctx, request.Prefix[:strings.LastIndexByte(request.Prefix, '/')+1]); err != nil {
		return provider.ListPage{}, classify(fmt.Sprintf("listing %q", request.Prefix), err)
	}
	page := provider.ListPage{Objects: w.objects}
	if len(page.Objects) > size {
		page.Objects = page.Objects[:size]
		page.NextPageToken = provider.EncodePageToken(page.Objects[size-1].Name)
	}
	return page, nil
}

// walk collects objects in the order of their names.
type walk struct {
	root          *os.Root
	prefix, after string
	most          int
	objects       []provider.ObjectInfo
}

// folder collects from a folder and those in it. Its name is empty or ends with a slash.
func (w *walk) folder(ctx context.Context, folder string) error {
	after := ""
	for {
		keys, more, err := w.scan(ctx, folder, after)
		if err != nil {
			return err
		}
		for _, key := range keys {
			if err := w.visit(ctx, folder+key); err != nil {
				return err
			}
			if len(w.objects) == w.most {
				return nil
			}
		}
		if !more {
			return nil
		}
		after = keys[len(keys)-1]
	}
}

// visit collects one entry: a folder if its name ends with a slash, else a file.
func (w *walk) visit(ctx context.Context, name string) error {
	if strings.HasSuffix(name, "/") {
		return w.folder(ctx, name)
	}
	info, err := w.root.Lstat(name)
	if isGone(err) {
		return nil
	}
	if err != nil {
		return err
	}
	if info.Mode().IsRegular() {
		w.objects = append(w.objects, describe(name, info))
	}
	return nil
}

// scan reads a folder and returns the first of its entries behind a key that can contribute to the page, in order, at
// most as many as a page has, and whether there are more. A key is the name of a file, or that of a folder with a
// slash.
func (w *walk) scan(ctx context.Context, folder, after string) (keys []string, more bool, err error) {
	file, err := w.root.Open(strings.TrimSuffix("./"+folder, "/"))
	if isGone(err) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, err
	}
	defer closeQuietly(file)
	first := firstKeys{most: w.most}
	for {
		entries, reading := file.ReadDir(listBatch)
		for _, entry := range entries {
			if key := keyOf(entry); key > after && w.contributes(folder+key) {
				first.add(key)
			}
		}
		if reading == io.EOF || isGone(reading) {
			first.trim()
			return first.keys, first.more, nil
		}
		if err := errors.Join(reading, ctx.Err()); err != nil {
			return nil, false, err
		}
	}
}

// firstKeys keeps the first of the keys that are added to it, in order, and holds at most twice as many.
type firstKeys struct {
	most int
	keys []string
	more bool // Whether keys were dropped.
}

func (f *firstKeys) add(key string) {
	f.keys = append(f.keys, key)
	if len(f.keys) >= 2*f.most {
		f.trim()
	}
}

func (f *firstKeys) trim() {
	slices.Sort(f.keys)
	f.keys = slices.Compact(f.keys) // A folder that changes may give an entry twice.
	if len(f.keys) > f.most {
		f.keys, f.more = f.keys[:f.most], true
	}
}

// keyOf returns the key of an entry, empty for what is neither a file nor a folder of objects.
func keyOf(entry fs.DirEntry) string {
	switch {
	case entry.Name() == PartialFolder:
		return ""
	case entry.IsDir():
		return entry.Name() + "/"
	case entry.Type().IsRegular():
		return entry.Name()
	default:
		return ""
	}
}

// contributes tells whether a file, or something below a folder, can be on the page.
func (w *walk) contributes(name string) bool {
	folder, isFolder := strings.CutSuffix(name, "/")
	if provider.ValidateName(folder) != nil {
		return false // Nobody could ask for it.
	}
	if isFolder {
		return (strings.HasPrefix(name, w.prefix) || strings.HasPrefix(w.prefix, name)) &&
			(name > w.after || strings.HasPrefix(w.after, name))
	}
	return strings.HasPrefix(name, w.prefix) && name > w.after
}

// isGone tells whether an error means that something has been removed, or become something else, during the walk.
func isGone(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || isInTheWay(err)
}
