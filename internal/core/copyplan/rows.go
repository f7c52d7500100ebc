package copyplan

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/soda-cdm/kahu/internal/core"
)

// Wish is a copy that is asked for.
type Wish struct {
	// Location is where, Token tells one question from the next about the same location.
	Location, Token string
}

// Phase is how far a copy has come.
type Phase int

// The phases of a copy.
const (
	// Waiting: it has not been begun, or will be tried again.
	Waiting Phase = iota
	// Running: it is being made.
	Running
	// Made: it is at its location.
	Made
	// GivenUp: it is not made any more.
	GivenUp
	// Leaving: nobody wants it any more, and what was sent of it is being removed.
	Leaving
)

// Row is what is known of a copy.
type Row struct {
	Wish

	Phase Phase
	// Tries is how often it was begun, and Due when it is tried again; zero where that is at once.
	Tries int
	Due   time.Time
	// Reason and Message say why it waits or was given up.
	Reason, Message string
}

// Sync returns the rows that belong to the wishes: those that there are, with a new question begun anew, those that are new,
// and, as Leaving, those of which something may have been sent and that nobody wishes any more. One that was made, given up
// or never begun goes without more.
func Sync(wishes []Wish, rows []Row) []Row {
	var synced []Row
	for _, row := range rows {
		switch at := slices.IndexFunc(wishes, func(wish Wish) bool { return wish.Location == row.Location }); {
		case at < 0 && isUnfinished(row):
			row.Phase, row.Due = Leaving, time.Time{}
			synced = append(synced, row)
		case at >= 0 && row.Phase != Leaving && wishes[at].Token != row.Token:
			synced = append(synced, Row{Wish: wishes[at]})
		case at >= 0:
			synced = append(synced, row)
		}
	}
	for _, wish := range wishes {
		if !slices.ContainsFunc(synced, func(row Row) bool { return row.Location == wish.Location }) {
			synced = append(synced, Row{Wish: wish})
		}
	}
	return synced
}

// isUnfinished tells whether something of a copy may lie at its location that is no copy.
func isUnfinished(row Row) bool {
	return row.Phase == Leaving || row.Tries > 0 && (row.Phase == Waiting || row.Phase == Running)
}

// Next returns which row is dealt with now: what is going on, before what nobody wants any more, before the one that waits
// and was due first. Where there is none, wait says how long it is until there is one; 0 for never.
func Next(rows []Row, now time.Time) (at int, wait time.Duration) {
	for _, phase := range []Phase{Running, Leaving} {
		if at := slices.IndexFunc(rows, func(row Row) bool { return row.Phase == phase }); at >= 0 {
			return at, 0
		}
	}
	at = -1
	for i, row := range rows {
		if row.Phase == Waiting && (at < 0 || row.Due.Before(rows[at].Due)) {
			at = i
		}
	}
	if at >= 0 && rows[at].Due.After(now) {
		return -1, rows[at].Due.Sub(now)
	}
	return at, 0
}

const (
	// MaxTries bounds how often a copy is begun: with the pauses, for about six hours.
	MaxTries = 20
	// firstPause is the time between the first try and the second. Each further pause is twice as long, up to longest.
	firstPause = 5 * time.Second
	longest    = 30 * time.Minute
)

// Pause returns the time after that many tries.
func Pause(tries int) time.Duration {
	pause := firstPause
	for range tries - 1 {
		pause = min(2*pause, longest)
	}
	return pause
}

// SourceError says that a file of the backup itself could not be read.
type SourceError struct {
	// File is the name of the file at the location.
	File string
	// Err is why.
	Err error
}

// Error names the file.
func (e *SourceError) Error() string {
	return "reading " + e.File + " at the location of the backup: " + e.Err.Error()
}

// Unwrap returns why.
func (e *SourceError) Unwrap() error { return e.Err }

// IsLasting tells whether a copy that ended with the error would end so whenever it is tried: what is to be copied is
// damaged or gone, or it must not be copied there. Everything else may be mended, by itself or by a person.
func IsLasting(err error) bool {
	if _, refused := errors.AsType[*RefusedError](err); refused {
		return true
	}
	_, ofSource := errors.AsType[*SourceError](err)
	return ofSource && (errors.Is(err, core.ErrCorrupt) || errors.Is(err, core.ErrNotFound) || errors.Is(err, core.ErrUnsupported))
}

// Ended returns the row of a copy whose try ended with the error, or without one.
func Ended(row Row, err error, reason string, now time.Time) Row {
	row.Due = time.Time{}
	switch {
	case err == nil:
		row.Phase, row.Reason, row.Message = Made, reason, ""
	case IsLasting(err):
		row.Phase, row.Reason, row.Message = GivenUp, reason, err.Error()
	case row.Tries >= MaxTries:
		row.Phase, row.Reason = GivenUp, reason
		row.Message = fmt.Sprintf("given up after %d tries, of which the last one ended with: %s", row.Tries, err.Error())
	default:
		pause := Pause(row.Tries)
		row.Phase, row.Reason, row.Due = Waiting, reason, now.Add(pause)
		row.Message = fmt.Sprintf("try %d of %d ended early, the next one begins in %s: %s", row.Tries, MaxTries, pause, err.Error())
	}
	return row
}

// Seen returns the row of a copy after its location was looked through, and whether that changes it. One that is gone is not made
// again by itself: a person may have deleted it. One that comes back, from a copy of the store, is made.
func Seen(row Row, there bool) (seen Row, changed bool) {
	switch {
	case row.Phase == Made && !there:
		row.Phase, row.Reason = GivenUp, Gone
		row.Message = "the copy was made, and its manifest is not there any more: unless somebody has deleted it on purpose, find " +
			"out who removed it; ask for it again with kubectl kahu backup copy, or take its entry out of spec.copies"
	case row.Phase == GivenUp && row.Reason == Gone && there:
		row.Phase, row.Reason, row.Message = Made, Back, "it was gone for a while"
	default:
		return row, false
	}
	return row, true
}

// Back is the reason of a copy that was gone and is there again.
const Back = "Copied"

// Verdict is what all copies of a backup together are like.
type Verdict struct {
	// Made, GivenUp and Failing count the copies that are there, will not be, and could not be made so far.
	Made, GivenUp, Failing int
	// Reason and Message are those of the first one that is given up or could not be made so far, and empty where there is
	// none.
	Reason, Message string
}

// isFailing tells whether a copy could not be made so far, though it will be tried again.
func (r Row) isFailing() bool {
	return (r.Phase == Waiting || r.Phase == Running) && r.Reason != "" && r.Tries > 0
}

// Judge sums the rows up.
func Judge(rows []Row) Verdict {
	var verdict Verdict
	var worst []string
	for _, row := range rows {
		switch {
		case row.Phase == Made:
			verdict.Made++
			continue
		case row.Phase == GivenUp:
			verdict.GivenUp++
		case row.isFailing():
			verdict.Failing++
		default:
			continue
		}
		if verdict.Reason == "" || row.Phase == GivenUp && verdict.GivenUp == 1 {
			verdict.Reason = row.Reason
		}
		worst = append(worst, "to "+row.Location+": "+row.Message)
	}
	verdict.Message = strings.Join(worst, "; ")
	return verdict
}
