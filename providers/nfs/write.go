package nfs

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/soda-cdm/kahu/provider"
	"github.com/soda-cdm/kahu/providers/nfs/internal/nfs3"
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

// partial is a file that is being written, in the hidden folder.
type partial struct {
	nfs3.File

	at nfs3.Place
}

// place puts a file in its place in one step, with the errors of the server.
type place func(ctx context.Context, s *session, from partial, to nfs3.Place) error

// replace takes the place of what is there.
func replace(ctx context.Context, s *session, from partial, to nfs3.Place) error {
	return s.client.Rename(ctx, from.at, to)
}

// create takes a place only where nothing is. The partial file stays, as a second name that is removed later.
func create(ctx context.Context, s *session, from partial, to nfs3.Place) error {
	err := s.client.Link(ctx, from.Handle, to)
	if errors.Is(err, nfs3.ErrNotSupp) || errors.Is(err, nfs3.ErrPerm) {
		return fmt.Errorf("the server makes no hard links, without which nothing can be created safely: %w: %w",
			err, provider.ErrFailedPrecondition)
	}
	return err
}

// check refuses a call that nobody waits for any more, and a name that cannot be one.
func check(ctx context.Context, name string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return validateName(name)
}

// store writes a content into a partial file, and puts that in its place when all of it is durable. The server makes
// each change of a folder durable before it answers, as the protocol asks of it.
func (s *Store) store(
	ctx context.Context, name string, attributes provider.Attributes, content io.Reader, put place,
) error {
	if err := check(ctx, name); err != nil {
		return err
	}
	session, err := s.open(ctx, attributes)
	if err != nil {
		return err
	}
	defer session.close()
	folder, err := session.makeLocation(ctx)
	if err != nil {
		return err
	}
	file, err := session.createPartial(ctx, folder)
	if err != nil {
		return classify(ctx, "making a file for the content", err)
	}
	// After replace there is nothing left to remove, which the server says quickly.
	defer session.removePartial(ctx, file)
	session.sweepOnce(ctx, file)
	writer := newContentWriter(session.client, file.Handle, session.export.Limits)
	if err := writer.write(ctx, content); err != nil {
		return fmt.Errorf("storing object %q: %w", name, err)
	}
	return session.putInPlace(ctx, placement{folder, name, file}, put)
}

// createPartial makes a new file in the hidden folder, and the folder where it is missing. Nobody else has its name, so
// that it is ours whichever answer comes first.
func (s *session) createPartial(ctx context.Context, location nfs3.Handle) (partial, error) {
	hidden, err := s.makeFolder(ctx, location, PartialFolder)
	if err != nil {
		return partial{}, err
	}
	at := nfs3.Place{Folder: hidden, Name: rand.Text()}
	file, err := s.client.Create(ctx, at.Folder, at.Name)
	if err != nil {
		return partial{}, err
	}
	return partial{file, at}, nil
}

// cleanUpTime bounds how long a call that has ended goes on for the sake of what it has left.
const cleanUpTime = 2 * time.Second

// removePartial removes a partial file, also when the call has ended. What it cannot remove is a leftover.
func (s *session) removePartial(ctx context.Context, file partial) {
	cleaning, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanUpTime)
	defer cancel()
	_ = s.client.Remove(cleaning, file.at.Folder, file.at.Name)
}

// sweepOnce removes the old leftovers of a location when it is first written to after the start. That it cannot is no
// reason to refuse an upload.
func (s *session) sweepOnce(ctx context.Context, file partial) {
	s.store.mu.Lock()
	_, done := s.store.swept[s.location]
	if len(s.store.swept) >= maxSwept {
		clear(s.store.swept)
	}
	s.store.swept[s.location] = struct{}{}
	s.store.mu.Unlock()
	if done {
		return
	}
	// The clock is that of the server, which has just made a file.
	before := inGo(file.Attributes.Modified).Add(-s.store.options.StaleAfter)
	for from := (nfs3.Cookie{}); ; {
		entries, next, err := s.client.ReadFolder(ctx, file.at.Folder, from)
		if err != nil {
			return
		}
		for _, entry := range entries {
			s.sweep(ctx, file, entry, before)
		}
		if next.IsEnd() {
			return
		}
		from = next
	}
}

// sweep removes an entry of the hidden folder if it was last written to before a time.
func (s *session) sweep(ctx context.Context, mine partial, entry nfs3.Entry, before time.Time) {
	if entry.Name == mine.at.Name {
		return
	}
	file, err := s.client.Describe(ctx, mine.at.Folder, entry)
	if err != nil || file.Attributes.Type != nfs3.TypeRegular || inGo(file.Attributes.Modified).After(before) {
		return
	}
	_ = s.client.Remove(ctx, mine.at.Folder, entry.Name)
}

// inGo returns a time of the server as one of Go.
func inGo(t nfs3.Time) time.Time { return time.Unix(int64(t.Seconds), int64(t.Nanoseconds)).UTC() }

// Delete implements provider.ObjectStore. Folders that are empty then are removed, too.
//
// A server that carries out a request twice answers the second time that there is nothing; that is what was wanted.
func (s *Store) Delete(ctx context.Context, name string, attributes provider.Attributes) error {
	if err := check(ctx, name); err != nil {
		return err
	}
	session, err := s.open(ctx, attributes)
	if err != nil {
		return err
	}
	defer session.close()
	object, err := session.find(ctx, name)
	if errors.Is(err, provider.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	folder, base := split(name)
	last := len(object.way) - 1
	if err := session.client.Remove(ctx, object.way[last], base); err != nil && !isVanished(err) {
		return classify(ctx, fmt.Sprintf("deleting object %q", name), err)
	}
	folders := elements(folder)
	for i := last; i > 0; i-- {
		if session.client.Rmdir(ctx, object.way[i-1], folders[i-1]) != nil {
			break
		}
	}
	return nil
}
