package ownership_test

import (
	"testing"
	"time"

	"github.com/soda-cdm/kahu/internal/core/ownership"
)

func TestDecide(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, time.March, 1, 2, 3, 4, 0, time.UTC)
	const patience = 3 * time.Hour
	file := ownership.File{Exists: true, Nonce: "theirs"}
	ours := ownership.File{Exists: true, Nonce: "ours", Heir: "b"}
	for name, test := range map[string]struct {
		part    ownership.Part
		verdict ownership.Verdict
		why     ownership.Reason
		left    time.Duration
	}{
		"Quiet":          {part: ownership.Part{File: file, Newest: now.Add(-patience)}, verdict: ownership.Take},
		"WrittenJustNow": {part: ownership.Part{File: file, Newest: now}, verdict: ownership.Later, why: ownership.WrittenRecently, left: patience},
		"WrittenAnHourAgo": {
			part: ownership.Part{File: file, Newest: now.Add(-time.Hour)}, verdict: ownership.Later, why: ownership.WrittenRecently, left: 2 * time.Hour,
		},
		"WrittenInTheFuture": {
			part: ownership.Part{File: file, Newest: now.Add(time.Hour)}, verdict: ownership.Later, why: ownership.WrittenRecently, left: 4 * time.Hour,
		},
		"DecidedThoughRecent": {part: ownership.Part{File: file, Newest: now, Decided: true}, verdict: ownership.Take},
		"AgeUnknown":          {part: ownership.Part{File: file}, verdict: ownership.Refused, why: ownership.AgeUnknown},
		"DecidedThoughUnknown": {
			part: ownership.Part{File: file, Decided: true}, verdict: ownership.Take,
		},
		"NothingThere": {
			part: ownership.Part{Empty: true, Decided: true}, verdict: ownership.Refused, why: ownership.ClusterNotFound,
		},
		"ItsOwn": {
			part: ownership.Part{ClusterID: "b", File: ours, Decided: true}, verdict: ownership.Refused, why: ownership.OwnCluster,
		},
		"NoOwnerFile": {part: ownership.Part{Newest: now}, verdict: ownership.Take},
		"Unreadable": {
			part: ownership.Part{File: ownership.File{Exists: true, Unreadable: true}, Newest: now.Add(-patience)}, verdict: ownership.Refused, why: ownership.NotOwner,
		},
		"DecidedThoughUnreadable": {
			part: ownership.Part{File: ownership.File{Exists: true, Unreadable: true}, Decided: true}, verdict: ownership.Take,
		},
		"Written": {part: ownership.Part{File: ours, Memory: ownership.Memory{Written: "ours"}, Newest: now}, verdict: ownership.Owner},
		"WrittenWithoutKnowing": {
			part: ownership.Part{File: ours, Memory: ownership.Memory{Written: "before", Pending: "ours"}, Newest: now}, verdict: ownership.Owner,
		},
		"WrittenLate": {
			part: ownership.Part{File: ours, Memory: ownership.Memory{Written: "after", Former: "ours"}, Newest: now}, verdict: ownership.Owner,
		},
		// The first writing of its own never came to pass: it is still a first one.
		"NotYetWritten": {
			part:    ownership.Part{File: file, Memory: ownership.Memory{Pending: "ours"}, Newest: now},
			verdict: ownership.Later, why: ownership.WrittenRecently, left: patience,
		},
		"TakenBack": {
			part: ownership.Part{File: file, Memory: ownership.Memory{Written: "ours"}, Newest: now.Add(-patience)}, verdict: ownership.Refused, why: ownership.NotOwner,
		},
		"DecidedOnceMore": {
			part: ownership.Part{File: file, Memory: ownership.Memory{Written: "ours"}, Decided: true}, verdict: ownership.Take,
		},
		"InheritedByAnother": {
			part:    ownership.Part{File: ownership.File{Exists: true, Nonce: "theirs", Heir: "c"}, Newest: now.Add(-patience)},
			verdict: ownership.Refused, why: ownership.NotOwner,
		},
		// This cluster has forgotten it, or is a copy of the one that wrote it.
		"InheritedByItself": {
			part:    ownership.Part{File: ours, Newest: now.Add(-patience)},
			verdict: ownership.Refused, why: ownership.NotOwner,
		},
		"ThatFileIsGone": {part: ownership.Part{Memory: ownership.Memory{Written: "ours"}, Newest: now}, verdict: ownership.Take},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			part := test.part
			if part.ClusterID == "" {
				part.ClusterID = "a"
			}
			part.Self, part.Now, part.Patience = "b", now, patience
			verdict, why, left := ownership.Decide(part)
			if verdict != test.verdict || why != test.why || left != test.left {
				t.Errorf("got %d, %q, %s", verdict, why, left)
			}
		})
	}
}

// TestWrote: an owner file that says nothing is nobody's, also of a cluster that remembers nothing.
func TestWrote(t *testing.T) {
	t.Parallel()
	if (ownership.Memory{}).Wrote(ownership.File{Exists: true}) || (ownership.Memory{Written: "a"}).Wrote(ownership.File{Nonce: "a"}) {
		t.Error("a file that is not there, or is empty, was written by somebody")
	}
}
