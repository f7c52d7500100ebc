package collection

import (
	"iter"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/soda-cdm/kahu/internal/core/archive"
)

// Reason says why segments are kept.
type Reason string

// The reasons, the strongest first.
const (
	// Named: a manifest names them.
	Named Reason = "Named"
	// UnderWay: the intent of a run that is under way names their attempt.
	UnderWay Reason = "UnderWay"
	// Abandoned: the intent of a run that was found abandoned just now names their attempt. The intent goes first, so that
	// the run cannot come back, and they the next time.
	Abandoned Reason = "Abandoned"
	// Unknown: there is a manifest, or the intent of a run under way, of which nobody can say what it names.
	Unknown Reason = "Unknown"
	// Young: something of the attempt was written not long ago.
	Young Reason = "Young"
	// Undated: the store does not say when they were written.
	Undated Reason = "Undated"
)

// Garbage are segments of an attempt that nobody needs.
type Garbage struct {
	// Attempt is the attempt that wrote them.
	Attempt string

	clusterID string
	numbers   numbers
}

// Count returns how many they are.
func (g Garbage) Count() int { return g.numbers.count() }

// Names returns their names, the last ones first.
func (g Garbage) Names() iter.Seq[string] {
	return func(yield func(string) bool) {
		g.numbers.descending(func(number int) bool {
			return yield(archive.SegmentID{ClusterID: g.clusterID, Attempt: g.Attempt, Number: number}.Name())
		})
	}
}

// Verdict is what a survey comes to.
type Verdict struct {
	// Garbage are the segments to remove, by attempt.
	Garbage []Garbage
	// Folders are the backups in whose folders something lies that belongs to no backup: see Leftovers. They are dealt
	// with before the garbage.
	Folders []archive.BackupID
	// Kept is how many segments stay, and why.
	Kept map[Reason]int
	// Unknown are the backups of which nobody can say what they need. While there are any, no segment is removed.
	Unknown []archive.BackupID
}

// Empty tells whether nothing is to be removed.
func (v *Verdict) Empty() bool { return len(v.Garbage) == 0 && len(v.Folders) == 0 }

// Decide says what nobody needs. It changes nothing.
func (s *Survey) Decide() Verdict {
	verdict := Verdict{Kept: map[Reason]int{}}
	held := map[string]Reason{}
	for _, id := range s.sorted() {
		s.judge(id, held, &verdict)
	}
	for _, name := range slices.Sorted(maps.Keys(s.attempts)) {
		of := s.attempts[name]
		free := of.there.without(of.named)
		verdict.keep(Named, of.there.count()-free.count())
		if free.count() == 0 {
			continue
		}
		if reason := of.reason(held[name], s.terms, len(verdict.Unknown) > 0); reason != "" {
			verdict.keep(reason, free.count())
			continue
		}
		verdict.Garbage = append(verdict.Garbage, Garbage{Attempt: name, clusterID: s.clusterID, numbers: free})
	}
	return verdict
}

func (v *Verdict) keep(reason Reason, count int) {
	if count > 0 {
		v.Kept[reason] += count
	}
}

func (s *Survey) sorted() []archive.BackupID {
	return slices.SortedFunc(maps.Keys(s.backups), func(a, b archive.BackupID) int { return strings.Compare(a.Folder(), b.Folder()) })
}

// judge says of one backup which attempts it holds, and whether something of its folder is nobody's.
func (s *Survey) judge(id archive.BackupID, held map[string]Reason, verdict *Verdict) {
	of := s.backups[id]
	idle := !s.terms.Running(id) && s.isIdle(of)
	switch {
	case of.manifest == read:
		if idle && of.files > of.own {
			verdict.Folders = append(verdict.Folders, id)
		}
	case of.manifest == absent && idle:
		verdict.Folders = append(verdict.Folders, id)
		hold(held, of.attempts, Abandoned)
	case of.isUnknown():
		verdict.Unknown = append(verdict.Unknown, id)
	default:
		hold(held, of.attempts, UnderWay)
	}
}

// isUnknown tells whether nobody can say what a backup that is there, or a run that is under way, needs.
func (b *backup) isUnknown() bool {
	return b.reckless || b.manifest == unreadable && len(b.attempts) == 0
}

func hold(held map[string]Reason, attempts []string, reason Reason) {
	for _, attempt := range attempts {
		if held[attempt] != UnderWay {
			held[attempt] = reason
		}
	}
}

// isIdle tells whether nothing of the attempts at a backup was written for the time of grace.
func (s *Survey) isIdle(of *backup) bool {
	newest := of.newest
	for _, name := range of.attempted {
		if found := s.attempts[name]; found != nil && found.newest.After(newest) {
			newest = found.newest
		}
	}
	return of.files > 0 && !of.undated && s.terms.isOld(newest)
}

// isOld tells whether the time is longer ago than the grace.
func (t *Terms) isOld(modified time.Time) bool {
	if t.Grace == 0 {
		return true
	}
	return !t.Now.IsZero() && !modified.IsZero() && t.Now.Sub(modified) >= t.Grace
}

// reason returns why segments that no manifest names are kept; empty where they are not.
func (a *attempt) reason(held Reason, terms Terms, unknown bool) Reason {
	switch {
	case held != "":
		return held
	case unknown:
		return Unknown
	case terms.isOld(a.newest):
		return ""
	case terms.Now.IsZero() || a.newest.IsZero():
		return Undated
	}
	return Young
}
