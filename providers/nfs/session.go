package nfs

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/soda-cdm/kahu/provider"
	"github.com/soda-cdm/kahu/providers/nfs/internal/nfs3"
)

// maxAttempts is how often something is tried while others remove the folders that it needs.
const maxAttempts = 100

// session is an export while a call uses it.
type session struct {
	store    *Store
	client   *nfs3.Client
	location location
	export   nfs3.Export
}

// open makes ready for a call. The session must be closed.
func (s *Store) open(ctx context.Context, attributes provider.Attributes) (*session, error) {
	where, err := parse(attributes)
	if err != nil {
		return nil, err
	}
	session := &session{store: s, client: s.acquire(where.export), location: where}
	if err := session.mount(ctx); err != nil {
		session.close()
		return nil, classify(ctx, fmt.Sprintf("opening the export %s of the server %s", where.path, where.server), err)
	}
	return session, nil
}

func (s *session) close() { s.store.release(s.location.export) }

// mount finds the root of the export. One that the server does not know any more, as the export was made anew, is asked
// for once more.
func (s *session) mount(ctx context.Context) error {
	for range 2 {
		export, err := s.client.Mount(ctx)
		if err != nil {
			return err
		}
		s.export = export
		if _, err := s.client.GetAttr(ctx, export.Root); !isStale(err) {
			return err
		}
		s.client.Forget(export)
	}
	return fmt.Errorf("the server gives out an export and does not know it: %w", provider.ErrUnavailable)
}

// elements returns the elements of a path, none for the empty one and for ".".
func elements(path string) []string {
	if path == "" || path == "." {
		return nil
	}
	return strings.Split(path, "/")
}

// walk goes from the root of the export to a folder of the location. It returns all folders on its way from the
// location on.
func (s *session) walk(ctx context.Context, folder string) ([]nfs3.Handle, error) {
	at := s.export.Root
	for _, element := range elements(s.location.folder) {
		next, err := s.enter(ctx, at, element)
		if err != nil {
			return nil, err
		}
		at = next
	}
	way := []nfs3.Handle{at}
	for _, element := range elements(folder) {
		next, err := s.enter(ctx, at, element)
		if err != nil {
			return nil, err
		}
		at = next
		way = append(way, at)
	}
	return way, nil
}

// enter finds a folder in a folder.
func (s *session) enter(ctx context.Context, folder nfs3.Handle, element string) (nfs3.Handle, error) {
	file, err := s.client.Lookup(ctx, folder, element)
	if err != nil {
		return "", err
	}
	return file.Handle, whatIs(element, file.Attributes.Type)
}

// whatIs returns an error for what is no folder.
func whatIs(element string, kind nfs3.Type) error {
	switch kind {
	case nfs3.TypeFolder:
		return nil
	case nfs3.TypeLink:
		return fmt.Errorf("%q: %w", element, errLink)
	case nfs3.TypeRegular:
		return fmt.Errorf("%q: %w", element, errOther)
	default: // A device, a pipe, a socket.
		return fmt.Errorf("%q: %w", element, errOther)
	}
}

// makeFolder finds a folder below another one, and makes what is missing.
func (s *session) makeFolder(ctx context.Context, from nfs3.Handle, folder string) (nfs3.Handle, error) {
	at := from
	for _, element := range elements(folder) {
		next, err := s.enter(ctx, at, element)
		if errors.Is(err, nfs3.ErrNoEnt) {
			next, err = s.makeOne(ctx, at, element)
		}
		if err != nil {
			return "", err
		}
		at = next
	}
	return at, nil
}

// makeOne makes a folder. That somebody has made it already, perhaps this very call whose answer was lost, is as good.
func (s *session) makeOne(ctx context.Context, folder nfs3.Handle, element string) (nfs3.Handle, error) {
	made, err := s.client.Mkdir(ctx, folder, element)
	if errors.Is(err, nfs3.ErrExist) {
		return s.enter(ctx, folder, element)
	}
	return made.Handle, err
}

// makeLocation finds the folder of the location for a call that stores, and makes it where it is missing. The export
// itself is never made.
func (s *session) makeLocation(ctx context.Context) (nfs3.Handle, error) {
	folder, err := s.makeFolder(ctx, s.export.Root, s.location.folder)
	if err != nil {
		return "", classify(ctx, "making the folder of the location", err)
	}
	return folder, nil
}

// found is an object and the folders on the way to it, from that of the location on.
type found struct {
	file nfs3.File
	way  []nfs3.Handle
}

// find finds an object, or returns provider.ErrNotFound. What is no regular file is no object.
func (s *session) find(ctx context.Context, name string) (found, error) {
	folder, base := split(name)
	var err error
	for range maxAttempts {
		var way []nfs3.Handle
		if way, err = s.walk(ctx, folder); err == nil {
			var file nfs3.File
			file, err = s.client.Lookup(ctx, way[len(way)-1], base)
			if err == nil && file.Attributes.Type != nfs3.TypeRegular {
				err = nfs3.ErrNoEnt
			}
			if err == nil {
				return found{file, way}, nil
			}
		}
		if !isStale(err) { // A folder was removed during the walk: look again.
			break
		}
	}
	if isAbsent(err) && ctx.Err() == nil {
		return found{}, fmt.Errorf("object %q: %w", name, provider.ErrNotFound)
	}
	return found{}, classify(ctx, fmt.Sprintf("looking for object %q", name), err)
}

// split returns the folder of an object, empty for that of the location, and its name there.
func split(name string) (folder, base string) {
	last := strings.LastIndexByte(name, '/')
	return name[:max(last, 0)], name[last+1:]
}
