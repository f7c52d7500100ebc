package archive

import (
	"errors"
	"fmt"

	"github.com/klauspost/compress/zstd"
)

// Compression is how hard a Packer tries to make segments small. Readers need not know: all of it is zstd.
type Compression string

// The levels. For configuration and secrets, Balanced makes segments that are 4 to 7 % smaller in about three times the
// time, Smallest saves as much again in about 25 times.
const (
	Fastest  Compression = "" // was half of all the work of a backup when it was Balanced
	Balanced Compression = "Balanced"
	Smallest Compression = "Smallest"
)

// Packers is the most packers that a level may have side by side, of those that are wanted: each one of Smallest holds 36 MB.
func (c Compression) Packers(wanted int) int {
	if c == Smallest {
		return 1
	}
	return wanted
}

// The sample of a frame that tells whether it is worth the effort of a stronger level: its length in bytes, and the part of
// it, in percent, that must be saved.
const (
	sampleSize   = 32 << 10
	sampleSaving = 3
)

// compressor compresses frames, each on its own, without goroutines.
type compressor struct {
	fastest *zstd.Encoder
	strong  *zstd.Encoder // nil where the fastest is wanted
	sample  []byte
}

// newCompressor returns the compressor of a level, or core.ErrInvalid.
func newCompressor(level Compression) (*compressor, error) {
	fastest, err := newBlockEncoder(zstd.SpeedFastest)
	if err != nil {
		return nil, err
	}
	c := &compressor{fastest: fastest}
	switch level {
	case Fastest:
		return c, nil
	case Balanced:
		c.strong, err = newBlockEncoder(zstd.SpeedDefault)
	case Smallest:
		c.strong, err = newBlockEncoder(zstd.SpeedBestCompression)
	default:
		return nil, invalid("no compression is called %q: there are Balanced, Smallest and none", clip(string(level)))
	}
	return c, err
}

// compress appends the compressed frame to target.
func (c *compressor) compress(frame, target []byte) []byte {
	if c.strong == nil || !c.pays(frame) {
		return c.fastest.EncodeAll(frame, target)
	}
	return c.strong.EncodeAll(frame, target)
}

// pays tells from the middle of a frame whether compression makes it smaller. The fastest level stores what it cannot make
// smaller as it is, after a glance; stronger ones take their time to find that out.
func (c *compressor) pays(frame []byte) bool {
	if len(frame) <= 2*sampleSize {
		return true
	}
	middle := (len(frame) - sampleSize) / 2
	c.sample = c.fastest.EncodeAll(frame[middle:middle+sampleSize], c.sample[:0])
	return len(c.sample)*100 <= sampleSize*(100-sampleSaving)
}

// close ends the encoders.
func (c *compressor) close() error {
	err := c.fastest.Close()
	if c.strong != nil {
		err = errors.Join(err, c.strong.Close())
	}
	return err
}

// newBlockEncoder compresses blocks in memory, each on its own, without goroutines.
func newBlockEncoder(level zstd.EncoderLevel) (*zstd.Encoder, error) {
	encoder, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderCRC(true),
		zstd.WithEncoderLevel(level), zstd.WithWindowSize(windowSize), zstd.WithLowerEncoderMem(true))
	if err != nil {
		return nil, fmt.Errorf("making a zstd encoder: %w", err)
	}
	return encoder, nil
}
