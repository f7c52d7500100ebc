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

func overwriteChecks() []Check {
	atomic := []provider.Capability{provider.CapabilityAtomicOverwrite}
	return []Check{
		{
			Name:    "overwrite/whole",
			Promise: "An upload replaces the whole content, also a longer one.",
			run:     checkOverwriteWhole,
		},
		{
			Name:    "overwrite/atomic",
			Promise: "Readers get the old content or the new one, whole, at any time while an object is overwritten.",
			Needs:   atomic,
			run:     checkOverwriteAtomic,
		},
		{
			Name:    "overwrite/open-reader",
			Promise: "A download that began before an overwrite goes on with the old content, or fails; it never changes over.",
			Needs:   atomic,
			run:     checkOpenReader,
		},
		{
			Name:    "overwrite/writers",
			Promise: "Of several uploads of one name at once, one is there at the end, whole.",
			Needs:   atomic,
			run:     checkOverwriteWriters,
		},
	}
}

func checkOverwriteWhole(ctx context.Context, s *session) {
	name := s.name("object")
	for i, size := range []int{3 * mib, 10, 3*mib + 1, 0, 1} {
		content := pattern(uint64(i), size)
		s.upload(ctx, name, content)
		s.expectContent(ctx, name, content)
	}
}

// checkOverwriteAtomic reads while it overwrites. The contents differ in length and in every byte, so that neither a
// mix nor a part can pass.
func checkOverwriteAtomic(ctx context.Context, s *session) {
	const readers, rounds = 4, 20
	name := s.name("object")
	contents := [][]byte{bytes.Repeat([]byte("a"), 2*mib), bytes.Repeat([]byte("b"), mib+1)}
	s.upload(ctx, name, contents[0])
	writing := make(chan struct{})
	for _, err := range inParallel(readers+1, func(i int) error {
		if i > 0 {
			return readUntil(ctx, s, name, contents, writing)
		}
		defer close(writing)
		for round := range rounds {
			content := bytes.NewReader(contents[(round+1)%2])
			if err := s.driver.Upload(ctx, name, s.attributes, content); err != nil {
				return fmt.Errorf("overwriting: %w", err)
			}
		}
		return nil
	}) {
		if err != nil {
			s.Errorf("%v", err)
		}
	}
}

// readUntil reads an object again and again, and returns an error if it ever has none of the contents.
func readUntil(ctx context.Context, s *session, name string, contents [][]byte, end <-chan struct{}) error {
	for {
		got, err := s.download(ctx, name)
		if err != nil {
			return fmt.Errorf("reading while it is overwritten: %w", err)
		}
		if problem := oneOf(got, contents); problem != nil {
			return problem
		}
		select {
		case <-end:
			return nil
		default:
		}
	}
}

// oneOf returns an error if a content is none of those that were stored.
func oneOf(got []byte, contents [][]byte) error {
	for _, content := range contents {
		if bytes.Equal(got, content) {
			return nil
		}
	}
	return fmt.Errorf("a reader got %d bytes that nobody has stored", len(got))
}

// moreThanOnItsWay is more than a download has on its way between the driver and a reader that does not read on, so that
// the driver has not sent all of it.
const moreThanOnItsWay = 10 * mib

func checkOpenReader(ctx context.Context, s *session) {
	before, after := pattern(1, moreThanOnItsWay), pattern(2, mib)
	name := s.name("object")
	s.upload(ctx, name, before)
	reader, err := s.driver.Download(ctx, name, s.attributes)
	if err != nil {
		s.Fatalf("opening: %v", err)
	}
	defer closeQuietly(reader)
	head := make([]byte, kib)
	if _, err := io.ReadFull(reader, head); err != nil {
		s.Fatalf("reading the beginning: %v", err)
	}
	s.upload(ctx, name, after)
	rest, err := io.ReadAll(reader)
	if err == nil {
		if difference := compare(slices.Concat(head, rest), before); difference != "" {
			s.Errorf("a download that was overwritten: %s", difference)
		}
	}
	s.expectContent(ctx, name, after)
}

func checkOverwriteWriters(ctx context.Context, s *session) {
	const writers = 8
	name := s.name("object")
	contents := make([][]byte, writers)
	for i := range contents {
		contents[i] = pattern(uint64(i), mib+i*kib)
	}
	meeting := newMeeting(writers)
	errs := inParallel(writers, func(i int) error {
		return s.driver.Upload(ctx, name, s.attributes, meeting.content(contents[i]))
	})
	if err := errors.Join(errs...); err != nil {
		s.Fatalf("storing at the same time: %v", err)
	}
	got, err := s.download(ctx, name)
	if err != nil {
		s.Fatalf("reading: %v", err)
	}
	if problem := oneOf(got, contents); problem != nil {
		s.Errorf("after several uploads at once: %v", problem)
	}
}
