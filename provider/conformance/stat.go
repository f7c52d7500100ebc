package conformance

import (
	"context"
	"time"

	"github.com/soda-cdm/kahu/provider"
)

func statChecks() []Check {
	needs := []provider.Capability{provider.CapabilityStat}
	return []Check{
		{
			Name:    "stat/size",
			Promise: "The description of an object has its name, size and time, also after an overwrite.",
			Needs:   needs,
			run:     checkStatSize,
		},
		{
			Name:    "stat/digest",
			Promise: "The digest of an object is the SHA-256 of its content.",
			Needs:   needs,
			run:     checkStatDigest,
		},
	}
}

// expectDescribes compares a description with a content. Times cannot be compared with a clock of ours, as they are of
// the store's; they are there, and in UTC.
func (s *session) expectDescribes(object provider.ObjectInfo, name string, content []byte) {
	s.Helper()
	if object.Name != name {
		s.Errorf("the description of %q has the name %q", name, object.Name)
	}
	if object.Size != int64(len(content)) {
		s.Errorf("%q has %d bytes, the description says %d", name, len(content), object.Size)
	}
	if object.Modified.IsZero() || object.Modified.Location() != time.UTC {
		s.Errorf("the description of %q has no time in UTC: %v", name, object.Modified)
	}
}

func checkStatSize(ctx context.Context, s *session) {
	stater := require[provider.Stater](s, provider.CapabilityStat)
	name := s.name("folder/object")
	before := time.Time{}
	for i, size := range []int{0, 3*mib + 1, 17} {
		content := pattern(uint64(i), size)
		s.upload(ctx, name, content)
		object, err := stater.Stat(ctx, name, s.attributes)
		if err != nil {
			s.Fatalf("describing: %v", err)
		}
		s.expectDescribes(object, name, content)
		if object.Modified.Before(before) {
			s.Errorf("stored at %v, and overwritten before that, at %v", before, object.Modified)
		}
		before = object.Modified
	}
}

func checkStatDigest(ctx context.Context, s *session) {
	stater := require[provider.Stater](s, provider.CapabilityStat)
	name := s.name("object")
	for i, size := range []int{0, 1, 3*mib + 1} {
		content := pattern(uint64(i), size)
		s.upload(ctx, name, content)
		object, err := stater.Stat(ctx, name, s.attributes)
		if err != nil {
			s.Fatalf("describing: %v", err)
		}
		if object.Digest == "" {
			s.Skipf("the driver gives no digest, which it may")
		}
		if want := digestOf(content); object.Digest != want {
			s.Errorf("%d bytes: the digest is %s, want %s", size, object.Digest, want)
		}
	}
}
