package conformance

import (
	"bytes"
	"context"
	"errors"

	"github.com/soda-cdm/kahu/provider"
)

func createChecks() []Check {
	needs := []provider.Capability{provider.CapabilityCreateIfAbsent}
	return []Check{
		{
			Name:    "create/absent",
			Promise: "An object that is not there, or not any more, can be created.",
			Needs:   needs,
			run:     checkCreate,
		},
		{
			Name:    "create/present",
			Promise: "Creating an object that is there fails with AlreadyExists and leaves it alone.",
			Needs:   needs,
			run:     checkCreatePresent,
		},
		{
			Name:    "create/race",
			Promise: "Of several that create the same object, exactly one succeeds, and its content is there.",
			Needs:   needs,
			run:     checkCreateRace,
		},
	}
}

func checkCreate(ctx context.Context, s *session) {
	creator := require[provider.Creator](s, provider.CapabilityCreateIfAbsent)
	name := s.name("folder/object")
	for i, size := range []int{0, 2*mib + 1} {
		content := pattern(uint64(i), size)
		if err := creator.Create(ctx, name, s.attributes, bytes.NewReader(content)); err != nil {
			s.Fatalf("creating: %v", err)
		}
		s.expectContent(ctx, name, content)
		if err := s.driver.Delete(ctx, name, s.attributes); err != nil {
			s.Fatalf("deleting: %v", err)
		}
	}
}

func checkCreatePresent(ctx context.Context, s *session) {
	creator := require[provider.Creator](s, provider.CapabilityCreateIfAbsent)
	first, second := pattern(1, 2*mib), pattern(2, 3*mib)
	created, uploaded := s.name("created"), s.name("uploaded")
	if err := creator.Create(ctx, created, s.attributes, bytes.NewReader(first)); err != nil {
		s.Fatalf("creating: %v", err)
	}
	s.upload(ctx, uploaded, first)
	for _, name := range []string{created, uploaded} {
		for _, content := range [][]byte{second, first, nil} {
			err := creator.Create(ctx, name, s.attributes, bytes.NewReader(content))
			s.expectClass("creating "+name+" once more", err, provider.ErrAlreadyExists)
			s.expectContent(ctx, name, first)
		}
	}
}

func checkCreateRace(ctx context.Context, s *session) {
	const rounds, creators = 5, 8
	creator := require[provider.Creator](s, provider.CapabilityCreateIfAbsent)
	contents := make([][]byte, creators)
	for i := range contents {
		contents[i] = pattern(uint64(i), 100*kib+i)
	}
	for round := range rounds {
		name := s.name("race/" + string(rune('a'+round)))
		meeting, winner := newMeeting(creators), -1
		for i, err := range inParallel(creators, func(i int) error {
			return creator.Create(ctx, name, s.attributes, meeting.content(contents[i]))
		}) {
			switch {
			case err == nil && winner >= 0:
				s.Fatalf("more than one has created %q", name)
			case err == nil:
				winner = i
			case !errors.Is(err, provider.ErrAlreadyExists):
				s.Fatalf("creating at the same time: the error is not AlreadyExists: %v", err)
			}
		}
		if winner < 0 {
			s.Fatalf("nobody has created %q", name)
		}
		s.expectContent(ctx, name, contents[winner])
	}
}
