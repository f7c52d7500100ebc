package collection_test

import (
	"context"
	"io"
	"math/rand/v2"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/archive"
	"github.com/soda-cdm/kahu/internal/engine/removal"
	"github.com/soda-cdm/kahu/internal/store"
)

// fate is when a worker sleeps, and when it dies.
type fate struct {
	nap  time.Duration // the longest of the short ones
	long time.Duration // the longest of the long ones; 0: there are none

	mu     sync.Mutex
	random *rand.Rand
	left   int // so many calls to stores; less than 0: it lives for ever
}

// once in so many calls a worker sleeps, and sleeps for long, and where what it knows may become old just then.
const (
	napOnce   = 4
	longOnce  = 400
	dwellOnce = 4
	dwellTime = time.Second
)

// before is called before each call.
func (f *fate) before() {
	f.mu.Lock()
	dies := f.left == 0 && f.random.IntN(2) == 0
	var nap time.Duration
	switch {
	case f.nap > 0 && f.random.IntN(napOnce) == 0:
		nap = time.Duration(f.random.Int64N(int64(f.nap)))
	case f.long > 0 && f.random.IntN(longOnce) == 0:
		nap = time.Duration(f.random.Int64N(int64(f.long)))
	}
	f.mu.Unlock()
	if dies {
		die()
	}
	time.Sleep(nap) //nolint:forbidigo // So that others come in between.
}

// dwell is called where somebody has looked, and is about to act on what was seen: with an intent, or with a removal.
func (f *fate) dwell() {
	if f.long > 0 && f.number(dwellOnce) == 0 {
		time.Sleep(time.Duration(f.number(int(dwellTime)))) //nolint:forbidigo // So that others come in between.
	}
}

// after is called after each call.
func (f *fate) after() {
	f.mu.Lock()
	dies := f.left == 0
	f.left--
	f.mu.Unlock()
	if dies {
		die()
	}
}

func (f *fate) number(below int) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.random.IntN(below)
}

// die ends the process at once: nothing of it runs any more.
func die() {
	_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	select {}
}

// files are a store for a worker with its fate.
type files struct {
	*store.Store

	fate *fate
}

func (f *files) List(ctx context.Context, prefix string, visit func(file core.FileInfo) error) error {
	f.fate.before()
	defer f.fate.after()
	return f.Store.List(ctx, prefix, visit)
}

func (f *files) Open(ctx context.Context, name string) (io.ReadCloser, error) {
	f.fate.before()
	defer f.fate.after()
	return f.Store.Open(ctx, name)
}

func (f *files) OpenRange(ctx context.Context, name string, offset, length int64) (io.ReadCloser, error) {
	f.fate.before()
	defer f.fate.after()
	return f.Store.OpenRange(ctx, name, offset, length)
}

func (f *files) Holds(ctx context.Context, name string, size int64, digest string) (bool, error) {
	f.fate.before()
	defer f.fate.after()
	return f.Store.Holds(ctx, name, size, digest)
}

func (f *files) Replace(ctx context.Context, name string, content []byte) error {
	f.fate.before()
	defer f.fate.after()
	return f.Store.Replace(ctx, name, content)
}

func (f *files) Remove(ctx context.Context, name string) error {
	_, isSegment := archive.ParseSegmentName(name)
	if _, isManifest := archive.ParseManifestName(name); isSegment || isManifest {
		f.fate.dwell()
	}
	f.fate.before()
	defer f.fate.after()
	return f.Store.Remove(ctx, name)
}

func (f *files) Create(ctx context.Context, name string) (core.FileWriter, error) {
	f.fate.before()
	defer f.fate.after()
	writer, err := f.Store.Create(ctx, name)
	if err != nil {
		return nil, err
	}
	id, is := archive.ParseBackupFile(name)
	return &writing{FileWriter: writer, fate: f.fate, intent: is && id.IsIntent(name)}, nil
}

// writing is a file that becomes real.
type writing struct {
	core.FileWriter

	fate   *fate
	intent bool
}

func (w *writing) Commit() error {
	if w.intent {
		w.fate.dwell()
	}
	w.fate.before()
	defer w.fate.after()
	return w.FileWriter.Commit()
}

// blind does not see intents.
type blind struct{ removal.CollectionFiles }

func (b blind) List(ctx context.Context, prefix string, visit func(file core.FileInfo) error) error {
	return b.CollectionFiles.List(ctx, prefix, func(file core.FileInfo) error {
		if id, is := archive.ParseBackupFile(file.Name); is && id.IsIntent(file.Name) {
			return nil
		}
		return visit(file)
	})
}
