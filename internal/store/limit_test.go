package store_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/store"
)

func TestLimitOfWriters(t *testing.T) {
	driver := newFaulty()
	files := store.New(driver, store.Options{Transfers: 2, IdleTime: 200 * time.Millisecond, Attempts: 1})
	first, second := begin(t, files, "1"), begin(t, files, "2")
	third, err := files.Create(t.Context(), "3")
	must(t, err)
	if err := third.Commit(); !errors.Is(err, core.ErrUnavailable) {
		t.Errorf("with no place left, the third gives %v", err)
	}
	if got := driver.count("Create"); got != 2 {
		t.Errorf("the driver has %d transfers, and the limit is 2", got)
	}
	fourth := make(chan error, 1)
	go func() { fourth <- write(t, files, "4", nil) }()
	must(t, first.Commit())
	must(t, <-fourth)
	must(t, second.Commit())
}

func TestLimitOfReaders(t *testing.T) {
	files := store.New(newFaulty(), store.Options{Transfers: 1, IdleTime: 200 * time.Millisecond, Attempts: 1})
	must(t, write(t, files, "a", []byte("content")))
	must(t, write(t, files, "b", []byte("content"))) // A writer does not need a reader's place.

	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	forgotten, err := files.Open(ctx, "a")
	must(t, err)
	if _, err := files.Open(t.Context(), "b"); !errors.Is(err, core.ErrUnavailable) {
		t.Errorf("with no place left, the second gives %v", err)
	}
	cancel() // The end of the context gives the place back, though nobody closes the stream.
	for range 2 {
		_, err := read(files.Open(t.Context(), "b"))
		must(t, err)
	}
	must(t, forgotten.Close()) // And closing gives no second place back.
	held, err := files.Open(t.Context(), "a")
	must(t, err)
	if _, err := files.Open(t.Context(), "b"); !errors.Is(err, core.ErrUnavailable) {
		t.Errorf("after a place was given back twice, the second gives %v", err)
	}
	must(t, held.Close())
}

// begin begins a file, and waits until the driver has it.
func begin(t *testing.T, files *store.Store, name string) core.FileWriter {
	t.Helper()
	file, err := files.Create(t.Context(), name)
	must(t, err)
	t.Cleanup(file.Abort)
	_, err = file.Write(noise(1 << 20)) // More than is gathered: the driver has taken some of it.
	must(t, err)
	return file
}
