package conformance

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"strings"
	"time"

	"github.com/soda-cdm/kahu/provider"
)

func parallelChecks() []Check {
	return []Check{
		{
			Name:    "parallel/objects",
			Promise: "Many objects can be stored, read and deleted at once.",
			run:     checkParallel,
		},
		{
			Name:    "attributes/unknown",
			Promise: "An attribute that the driver does not know is ignored or refused with InvalidArgument, and harms nothing.",
			run:     checkUnknownAttributes,
		},
	}
}

func checkParallel(ctx context.Context, s *session) {
	const callers, rounds = 64, 3
	names := make([]string, callers)
	for i := range names {
		names[i] = s.name(fmt.Sprintf("%d/object", i))
	}
	for _, err := range inParallel(callers, func(i int) error {
		for round := range rounds {
			if err := roundTrip(ctx, s, names[i], pattern(uint64(i*rounds+round), 200*kib+i)); err != nil { //nolint:gosec // small and positive
				return err
			}
		}
		return nil
	}) {
		if err != nil {
			s.Errorf("among many calls at once: %v", err)
		}
	}
}

// roundTrip stores, reads and deletes one object.
func roundTrip(ctx context.Context, s *session, name string, content []byte) error {
	if err := s.driver.Upload(ctx, name, s.attributes, bytes.NewReader(content)); err != nil {
		return fmt.Errorf("storing: %w", err)
	}
	got, err := s.download(ctx, name)
	if err != nil {
		return fmt.Errorf("reading: %w", err)
	}
	if difference := compare(got, content); difference != "" {
		return errors.New(difference)
	}
	if err := s.driver.Delete(ctx, name, s.attributes); err != nil {
		return fmt.Errorf("deleting: %w", err)
	}
	return nil
}

func checkUnknownAttributes(ctx context.Context, s *session) {
	for key, value := range map[string]string{
		"-unknown": "value", "": "", "-with space": "é", "-long": strings.Repeat("x", 100*kib),
	} {
		attributes := provider.Attributes{key: value}
		maps.Copy(attributes, s.attributes)
		name := s.name("object" + key)
		content := "with " + key
		err := s.driver.Upload(ctx, name, attributes, strings.NewReader(content))
		if err != nil {
			s.expectClass(fmt.Sprintf("an unknown attribute %q", key), err, provider.ErrInvalidArgument)
			continue
		}
		s.expectContent(ctx, name, []byte(content))
	}
	if ready, err := s.driver.Probe(ctx); err != nil || !ready {
		s.Errorf("after unknown attributes the driver is not ready: %v, %v", ready, err)
	}
}

func contextChecks() []Check {
	return []Check{
		{
			Name:    "context/ended",
			Promise: "A call whose context has ended already ends at once, and does not fail in another way.",
			run:     checkEndedContext,
		},
		{
			Name:    "context/deadline",
			Promise: "An upload ends soon after its deadline, with DeadlineExceeded.",
			run:     checkDeadline,
		},
		{
			Name:    "context/download",
			Promise: "A download ends soon after it is cancelled, and never looks like the end of the object.",
			run:     checkCancelledDownload,
		},
	}
}

func checkEndedContext(ctx context.Context, s *session) {
	name := s.name("object")
	s.upload(ctx, name, pattern(1, kib))
	ended, cancel := context.WithCancel(ctx)
	cancel()
	for _, call := range append(s.readingCalls(), s.changingCalls()...) {
		err := s.expectEndsPromptly(call.what, func() error { return call.run(ended, name) })
		if err != nil && !errors.Is(err, context.Canceled) && !errors.Is(err, provider.ErrAlreadyExists) &&
			!errors.Is(err, provider.ErrNotFound) {
			s.Errorf("%s after its context has ended: %v", call.what, err)
		}
	}
}

func checkDeadline(ctx context.Context, s *session) {
	const deadline = 200 * time.Millisecond
	name := s.name("object")
	calling, cancel := context.WithTimeout(ctx, deadline)
	defer cancel()
	content := stuck(calling, pattern(1, 2*mib), func() {})
	err := s.expectEndsPromptly("upload", func() error {
		return s.driver.Upload(calling, name, s.attributes, content)
	})
	s.expectClass("an upload over its deadline", err, context.DeadlineExceeded)
}

func checkCancelledDownload(ctx context.Context, s *session) {
	content := pattern(1, moreThanOnItsWay)
	name := s.name("object")
	s.upload(ctx, name, content)
	calling, cancel := context.WithCancel(ctx)
	defer cancel()
	reader, err := s.driver.Download(calling, name, s.attributes)
	if err != nil {
		s.Fatalf("opening: %v", err)
	}
	defer closeQuietly(reader)
	if _, err := io.ReadFull(reader, make([]byte, kib)); err != nil {
		s.Fatalf("reading the beginning: %v", err)
	}
	cancel()
	var rest []byte
	err = s.expectEndsPromptly("download", func() error {
		var err error
		rest, err = io.ReadAll(reader)
		return err
	})
	if err == nil && len(rest) != len(content)-kib {
		s.Errorf("a download that was cancelled looks like an object of %d bytes, it has %d", len(rest)+kib, len(content))
	}
}
