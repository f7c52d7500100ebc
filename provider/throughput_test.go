package provider_test

import (
	"context"
	"io"
	"testing"

	"github.com/soda-cdm/kahu/provider"
	"github.com/soda-cdm/kahu/provider/memory"
)

// discarding is a driver that stores nothing and gives zeroes.
type discarding struct{ *memory.Store }

func (discarding) Upload(_ context.Context, _ string, _ provider.Attributes, content io.Reader) error {
	_, err := io.Copy(io.Discard, content)
	return err
}

func (discarding) Download(context.Context, string, provider.Attributes) (io.ReadCloser, error) {
	return io.NopCloser(io.LimitReader(endless{}, benchmarkBytes)), nil
}

const benchmarkBytes = 256 << 20

// BenchmarkUpload and BenchmarkDownload measure what the way through a unix socket costs.
func BenchmarkUpload(b *testing.B) {
	client := dial(b, serve(b, discarding{memory.New(memory.Options{})}))
	b.SetBytes(benchmarkBytes)
	for b.Loop() {
		if err := client.Upload(b.Context(), "x", nil, io.LimitReader(endless{}, benchmarkBytes)); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDownload(b *testing.B) {
	client := dial(b, serve(b, discarding{memory.New(memory.Options{})}))
	b.SetBytes(benchmarkBytes)
	for b.Loop() {
		reader, err := client.Download(b.Context(), "x", nil)
		if err != nil {
			b.Fatal(err)
		}
		if n, err := io.Copy(io.Discard, reader); n != benchmarkBytes || err != nil {
			b.Fatalf("got %d bytes, %v", n, err)
		}
		if err := reader.Close(); err != nil {
			b.Fatal(err)
		}
	}
}
