package nfs

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/soda-cdm/kahu/provider"
	"github.com/soda-cdm/kahu/providers/nfs/internal/nfs3"
)

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
	session, err := s.open(ctx, request.Attributes)
	if err != nil {
		return provider.ListPage{}, err
	}
	defer session.close()
	size := request.PageSize
	if size == 0 || size > provider.MaxPageSize {
		size = provider.MaxPageSize
	}
	// One more than a page has tells whether there is a next one.
	l := &listing{session: session, prefix: request.Prefix, after: after, most: size + 1}
	if err := l.begin(ctx); err != nil {
		return provider.ListPage{}, classify(ctx, fmt.Sprintf("listing %q", request.Prefix), err)
	}
	page := provider.ListPage{Objects: l.objects}
	if len(page.Objects) > size {
		page.Objects = page.Objects[:size]
		page.NextPageToken = provider.EncodePageToken(page.Objects[size-1].Name)
	}
	return page, nil
}

// listing collects objects in the order of their names.
type listing struct {
	session       *session
	prefix, after string
	most          int
	objects       []provider.ObjectInfo
}

// begin lists the folder that the prefix names, if there is one.
func (l *listing) begin(ctx context.Context) error {
	folder := l.prefix[:strings.LastIndexByte(l.prefix, '/')+1]
	if slices.Contains(elements(strings.TrimSuffix(folder, "/")), PartialFolder) {
		return nil
	}
	way, err := l.session.walk(ctx, strings.TrimSuffix(folder, "/"))
	if isAbsent(err) || isStale(err) {
		return nil
	}
	if err != nil {
		return err
	}
	return l.folder(ctx, way[len(way)-1], folder)
}

// folder collects from a folder and those in it. Its name is empty or ends with a slash.
func (l *listing) folder(ctx context.Context, handle nfs3.Handle, name string) error {
	after := ""
	for {
		keys, more, err := l.scan(ctx, handle, name, after)
		if err != nil {
			return err
		}
		for _, key := range keys {
			if err := l.visit(ctx, handle, name, key); err != nil {
				return err
			}
			if len(l.objects) == l.most {
				return nil
			}
		}
		if !more {
			return nil
		}
		after = keys[len(keys)-1].text
	}
}

// key is an entry of a folder: its name, with a slash at the end for a folder.
type key struct {
	text  string
	entry nfs3.Entry
}

// visit collects one entry.
func (l *listing) visit(ctx context.Context, folder nfs3.Handle, name string, k key) error {
	file, err := l.session.client.Describe(ctx, folder, k.entry)
	if isVanished(err) {
		return nil
	}
	if err != nil {
		return err
	}
	if strings.HasSuffix(k.text, "/") {
		return l.folder(ctx, file.Handle, name+k.text)
	}
	l.objects = append(l.objects, describe(name+k.text, file.Attributes))
	return nil
}

// scan reads a folder and returns the first of its entries behind a key that can contribute to the page, in order, at
// most as many as a page has, and whether there are more.
func (l *listing) scan(ctx context.Context, folder nfs3.Handle, name, after string) (keys []key, more bool, err error) {
	for range maxAttempts {
		first := firstKeys{most: l.most}
		err = l.readFolder(ctx, folder, func(k key) {
			if k.text > after && l.contributes(name+k.text) {
				first.add(k)
			}
		})
		if isVanished(err) {
			return nil, false, nil
		}
		if err == nil {
			first.trim()
			return first.keys, first.more, nil
		}
		if !errors.Is(err, nfs3.ErrBadCookie) {
			break
		}
	}
	return nil, false, err
}

// readFolder hands over the files and folders of a folder.
func (l *listing) readFolder(ctx context.Context, folder nfs3.Handle, use func(key)) error {
	for from := (nfs3.Cookie{}); ; {
		entries, next, err := l.session.client.ReadFolder(ctx, folder, from)
		if err != nil {
			return err
		}
		for _, entry := range entries {
			k, err := l.keyOf(ctx, folder, entry)
			if err != nil {
				return err
			}
			if k.text != "" {
				use(k)
			}
		}
		if next.IsEnd() {
			return nil
		}
		from = next
	}
}

// keyOf returns the key of an entry, without text for what is neither a file nor a folder of objects.
func (l *listing) keyOf(ctx context.Context, folder nfs3.Handle, entry nfs3.Entry) (key, error) {
	if entry.Name == PartialFolder {
		return key{}, nil
	}
	if !entry.Described {
		file, err := l.session.client.Describe(ctx, folder, entry)
		if isVanished(err) {
			return key{}, nil
		}
		if err != nil {
			return key{}, err
		}
		entry.File, entry.Described = file, true
	}
	switch entry.File.Attributes.Type {
	case nfs3.TypeFolder:
		return key{entry.Name + "/", entry}, nil
	case nfs3.TypeRegular:
		return key{entry.Name, entry}, nil
	case nfs3.TypeLink:
		return key{}, nil
	default: // A device, a pipe, a socket.
		return key{}, nil
	}
}

// contributes tells whether a file, or something below a folder, can be on the page.
func (l *listing) contributes(name string) bool {
	folder, isFolder := strings.CutSuffix(name, "/")
	if provider.ValidateName(folder) != nil {
		return false // Nobody could ask for it.
	}
	if isFolder {
		return (strings.HasPrefix(name, l.prefix) || strings.HasPrefix(l.prefix, name)) &&
			(name > l.after || strings.HasPrefix(l.after, name))
	}
	return strings.HasPrefix(name, l.prefix) && name > l.after
}

// firstKeys keeps the first of the keys that are added to it, in order, and holds at most twice as many.
type firstKeys struct {
	most int
	keys []key
	more bool // Whether keys were dropped.
}

func (f *firstKeys) add(k key) {
	f.keys = append(f.keys, k)
	if len(f.keys) >= 2*f.most {
		f.trim()
	}
}

func (f *firstKeys) trim() {
	slices.SortFunc(f.keys, func(a, b key) int { return strings.Compare(a.text, b.text) })
	// A folder that changes may give an entry twice.
	f.keys = slices.CompactFunc(f.keys, func(a, b key) bool { return a.text == b.text })
	if len(f.keys) > f.most {
		f.keys, f.more = f.keys[:f.most], true
	}
}
