package volumework_test

import (
	"testing"
	"time"

	"github.com/soda-cdm/kahu/internal/core/volumework"
)

// TestInstants: volumes without a snapshot, and those that failed, have no instant.
func TestInstants(t *testing.T) {
	at := func(second int64) time.Time { return time.Unix(second, 0) }
	cases := map[string]struct {
		outcomes    []volumework.Outcome
		first, last time.Time
	}{
		"Nothing": {},
		"NoSnapshot": {
			outcomes: []volumework.Outcome{{}, {Cut: at(1), Reason: "VolumeBackupFailed"}},
		},
		"One": {outcomes: []volumework.Outcome{{Cut: at(5)}, {}}, first: at(5), last: at(5)},
		"Several": {
			outcomes: []volumework.Outcome{{Cut: at(5)}, {Cut: at(3)}, {Cut: at(9)}, {Cut: at(1), Reason: "a"}, {Cut: at(4)}},
			first:    at(3), last: at(9),
		},
	}
	for name, test := range cases {
		if first, last := volumework.Instants(test.outcomes); !first.Equal(test.first) || !last.Equal(test.last) {
			t.Errorf("%s: %v, %v", name, first, last)
		}
	}
}
