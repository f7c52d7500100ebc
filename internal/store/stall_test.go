package store_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/store"
)

// patience is short for a person, and long for a busy machine.
const patience = 500 * time.Millisecond

func TestStalls(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		reason string
		faults func(driver *faulty, stuck <-chan struct{})
		do     func(ctx context.Context, files *store.Store) error
		want   error
	}{
		"DriverTakesNothing": {
			reason: "a driver that does not read is given up",
			faults: func(driver *faulty, stuck <-chan struct{}) {
				driver.content = func(content io.Reader) io.Reader { return held{content, stuck} }
			},
			do: func(ctx context.Context, files *store.Store) error {
				return writeWith(ctx, files, "new", noise(64<<20))
			},
			want: core.ErrUnavailable,
		},
		"DriverConfirmsNothing": {
			reason: "a driver that stored the file and does not say so is asked",
			faults: func(driver *faulty, stuck <-chan struct{}) {
				driver.after = func(call string) error {
					if call == "Create" {
						<-stuck
					}
					return nil
				}
			},
			do: func(ctx context.Context, files *store.Store) error { return writeWith(ctx, files, "new", noise(2<<20)) },
		},
		"DriverGivesNothing": {
			reason: "a driver that sends nothing is given up",
			faults: func(driver *faulty, stuck <-chan struct{}) {
				driver.stream = func(content io.ReadCloser) io.ReadCloser { return torn{held{content, stuck}, content} }
			},
			do: func(ctx context.Context, files *store.Store) error {
				_, err := read(files.Open(ctx, "there"))
				return err
			},
			want: core.ErrUnavailable,
		},
		"DriverDoesNotAnswer": {
			reason: "a call without a stream is given up too",
			faults: func(driver *faulty, stuck <-chan struct{}) {
				driver.before = func(call string) error {
					if call == "List" {
						<-stuck
					}
					return nil
				}
			},
			do: func(ctx context.Context, files *store.Store) error {
				return files.List(ctx, "", func(core.FileInfo) error { return nil })
			},
			want: core.ErrUnavailable,
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			driver, stuck := newFaulty(), make(chan struct{})
			must(t, driver.Store.Upload(t.Context(), "there", nil, bytes.NewReader(noise(100))))
			tc.faults(driver, stuck)
			client := served(t, driver)
			t.Cleanup(func() { close(stuck) })
			files := store.New(client, store.Options{Attempts: 2, CallTime: patience, IdleTime: patience})
			err := tc.do(t.Context(), files)
			if !errors.Is(err, tc.want) {
				t.Errorf("%s: got %v, want %v", tc.reason, err, tc.want)
			}
			if err != nil && strings.Contains(err.Error(), "\n") {
				t.Errorf("%s: people read this in one line: %v", tc.reason, err)
			}
		})
	}
}

// held gives nothing until it is let go.
type held struct {
	content io.Reader
	letGo   <-chan struct{}
}

func (h held) Read(into []byte) (int, error) {
	<-h.letGo
	return h.content.Read(into)
}

// That the writer takes its time is not the driver's fault.
func TestSlowWriterIsNotAStall(t *testing.T) {
	files := store.New(served(t, newFaulty()), store.Options{Attempts: 1, IdleTime: patience})
	file, err := files.Create(t.Context(), "a")
	must(t, err)
	defer file.Abort()
	for range 2 {
		_, err := file.Write(noise(1 << 20))
		must(t, err)
		timer := time.NewTimer(2 * patience)
		<-timer.C
	}
	must(t, file.Commit())
}
