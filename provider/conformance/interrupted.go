package conformance

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/soda-cdm/kahu/provider"
)

func interruptedChecks() []Check {
	return []Check{
		{
			Name:    "interrupted/upload",
			Promise: "An upload that breaks off fails, and nothing of it is ever seen.",
			modern:  true,
			run: func(ctx context.Context, s *session) {
				checkInterrupted(ctx, s, s.driver.Upload, nil)
			},
		},
		{
			Name:    "interrupted/overwrite",
			Promise: "An upload over an object that breaks off fails, and the object stays as it was.",
			Needs:   []provider.Capability{provider.CapabilityAtomicOverwrite},
			run: func(ctx context.Context, s *session) {
				checkInterrupted(ctx, s, s.driver.Upload, pattern(9, 2*mib))
			},
		},
		{
			Name:    "interrupted/create",
			Promise: "A creation that breaks off fails, nothing of it is ever seen, and the object can still be created.",
			Needs:   []provider.Capability{provider.CapabilityCreateIfAbsent},
			run:     checkInterruptedCreate,
		},
		{
			Name:    "interrupted/half-written",
			Promise: "While an object is being stored, no call sees it; once it is stored, every call does.",
			modern:  true,
			run:     checkHalfWritten,
		},
		{
			Name:    "interrupted/connection",
			Promise: "An upload whose connection is lost leaves everything as it was.",
			wire:    true,
			modern:  true,
			run:     checkLostConnection,
		},
	}
}

// storing is Upload or Create.
type storing func(ctx context.Context, name string, attributes provider.Attributes, content io.Reader) error

// interruption is a way in which a content can break off.
type interruption struct {
	what    string
	content func(ctx context.Context, cancel context.CancelFunc, sent []byte) io.Reader
}

func interruptions() []interruption {
	fails := func(err error) func(context.Context, context.CancelFunc, []byte) io.Reader {
		return func(_ context.Context, _ context.CancelFunc, sent []byte) io.Reader { return cutShort(sent, err) }
	}
	return []interruption{
		{"a content that fails", fails(errors.New("the source of the content is broken"))},
		{"a content that is cut short", fails(io.ErrUnexpectedEOF)},
		{"a content that fails at an end of its own", fails(fmt.Errorf("reading the source: %w", io.EOF))},
		{"a call that is cancelled", func(ctx context.Context, cancel context.CancelFunc, sent []byte) io.Reader {
			return stuck(ctx, sent, cancel)
		}},
	}
}

// checkInterrupted breaks off the storing of an object that has the content before, or is not there if that is nil.
func checkInterrupted(ctx context.Context, s *session, store storing, before []byte) {
	for _, interruption := range interruptions() {
		for _, sent := range []int{0, 10, 3 * mib} {
			what := fmt.Sprintf("%s after %d bytes", interruption.what, sent)
			name := s.name("object")
			if before != nil {
				s.upload(ctx, name, before)
			}
			calling, cancel := context.WithCancel(ctx)
			content := interruption.content(calling, cancel, pattern(1, sent))
			if err := store(calling, name, s.attributes, content); err == nil {
				s.Errorf("%s: storing succeeded", what)
			}
			cancel()
			s.expectStays(ctx, what, name, before)
		}
	}
}

// expectStays watches an object that must stay as it was, or not appear if before is nil.
func (s *session) expectStays(ctx context.Context, what, name string, before []byte) {
	s.Helper()
	s.watch(ctx, func() string {
		got, err := s.download(ctx, name)
		if before == nil {
			if !errors.Is(err, provider.ErrNotFound) {
				return fmt.Sprintf("%s: there is an object now, with %d bytes and the error %v", what, len(got), err)
			}
			return s.seen(ctx, what, name)
		}
		if err != nil {
			return fmt.Sprintf("%s: the object that was there cannot be read: %v", what, err)
		}
		if difference := compare(got, before); difference != "" {
			return fmt.Sprintf("%s: the object that was there has changed: %s", what, difference)
		}
		return ""
	})
}

// seen tells which call sees an object that is not to be seen.
func (s *session) seen(ctx context.Context, what, name string) string {
	if exists, err := s.driver.Exists(ctx, name, s.attributes); exists || err != nil {
		return fmt.Sprintf("%s: exists is %v with the error %v", what, exists, err)
	}
	if s.can(provider.CapabilityList) {
		// Whatever a driver keeps half-written contents in must not be listed either.
		if names := s.list(ctx, s.prefix, 0); len(names) > 0 {
			return fmt.Sprintf("%s: the listing has %q", what, names)
		}
	}
	return ""
}

func checkInterruptedCreate(ctx context.Context, s *session) {
	creator := require[provider.Creator](s, provider.CapabilityCreateIfAbsent)
	checkInterrupted(ctx, s, creator.Create, nil)
	name := s.name("object")
	content := pattern(2, kib)
	if err := creator.Create(ctx, name, s.attributes, bytes.NewReader(content)); err != nil {
		s.Fatalf("creating after interruptions: %v", err)
	}
	s.expectContent(ctx, name, content)
}

// checkHalfWritten holds an upload in its middle, looks, and lets it go on.
func checkHalfWritten(ctx context.Context, s *session) {
	name := s.name("folder/object")
	content := pattern(1, 4*mib)
	sent, goOn := make(chan struct{}), make(chan struct{})
	held := &brokenReader{content: slices.Clone(content[:3*mib])}
	held.reached = func() error {
		close(sent)
		select {
		case <-goOn:
			return io.EOF
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	stored := make(chan error, 1)
	go func() {
		tail := bytes.NewReader(content[3*mib:])
		stored <- s.driver.Upload(ctx, name, s.attributes, io.MultiReader(held, tail))
	}()
	select {
	case <-sent:
		s.expectStays(ctx, "an object that is being stored", name, nil)
		close(goOn)
	case err := <-stored:
		s.Fatalf("storing ended before the content did: %v", err)
	}
	if err := <-stored; err != nil {
		s.Fatalf("storing: %v", err)
	}
	s.expectContent(ctx, name, content)
	s.expectPresent(ctx, name)
	if s.can(provider.CapabilityList) {
		s.expectNames("the listing", s.list(ctx, s.prefix, 0), []string{name})
	}
}

// checkLostConnection closes the connection in the middle of an upload, first of a new object, then of one that is
// there.
func checkLostConnection(ctx context.Context, s *session) {
	name := s.name("object")
	before := pattern(1, 2*mib)
	for _, content := range [][]byte{nil, before} {
		if content != nil {
			s.upload(ctx, name, content)
		}
		connection, err := provider.Dial(s.target.Endpoint, s.target.DialOptions...)
		if err != nil {
			s.Fatalf("connecting: %v", err)
		}
		calling, cancel := context.WithCancel(ctx)
		err = provider.NewClient(connection).Upload(calling, name, s.attributes,
			stuck(calling, pattern(2, 3*mib), func() { closeQuietly(connection); cancel() }))
		cancel()
		if err == nil {
			s.Errorf("storing over a connection that was lost succeeded")
		}
		if content != nil && !s.can(provider.CapabilityAtomicOverwrite) {
			return
		}
		s.expectStays(ctx, "an upload whose connection was lost", name, content)
	}
}
