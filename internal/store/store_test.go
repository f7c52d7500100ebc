package store_test

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/store"
	"github.com/soda-cdm/kahu/provider"
	"github.com/soda-cdm/kahu/providers/filesystem"
)

// drivers returns the sorts of drivers over which a Store must be the same.
func drivers(t *testing.T) map[string]provider.Driver {
	t.Helper()
	return map[string]provider.Driver{
		"New":         newFaulty(),
		"Filesystem":  newFilesystem(t.TempDir()),
		"Old":         old{newFaulty()},
		"OverSocket":  served(t, newFaulty()),
		"OldBySocket": served(t, old{newFaulty()}),
	}
}

func newFilesystem(root string) *filesystem.Store {
	return filesystem.New(filesystem.Options{Root: root, Now: time.Now}) //nolint:forbidigo // Files have real times.
}

func TestRoundTrip(t *testing.T) {
	for name, driver := range drivers(t) {
		t.Run(name, func(t *testing.T) {
			files := store.New(driver, store.Options{Prefix: "/team/a/"})
			contents := map[string][]byte{
				"empty":            {},
				"kahu.json":        []byte("{}"),
				"clusters/1/large": noise(3<<20 + 17),
			}
			for name, content := range contents {
				must(t, write(t, files, name, content))
			}
			for name, content := range contents {
				got, err := read(files.Open(t.Context(), name))
				must(t, err)
				if !cmp.Equal(string(content), string(got)) {
					t.Errorf("%s: %d bytes came back as %d others", name, len(content), len(got))
				}
			}
			large := contents["clusters/1/large"]
			for _, part := range [][2]int64{{0, 10}, {1 << 20, 1 << 20}, {3 << 20, 1 << 20}, {9 << 20, 5}, {5, 0}} {
				got, err := read(files.OpenRange(t.Context(), "clusters/1/large", part[0], part[1]))
				must(t, err)
				first := min(part[0], int64(len(large)))
				last := min(part[0]+part[1], int64(len(large)))
				if !cmp.Equal(string(large[first:last]), string(got)) {
					t.Errorf("bytes %d+%d: got %d bytes, want %d", part[0], part[1], len(got), last-first)
				}
			}
			must(t, files.Replace(t.Context(), "kahu.json", []byte("{1}")))
			got, err := read(files.Open(t.Context(), "kahu.json"))
			must(t, err)
			if diff := cmp.Diff("{1}", string(got)); diff != "" {
				t.Errorf("after replacing: %s", diff)
			}
			must(t, files.Remove(t.Context(), "empty"))
			must(t, files.Remove(t.Context(), "empty"))
			if _, err := read(files.Open(t.Context(), "empty")); !errors.Is(err, core.ErrNotFound) {
				t.Errorf("a removed file gives %v", err)
			}
			if _, err := read(files.OpenRange(t.Context(), "empty", 0, 1)); !errors.Is(err, core.ErrNotFound) {
				t.Errorf("a range of a removed file gives %v", err)
			}
		})
	}
}

func TestList(t *testing.T) {
	driver := newFaulty()
	files := store.New(driver, store.Options{Prefix: "team"})
	must(t, write(t, store.New(driver, store.Options{}), "teams/other", nil))
	for _, name := range []string{"b/2", "a", "b/1", "b-", "c"} {
		must(t, write(t, files, name, []byte(name)))
	}
	if diff := cmp.Diff([]string{"a", "b-", "b/1", "b/2", "c"}, names(t, files, "")); diff != "" {
		t.Errorf("all: %s", diff)
	}
	if diff := cmp.Diff([]string{"b/1", "b/2"}, names(t, files, "b/")); diff != "" {
		t.Errorf("below b/: %s", diff)
	}
	enough := errors.New("enough")
	err := files.List(t.Context(), "", func(core.FileInfo) error { return enough })
	if !errors.Is(err, enough) {
		t.Errorf("the visitor's error came back as %v", err)
	}
	err = store.New(old{driver}, store.Options{}).List(t.Context(), "", func(core.FileInfo) error { return nil })
	if !errors.Is(err, core.ErrUnsupported) {
		t.Errorf("listing an old driver gives %v", err)
	}
}

func TestAbortLeavesNothing(t *testing.T) {
	cases := map[string]func(file core.FileWriter, cancel context.CancelFunc){
		"AtOnce":   func(file core.FileWriter, _ context.CancelFunc) { file.Abort() },
		"HalfAWay": func(file core.FileWriter, _ context.CancelFunc) { _, _ = file.Write(noise(2 << 20)); file.Abort() },
		"Twice":    func(file core.FileWriter, _ context.CancelFunc) { file.Abort(); file.Abort() },
		"Cancelled": func(file core.FileWriter, cancel context.CancelFunc) {
			_, _ = file.Write(noise(2 << 20))
			cancel()
			_ = file.Commit()
		},
	}
	for name, end := range cases {
		for kind, driver := range drivers(t) {
			t.Run(name+kind, func(t *testing.T) {
				files := store.New(driver, store.Options{Attempts: 1})
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				file, err := files.Create(ctx, "a/b")
				must(t, err)
				end(file, cancel)
				if err := file.Commit(); err == nil {
					t.Error("a file that was given up can be committed")
				}
				if _, err := read(files.Open(t.Context(), "a/b")); !errors.Is(err, core.ErrNotFound) {
					t.Errorf("reading a file that was given up: %v", err)
				}
			})
		}
	}
}

// The driver learns from the content itself that it was given up: its context may end too late, or not be looked at.
func TestAbortedContentHasNoEnd(t *testing.T) {
	driver := stubborn{newFaulty()}
	files := store.New(driver, store.Options{})
	for range 300 { // A wrong end would be seen now and then only.
		file, err := files.Create(t.Context(), "a")
		must(t, err)
		_, err = file.Write(noise(256 << 10))
		must(t, err)
		file.Abort()
		if found := inside(t, driver); len(found) > 0 {
			t.Fatalf("the driver took the content for whole: %v", found)
		}
	}
}

// stubborn does not look at its context.
type stubborn struct{ *faulty }

func (s stubborn) Create(ctx context.Context, name string, attributes provider.Attributes, content io.Reader) error {
	return s.faulty.Create(context.WithoutCancel(ctx), name, attributes, content)
}

// What is given up leaves no byte on the disk either, not even under a temporary name.
func TestAbortLeavesNothingOnDisk(t *testing.T) {
	root := t.TempDir()
	files := store.New(newFilesystem(root), store.Options{})
	file, err := files.Create(t.Context(), "a/b")
	must(t, err)
	_, err = file.Write(noise(3 << 20))
	must(t, err)
	file.Abort()
	must(t, filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			t.Errorf("%s is left", path)
		}
		return err
	}))
}

// A goroutine of ours that outlives its file would write into what comes later.
func TestNothingRunsAfterTheEnd(t *testing.T) {
	ends := map[string]func(file core.FileWriter){
		"Commit": func(file core.FileWriter) { _ = file.Commit() },
		"Abort":  func(file core.FileWriter) { file.Abort() },
	}
	for name, end := range ends {
		t.Run(name, func(t *testing.T) {
			driver := newFaulty()
			for range 50 {
				file, err := store.New(driver, store.Options{}).Create(t.Context(), "a")
				must(t, err)
				_, err = file.Write(noise(1 << 20))
				must(t, err)
				end(file)
				if running := driver.running(); running != 0 {
					t.Fatalf("%d calls of the driver still run", running)
				}
			}
		})
	}
}

func TestCreateWhatIsThere(t *testing.T) {
	cases := map[string]struct {
		reason string
		there  string
		want   error
	}{
		"Same":      {reason: "the same content is what an earlier attempt stored", there: "content"},
		"Other":     {reason: "another content is somebody else's", there: "contend", want: core.ErrAlreadyExists},
		"Shorter":   {reason: "a part is another content", there: "cont", want: core.ErrAlreadyExists},
		"Longer":    {reason: "more is another content", there: "content and more", want: core.ErrAlreadyExists},
		"EmptyFile": {reason: "nothing is another content", there: "", want: core.ErrAlreadyExists},
	}
	for name, tc := range cases {
		for kind, driver := range drivers(t) {
			t.Run(name+kind, func(t *testing.T) {
				files := store.New(driver, store.Options{})
				must(t, write(t, files, "a/b", []byte(tc.there)))
				if err := write(t, files, "a/b", []byte("content")); !errors.Is(err, tc.want) {
					t.Errorf("%s: got %v, want %v", tc.reason, err, tc.want)
				}
				got, err := read(files.Open(t.Context(), "a/b"))
				must(t, err)
				if diff := cmp.Diff(tc.there, string(got)); diff != "" {
					t.Errorf("%s: the file has changed: %s", tc.reason, diff)
				}
			})
		}
	}
}

// Also a content that the driver did not wait for is compared to its end.
func TestCreateLargeFileThatIsThere(t *testing.T) {
	files := store.New(served(t, newFaulty()), store.Options{})
	content := noise(5 << 20)
	must(t, write(t, files, "a", content))
	must(t, write(t, files, "a", content))
	content[len(content)-1]++
	if err := write(t, files, "a", content); !errors.Is(err, core.ErrAlreadyExists) {
		t.Errorf("a content with another last byte gives %v", err)
	}
}

func TestNamesThatLeaveTheStore(t *testing.T) {
	bad := []string{"", "/", "../a", "a/../../b", "a/./b", "a//b", "/a", "a/", "a\x00b", "a\nb", "\xff", strings.Repeat("a", 256), strings.Repeat("a/", 512) + "a"}
	driver := newFaulty()
	files := store.New(driver, store.Options{Prefix: "p"})
	for _, name := range bad {
		calls := map[string]error{
			"create":  write(t, files, name, nil),
			"replace": files.Replace(t.Context(), name, nil),
			"remove":  files.Remove(t.Context(), name),
		}
		_, calls["open"] = read(files.Open(t.Context(), name))
		_, calls["range"] = read(files.OpenRange(t.Context(), name, 0, 1))
		for call, err := range calls {
			if !errors.Is(err, core.ErrInvalid) {
				t.Errorf("%s %q gives %v", call, name, err)
			}
		}
	}
	if len(driver.calls) != 0 {
		t.Errorf("the driver was called: %v", driver.calls)
	}
}

func TestFlatNames(t *testing.T) {
	driver := newFaulty()
	files := store.New(old{driver}, store.Options{})
	for _, name := range []string{"a/b%2Fc", "a%/b", "a"} {
		must(t, write(t, files, name, []byte(name)))
		got, err := read(files.Open(t.Context(), name))
		must(t, err)
		if diff := cmp.Diff(name, string(got)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	if diff := cmp.Diff([]string{"a", "a%25%2Fb", "a%2Fb%252Fc"}, inside(t, driver)); diff != "" {
		t.Errorf("names at the driver: %s", diff)
	}
	long := strings.Repeat("a/", 100) + "a"
	if err := write(t, files, long, nil); !errors.Is(err, core.ErrInvalid) {
		t.Errorf("a name that is too long once encoded gives %v", err)
	}
}

func TestErrorClasses(t *testing.T) {
	cases := map[string]struct{ fault, want error }{
		"NotFound":           {provider.ErrNotFound, core.ErrNotFound},
		"PermissionDenied":   {provider.ErrPermissionDenied, core.ErrDenied},
		"Unauthenticated":    {provider.ErrUnauthenticated, core.ErrDenied},
		"ResourceExhausted":  {provider.ErrResourceExhausted, core.ErrFull},
		"Unavailable":        {provider.ErrUnavailable, core.ErrUnavailable},
		"Deadline":           {context.DeadlineExceeded, core.ErrUnavailable},
		"GivenUpThere":       {context.Canceled, core.ErrUnavailable},
		"InvalidArgument":    {provider.ErrInvalidArgument, core.ErrInvalid},
		"FailedPrecondition": {provider.ErrFailedPrecondition, core.ErrInvalid},
		"DataLoss":           {provider.ErrDataLoss, core.ErrCorrupt},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			driver := newFaulty()
			driver.before = func(call string) error {
				if call == "Capabilities" {
					return nil
				}
				return tc.fault
			}
			files := store.New(served(t, driver), store.Options{Attempts: 1})
			got := map[string]error{
				"create":  write(t, files, "a", noise(3<<20)),
				"replace": files.Replace(t.Context(), "a", nil),
				"list":    files.List(t.Context(), "", func(core.FileInfo) error { return nil }),
			}
			if !errors.Is(tc.want, core.ErrNotFound) {
				got["remove"] = files.Remove(t.Context(), "a")
			}
			_, got["open"] = read(files.Open(t.Context(), "a"))
			_, got["range"] = read(files.OpenRange(t.Context(), "a", 0, 1))
			for call, err := range got {
				if !errors.Is(err, tc.want) {
					t.Errorf("%s: got %v, want %v", call, err, tc.want)
				}
			}
		})
	}
}

// A full store is told while the content is written, not after all of it was sent.
func TestFullStoreEndsTheWriting(t *testing.T) {
	driver := newFaulty()
	driver.before = times(1, "Create", provider.ErrResourceExhausted)
	file, err := store.New(driver, store.Options{}).Create(t.Context(), "a")
	must(t, err)
	defer file.Abort()
	_, err = io.Copy(file, io.LimitReader(endless{}, 1<<30))
	if !errors.Is(err, core.ErrFull) {
		t.Errorf("writing into a full store gives %v", err)
	}
}

// endless gives zeros without end.
type endless struct{}

func (endless) Read(into []byte) (int, error) { return len(into), nil }
