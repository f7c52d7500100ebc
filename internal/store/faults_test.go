package store_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/utils/clock"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/store"
	"github.com/soda-cdm/kahu/provider"
)

// operations are what a Store does, each with the driver's call behind it. The file "there" is there.
func operations(t *testing.T) map[string]func(files *store.Store) error {
	t.Helper()
	return map[string]func(files *store.Store) error{
		"Create": func(files *store.Store) error { return write(t, files, "new", noise(100<<10)) },
		"Upload": func(files *store.Store) error { return files.Replace(t.Context(), "there", noise(100<<10)) },
		"Delete": func(files *store.Store) error { return files.Remove(t.Context(), "there") },
		"List": func(files *store.Store) error {
			return files.List(t.Context(), "", func(core.FileInfo) error { return nil })
		},
		"Stat": func(files *store.Store) error { return write(t, files, "new", nil) },
		"Download": func(files *store.Store) error {
			_, err := read(files.Open(t.Context(), "there"))
			return err
		},
		"DownloadRange": func(files *store.Store) error {
			_, err := read(files.OpenRange(t.Context(), "there", 1, 2))
			return err
		},
		"Capabilities": func(files *store.Store) error { return files.Remove(t.Context(), "there") },
	}
}

func TestRetry(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		reason string
		fault  error
		times  int
		want   error
		calls  int
	}{
		"Passing":   {reason: "what passes is waited for", fault: provider.ErrUnavailable, times: 3, calls: 4},
		"Staying":   {reason: "the waiting has an end", fault: provider.ErrUnavailable, times: -1, want: core.ErrUnavailable, calls: 4},
		"ForGood":   {reason: "what would be refused again is not repeated", fault: provider.ErrPermissionDenied, times: -1, want: core.ErrDenied, calls: 1},
		"FullStore": {reason: "a full store does not empty itself", fault: provider.ErrResourceExhausted, times: -1, want: core.ErrFull, calls: 1},
	}
	for name, tc := range cases {
		for call, operation := range operations(t) {
			t.Run(name+call, func(t *testing.T) {
				t.Parallel()
				driver := newFaulty()
				must(t, driver.Store.Upload(t.Context(), "there", nil, bytes.NewReader([]byte("content"))))
				driver.before = times(tc.times, call, tc.fault)
				files := store.New(driver, store.Options{Attempts: 4, Clock: &hastyClock{}})
				if err := operation(files); !errors.Is(err, tc.want) {
					t.Errorf("%s: got %v, want %v", tc.reason, err, tc.want)
				}
				if calls := driver.count(call); calls != tc.calls {
					t.Errorf("%s: %d calls, want %d", tc.reason, calls, tc.calls)
				}
			})
		}
	}
}

// The pauses grow, and are not the same for everybody who waits.
func TestPauses(t *testing.T) {
	driver, clk := newFaulty(), &hastyClock{}
	driver.before = times(-1, "Delete", provider.ErrUnavailable)
	_ = store.New(driver, store.Options{Clock: clk}).Remove(t.Context(), "a") // It fails, which another test shows.
	base := 50 * time.Millisecond
	if want := 7; len(clk.waits) != want {
		t.Fatalf("%d pauses, want %d: %v", len(clk.waits), want, clk.waits)
	}
	even := 0
	for i, pause := range clk.waits {
		if pause < base || pause > base+base/2 {
			t.Errorf("pause %d is %s, want %s and up to a half more", i, pause, base)
		}
		if pause == base {
			even++
		}
		base = min(2*base, 4*time.Second)
	}
	if even == len(clk.waits) {
		t.Error("everybody who waits comes back at the same time")
	}
}

// hastyClock is a clock whose timers wait for a hundredth of the time. It remembers for how long they should.
type hastyClock struct {
	clock.RealClock

	mutex sync.Mutex
	waits []time.Duration
}

func (c *hastyClock) NewTimer(wait time.Duration) clock.Timer {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	c.waits = append(c.waits, wait)
	return c.RealClock.NewTimer(wait / 100)
}

func TestCancelEndsTheWaiting(t *testing.T) {
	driver := newFaulty()
	ctx, cancel := context.WithCancel(t.Context())
	driver.before = func(string) error { cancel(); return provider.ErrUnavailable }
	begin := time.Now() //nolint:forbidigo // The waiting is real.
	err := store.New(driver, store.Options{Attempts: 100}).Remove(ctx, "a")
	if err == nil || driver.count("Capabilities") != 1 {
		t.Errorf("got %v after %d calls", err, driver.count("Capabilities"))
	}
	if took := time.Since(begin); took > 10*time.Second { //nolint:forbidigo // The waiting is real.
		t.Errorf("it took %s", took)
	}
}

// An answer that is lost does not say whether the file was stored: the content that is there does.
func TestLostAnswer(t *testing.T) {
	for name, size := range map[string]int{"Held": 10, "TooLargeToHold": 5 << 20} {
		t.Run(name, func(t *testing.T) {
			driver := newFaulty()
			driver.after = times(1, "Create", provider.ErrUnavailable)
			files := store.New(driver, store.Options{})
			must(t, write(t, files, "a", noise(size)))
			if diff := cmp.Diff([]string{"a"}, names(t, files, "")); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// A stream that breaks in its middle begins again where its beginning is held, and fails where not.
func TestBrokenUpload(t *testing.T) {
	cases := map[string]struct {
		size int
		want error
	}{
		"Held":           {size: 900 << 10},
		"TooLargeToHold": {size: 5 << 20, want: core.ErrUnavailable},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			driver := newFaulty()
			breaks := true
			driver.content = func(content io.Reader) io.Reader {
				if !breaks {
					return content
				}
				breaks = false
				return io.MultiReader(io.LimitReader(content, int64(tc.size)*3/4), broken{})
			}
			files := store.New(driver, store.Options{})
			err := write(t, files, "a", noise(tc.size))
			if !errors.Is(err, tc.want) {
				t.Fatalf("got %v, want %v", err, tc.want)
			}
			if tc.want != nil {
				if found := inside(t, driver); len(found) != 0 {
					t.Errorf("a broken upload left %v", found)
				}
				return
			}
			got, err := read(files.Open(t.Context(), "a"))
			must(t, err)
			if !bytes.Equal(got, noise(tc.size)) {
				t.Errorf("%d bytes became %d others", tc.size, len(got))
			}
		})
	}
}

// broken is a connection that is gone.
type broken struct{}

func (broken) Read([]byte) (int, error) {
	return 0, fmt.Errorf("connection reset: %w", provider.ErrUnavailable)
}

// A read that breaks off goes on where it ended, byte for byte.
func TestBrokenDownload(t *testing.T) {
	t.Parallel()
	content := noise(1 << 20)
	cases := map[string]struct {
		reason string
		driver func(driver *faulty) provider.Driver
		breaks int32
		want   error
	}{
		"Once":       {reason: "by a range", breaks: 1, driver: func(d *faulty) provider.Driver { return d }},
		"Often":      {reason: "as often as is allowed", breaks: 3, driver: func(d *faulty) provider.Driver { return d }},
		"WithoutEnd": {reason: "but not for ever", breaks: 1000, want: core.ErrUnavailable, driver: func(d *faulty) provider.Driver { return d }},
		"Old":        {reason: "from the beginning, where there are no ranges", breaks: 3, driver: func(d *faulty) provider.Driver { return old{d} }},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			driver := newFaulty()
			files := store.New(tc.driver(driver), store.Options{Attempts: 4, Clock: &hastyClock{}})
			must(t, write(t, files, "a", content))
			var broke atomic.Int32
			driver.stream = func(stream io.ReadCloser) io.ReadCloser {
				if broke.Add(1) > tc.breaks {
					return stream
				}
				// Fewer bytes than the way to the place of the last break would mean no progress.
				return torn{io.MultiReader(io.LimitReader(stream, 300<<10), broken{}), stream}
			}
			for part, open := range map[string]struct {
				want   []byte
				stream func() (io.ReadCloser, error)
			}{
				"whole": {content, func() (io.ReadCloser, error) { return files.Open(t.Context(), "a") }},
				"part":  {content[100:900_000], func() (io.ReadCloser, error) { return files.OpenRange(t.Context(), "a", 100, 900_000-100) }},
			} {
				broke.Store(0)
				got, err := read(open.stream())
				if !errors.Is(err, tc.want) {
					t.Fatalf("%s: %s: got %v, want %v", part, tc.reason, err, tc.want)
				}
				if err == nil && !bytes.Equal(got, open.want) {
					t.Errorf("%s: %s: %d bytes came back as %d others", part, tc.reason, len(open.want), len(got))
				}
			}
		})
	}
}

// torn is a stream with another reader.
type torn struct {
	io.Reader
	io.Closer
}

// A driver that gives more than it was asked for is found out.
func TestTooLongRange(t *testing.T) {
	driver := newFaulty()
	files := store.New(driver, store.Options{})
	must(t, write(t, files, "a", noise(1000)))
	driver.stream = func(stream io.ReadCloser) io.ReadCloser {
		return torn{io.MultiReader(stream, bytes.NewReader([]byte("more"))), stream}
	}
	if _, err := read(files.OpenRange(t.Context(), "a", 10, 10)); !errors.Is(err, core.ErrCorrupt) {
		t.Errorf("got %v", err)
	}
}

// What a driver reports as stored must be there.
func TestWrongDriversAreFoundOut(t *testing.T) {
	ctx := t.Context()
	cases := map[string]func(driver *faulty) provider.Driver{
		"Truncates": func(driver *faulty) provider.Driver {
			driver.content = func(content io.Reader) io.Reader { return drained{io.LimitReader(content, 10), content} }
			return driver
		},
		"StopsReading": func(driver *faulty) provider.Driver {
			driver.content = func(content io.Reader) io.Reader { return io.LimitReader(content, 10) }
			return driver
		},
		"OldStopsReading": func(driver *faulty) provider.Driver {
			driver.content = func(content io.Reader) io.Reader { return io.LimitReader(content, 10) }
			return old{driver}
		},
		"Alters": func(driver *faulty) provider.Driver {
			driver.content = func(content io.Reader) io.Reader {
				return io.MultiReader(bytes.NewReader([]byte("x")), drained{io.LimitReader(skipped{content}, 1<<20), content})
			}
			return driver
		},
		"Forgets": func(driver *faulty) provider.Driver {
			driver.after = func(call string) error {
				if call == "Create" || call == "Upload" {
					return driver.Store.Delete(ctx, "a", nil)
				}
				return nil
			}
			return driver
		},
	}
	for name, wrong := range cases {
		t.Run(name, func(t *testing.T) {
			files := store.New(wrong(newFaulty()), store.Options{})
			if err := write(t, files, "a", noise(1000)); !errors.Is(err, core.ErrCorrupt) {
				t.Errorf("creating: got %v", err)
			}
			if name == "Truncates" || name == "Forgets" {
				if err := files.Replace(t.Context(), "a", noise(1000)); !errors.Is(err, core.ErrCorrupt) {
					t.Errorf("replacing: got %v", err)
				}
			}
		})
	}
}

// drained gives a part of a content, and reads the rest of it at the end.
type drained struct {
	part, rest io.Reader
}

func (d drained) Read(into []byte) (int, error) {
	n, err := d.part.Read(into)
	if err == io.EOF {
		_, _ = io.Copy(io.Discard, d.rest)
	}
	return n, err
}

// skipped leaves out one byte.
type skipped struct{ content io.Reader }

func (s skipped) Read(into []byte) (int, error) {
	n, err := s.content.Read(into)
	return max(n-1, 0), err
}

// TestCommitTellsOfTheContext: that a driver has seen nothing but that its source was closed does not hide why.
func TestCommitTellsOfTheContext(t *testing.T) {
	driver := newFaulty()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	driver.after = func(call string) error {
		if call != "Create" {
			return nil
		}
		cancel()
		return io.ErrClosedPipe
	}
	file, err := store.New(driver, store.Options{Attempts: 1}).Create(ctx, "a")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(file, "content"); err != nil {
		t.Fatal(err)
	}
	if err := file.Commit(); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}
