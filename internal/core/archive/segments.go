package archive

import (
	"fmt"
	"sync/atomic"
)

// SegmentNamer gives the segments of one attempt their names. It is safe for use by several packers at once.
type SegmentNamer struct {
	clusterID string
	attempt   string
	last      atomic.Int32
}

// NewSegmentNamer returns a namer that begins with number 1, or core.ErrInvalid for ids that cannot be in a name.
func NewSegmentNamer(clusterID, attempt string) (*SegmentNamer, error) {
	if err := CheckClusterID(clusterID); err != nil {
		return nil, err
	}
	if err := CheckAttempt(attempt); err != nil {
		return nil, fmt.Errorf("naming segments: %w", err)
	}
	return &SegmentNamer{clusterID: clusterID, attempt: attempt}, nil
}

// Next returns the next name. After the 999,999th the names are ones that a Packer refuses.
func (n *SegmentNamer) Next() string {
	return SegmentID{ClusterID: n.clusterID, Attempt: n.attempt, Number: int(n.last.Add(1))}.Name()
}
