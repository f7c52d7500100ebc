package conformance

import (
	"context"
	"fmt"

	"github.com/soda-cdm/kahu/provider"
)

func rangeChecks() []Check {
	const size = 3*mib + 7
	parts := []struct {
		name, promise  string
		offset, length int64
	}{
		{"begin", "A range can begin at the first byte.", 0, 100},
		{"middle", "A range can lie anywhere, over the limits of chunks.", mib - 5, mib + 10},
		{"one-byte", "A range can be a single byte, also the last one.", size - 1, 1},
		{"all", "A range can be the whole object.", 0, size},
		{"over-end", "A range over the end gives the bytes up to the end.", size - 10, mib},
		{"at-end", "A range that begins at the end is empty.", size, 10},
		{"beyond-end", "A range that begins behind the end is empty.", size + 1000, 10},
		{"huge", "A range can ask for more than any object has.", 5, 1<<63 - 1},
		{"zero", "A range of no bytes is empty.", 10, 0},
	}
	checks := make([]Check, 0, len(parts)+1)
	for _, part := range parts {
		checks = append(checks, Check{
			Name:    "range/" + part.name,
			Promise: part.promise,
			Needs:   []provider.Capability{provider.CapabilityRangeDownload},
			run: func(ctx context.Context, s *session) {
				checkRange(ctx, s, pattern(1, size), part.offset, part.length)
			},
		})
	}
	return append(checks, Check{
		Name:    "range/refused",
		Promise: "An offset or a length below zero is refused with InvalidArgument.",
		Needs:   []provider.Capability{provider.CapabilityRangeDownload},
		run:     checkRangeRefused,
	})
}

func checkRange(ctx context.Context, s *session, content []byte, offset, length int64) {
	ranger := require[provider.RangeReader](s, provider.CapabilityRangeDownload)
	name := s.name("object")
	s.upload(ctx, name, content)
	begin := min(offset, int64(len(content)))
	end := begin + min(length, int64(len(content))-begin)
	got, err := readAll(ranger.DownloadRange(ctx,
		provider.RangeRequest{Name: name, Attributes: s.attributes, Offset: offset, Length: length}))
	if err != nil {
		s.Fatalf("reading %d bytes at %d of %d: %v", length, offset, len(content), err)
	}
	if difference := compare(got, content[begin:end]); difference != "" {
		s.Errorf("reading %d bytes at %d of %d: %s", length, offset, len(content), difference)
	}
}

func checkRangeRefused(ctx context.Context, s *session) {
	ranger := require[provider.RangeReader](s, provider.CapabilityRangeDownload)
	name := s.name("object")
	s.upload(ctx, name, []byte("content"))
	for _, request := range []provider.RangeRequest{{Offset: -1, Length: 1}, {Offset: 1, Length: -1}} {
		request.Name, request.Attributes = name, s.attributes
		_, err := readAll(ranger.DownloadRange(ctx, request))
		s.expectClass(fmt.Sprintf("reading %d bytes at %d", request.Length, request.Offset), err,
			provider.ErrInvalidArgument)
	}
}
