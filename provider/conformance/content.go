package conformance

import (
	"context"
	"fmt"

	"github.com/soda-cdm/kahu/provider"
)

const (
	kib = 1 << 10
	mib = 1 << 20
)

func contentChecks() []Check {
	sizes := []struct {
		name string
		size int
	}{
		{"empty", 0},
		{"one-byte", 1},
		{"chunk-less-one", provider.ChunkBytes - 1},
		{"chunk", provider.ChunkBytes},
		{"chunk-and-one", provider.ChunkBytes + 1},
		{"large", 20 * mib},
	}
	checks := make([]Check, 0, len(sizes)+1)
	for _, size := range sizes {
		checks = append(checks, Check{
			Name:    "content/" + size.name,
			Promise: fmt.Sprintf("What is stored comes back byte for byte: %d bytes.", size.size),
			run: func(ctx context.Context, s *session) {
				content := pattern(uint64(size.size), size.size) //nolint:gosec // small and positive
				name := s.name("object")
				s.upload(ctx, name, content)
				s.expectContent(ctx, name, content)
			},
		})
	}
	return append(checks, Check{
		Name:    "content/read-after-write",
		Promise: "A call that begins after an upload has ended sees what it stored.",
		run:     checkReadAfterWrite,
	})
}

func checkReadAfterWrite(ctx context.Context, s *session) {
	const rounds = 50
	name := s.name("object")
	for i := range uint64(rounds) {
		content := pattern(i, kib)
		s.upload(ctx, name, content)
		s.expectContent(ctx, name, content)
		s.expectPresent(ctx, name)
	}
}
