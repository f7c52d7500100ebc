package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"k8s.io/utils/clock"
)

// teller writes the story, each line with the time since its beginning.
type teller struct {
	out   io.Writer
	clock clock.PassiveClock
	begun time.Time
}

func newTeller(out io.Writer, passing clock.PassiveClock) *teller {
	return &teller{out: out, clock: passing, begun: passing.Now()}
}

// chapterf opens a part of the story.
func (t *teller) chapterf(format string, args ...any) {
	_, _ = fmt.Fprintf(t.out, "\n%s\n", fmt.Sprintf(format, args...)) // Where it cannot be shown, nobody reads it.
}

// linef tells one fact.
func (t *teller) linef(format string, args ...any) {
	text := strings.TrimRight(fmt.Sprintf(format, args...), "\n")
	_, _ = fmt.Fprintf(t.out, "%6.1f s  %s\n", t.elapsed().Seconds(), strings.ReplaceAll(text, "\n", "\n          "))
}

func (t *teller) elapsed() time.Duration { return t.clock.Since(t.begun) }
