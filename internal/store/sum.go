package store

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"

	"github.com/soda-cdm/kahu/internal/core"
)

// digestPrefix names the digest's algorithm, as the provider contract writes it.
const digestPrefix = "sha256:"

// sum is what identifies a content.
type sum struct {
	size   int64
	digest string
}

// sumOf returns the sum of a content.
func sumOf(content []byte) sum {
	found, _ := sumFrom(bytes.NewReader(content)) // Bytes in memory can be read.
	return found
}

// sumFrom reads the content to its end.
func sumFrom(content io.Reader) (sum, error) {
	hash := sha256.New()
	size, err := io.Copy(hash, content)
	return sum{size: size, digest: digestPrefix + hex.EncodeToString(hash.Sum(nil))}, err
}

// check compares what the driver says that it has with what was written. A driver that can say nothing is believed:
// every reader checks again.
func check(ctx context.Context, from reader, name string, want sum) error {
	found, err := from.stat(ctx, name)
	switch {
	case errors.Is(err, core.ErrUnsupported):
		return nil
	case errors.Is(err, core.ErrNotFound):
		return fmt.Errorf("the driver confirmed a file that is not there: %w", core.ErrCorrupt)
	case err != nil:
		return err
	case found.Size != want.size:
		return fmt.Errorf("%d bytes were written and %d are there: %w", want.size, found.Size, core.ErrCorrupt)
	case found.Digest != "" && found.Digest != want.digest:
		return fmt.Errorf("%s was written and %s is there: %w", want.digest, found.Digest, core.ErrCorrupt)
	}
	return nil
}

// holds tells whether the driver has exactly this content under the name. It reads the file where the driver cannot
// give a digest.
func holds(ctx context.Context, from reader, name string, want sum) (bool, error) {
	found, err := from.stat(ctx, name)
	switch {
	case err == nil && found.Size != want.size:
		return false, nil
	case err == nil && found.Digest != "":
		return found.Digest == want.digest, nil
	case err != nil && !errors.Is(err, core.ErrUnsupported):
		return false, err
	}
	content, err := from.open(ctx, name)
	if err != nil {
		return false, err
	}
	defer func() { _ = content.Close() }()
	// One byte more than wanted tells a longer file apart; the rest of it need not be read.
	have, err := sumFrom(io.LimitReader(content, want.size+1))
	return err == nil && have == want, err
}
