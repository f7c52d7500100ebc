package damage

import (
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"math"
	"strconv"
	"strings"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/archive"
)

// Sample is the part of a backup that is read. The zero value is all of it.
type Sample struct {
	// Share is the part of the frames that is read, more than 0 and less than 1; 0 means all of them.
	Share float64
	// Seed decides which: the same seed chooses the same frames of the same backup.
	Seed uint64
}

// ParseShare reads a share such as 10% or 0.5%. An empty text and 100% mean everything, which is 0. Everything else is
// core.ErrInvalid.
func ParseShare(text string) (float64, error) {
	if text == "" {
		return 0, nil
	}
	number, found := strings.CutSuffix(text, "%")
	percent, err := strconv.ParseFloat(number, 64)
	if !found || err != nil || math.IsNaN(percent) || percent <= 0 || percent > 100 {
		return 0, fmt.Errorf("%q is no share: write a number above 0 and up to 100 with a percent sign, such as 10%%: %w",
			text[:min(len(text), 40)], core.ErrInvalid)
	}
	if percent == 100 {
		return 0, nil
	}
	return percent / 100, nil
}

// Whole tells whether everything is read.
func (s Sample) Whole() bool { return s.Share == 0 }

// Has tells whether the frame is read.
func (s Sample) Has(frame archive.FrameRef) bool { return s.Whole() || s.Rank(frame) < s.Share }

// AtLeast returns the sample, grown where needed so that it has the frame of that rank.
func (s Sample) AtLeast(rank float64) Sample {
	if !s.Whole() {
		s.Share = max(s.Share, math.Nextafter(rank, 2))
	}
	return s
}

// Rank is where the seed puts the frame among all of them, from 0 to 1: the sample is those of the lowest ranks.
func (s Sample) Rank(frame archive.FrameRef) float64 {
	hash := fnv.New64a()
	var words [16]byte
	binary.LittleEndian.PutUint64(words[:8], s.Seed)
	binary.LittleEndian.PutUint64(words[8:], uint64(frame.Offset)) //nolint:gosec // Any bits will do.
	_, _ = hash.Write(words[:])
	_, _ = hash.Write([]byte(frame.Segment))
	return float64(mix(hash.Sum64())) / math.MaxUint64
}

// mix spreads what the hash leaves in its low bits over all of them.
func mix(x uint64) uint64 {
	x ^= x >> 33
	x *= 0xff51afd7ed558ccd
	x ^= x >> 33
	x *= 0xc4ceb9fe1a85ec53
	return x ^ x>>33
}
