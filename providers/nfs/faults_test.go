package nfs_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/soda-cdm/kahu/internal/testkit/nfsserver"
	"github.com/soda-cdm/kahu/provider"
	"github.com/soda-cdm/kahu/providers/nfs"
)

const mib = 1 << 20

// content returns bytes of which no two blocks are alike.
func content(size int) []byte {
	result := make([]byte, size)
	for i := range result {
		result[i] = byte(i>>16) ^ byte(i>>8)*3 ^ byte(i)*7
	}
	return result
}

// expectContent reports an object that has not a content.
func expectContent(t *testing.T, store *nfs.Store, name string, at provider.Attributes, want []byte) {
	t.Helper()
	reader, err := store.Download(t.Context(), name, at)
	if err != nil {
		t.Fatalf("opening %s: %v", name, err)
	}
	defer reader.Close()
	got, err := io.ReadAll(reader)
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("%s has %d bytes that are not the %d stored ones, %v", name, len(got), len(want), err)
	}
}

// TestLostAnswers loses the answer to each request that changes or finds something. The server has carried it out, and
// carries it out a second time.
func TestLostAnswers(t *testing.T) {
	const exist, noEntry = 17, 2
	server := nfsserver.Start(t, nfsserver.Options{})
	for name, test := range map[string]struct {
		procedure uint32
		second    uint32 // What the server says the second time.
		call      func(ctx context.Context, store *nfs.Store, at provider.Attributes) error
	}{
		"creation, file":     {create, 0, creating},
		"creation, folder":   {mkdir, exist, creating},
		"creation, data":     {write, 0, creating},
		"creation, commit":   {commit, 0, creating},
		"creation, place":    {link, exist, creating},
		"creation, clearing": {remove, noEntry, creating},
		"upload, place":      {rename, noEntry, uploading},
		"upload, limits":     {fsInfo, 0, uploading},
		"deletion":           {remove, noEntry, deleting},
		"finding a file":     {lookup, 0, deleting},
		"finding the export": {getAttr, 0, deleting},
		"reading":            {read, 0, reading},
		"listing":            {readDirPlus, 0, listing},
		"an upload over an object": {rename, noEntry, func(ctx context.Context, store *nfs.Store, at provider.Attributes) error {
			return store.Upload(ctx, "kept", at, bytes.NewReader(kept()))
		}},
	} {
		for how, fault := range map[string]fault{"closed": closed, "cut": cut, "hung": hung} {
			t.Run(name+", "+how, func(t *testing.T) {
				direct := newStore(t, nfs.Options{})
				at := attributesOf(server, provider.Attributes{nfs.AttributePath: folderOf(t)})
				if err := direct.Upload(t.Context(), "kept", at, bytes.NewReader(kept())); err != nil {
					t.Fatal(err)
				}
				between := startProxy(t, server)
				between.loseNext(test.procedure, fault)
				behind := between.attributes(server, provider.Attributes{nfs.AttributePath: at[nfs.AttributePath]})
				if err := test.call(t.Context(), impatient(t), behind); err != nil {
					t.Errorf("the call failed: %v", err)
				}
				got := between.answers(test.procedure)
				if !between.isLost(test.procedure) || len(got) < 2 || test.second != 0 && !slices.Contains(got, test.second) {
					t.Errorf("the server answered %v: the test has lost nothing, or the server did it once", got)
				}
				expectContent(t, direct, "kept", at, kept())
				expectEmpty(t, filepath.Join(server.Root, at[nfs.AttributePath], nfs.PartialFolder))
			})
		}
	}
}

// TestOtherAnswers has servers that say once that something is gone, or that they are not ready.
func TestOtherAnswers(t *testing.T) {
	const stale, badCookie, jukebox = 70, 10003, 10008
	server := nfsserver.Start(t, nfsserver.Options{})
	for name, test := range map[string]struct {
		procedure uint32
		state     fault
		call      func(ctx context.Context, store *nfs.Store, at provider.Attributes) error
	}{
		"a folder goes while a file is looked for": {lookup, stale, reading},
		"a file is replaced before it is read":     {read, stale, readingShort},
		"the export is made anew":                  {getAttr, stale, reading},
		"a folder goes while a file is put in it":  {link, stale, creating},
		"the folder of a file goes":                {rename, stale, uploading},
		"a folder changes while it is read":        {readDirPlus, badCookie, listing},
		"the server is not ready to write":         {write, jukebox, creating},
		"the server is not ready to link":          {link, jukebox, creating},
	} {
		t.Run(name, func(t *testing.T) {
			direct, folder := newStore(t, nfs.Options{}), provider.Attributes{nfs.AttributePath: folderOf(t)}
			if err := direct.Upload(t.Context(), "kept", attributesOf(server, folder), bytes.NewReader(kept())); err != nil {
				t.Fatal(err)
			}
			between := startProxy(t, server)
			between.loseNext(test.procedure, test.state)
			if err := test.call(t.Context(), impatient(t), between.attributes(server, folder)); err != nil {
				t.Errorf("the call failed: %v", err)
			}
			if !between.isLost(test.procedure) {
				t.Error("the server was not asked")
			}
		})
	}
}

// folderOf returns the name of a folder for a test.
func folderOf(t *testing.T) string {
	t.Helper()
	return strings.Map(func(r rune) rune {
		if r == '/' || r == ' ' {
			return '-'
		}
		return r
	}, t.Name())
}

func kept() []byte { return content(3*mib + 5) }

func creating(ctx context.Context, store *nfs.Store, at provider.Attributes) error {
	if err := store.Create(ctx, "folder/new", at, bytes.NewReader(kept())); err != nil {
		return err
	}
	return expectSame(ctx, store, "folder/new", at)
}

func uploading(ctx context.Context, store *nfs.Store, at provider.Attributes) error {
	if err := store.Upload(ctx, "folder/new", at, bytes.NewReader(kept())); err != nil {
		return err
	}
	return expectSame(ctx, store, "folder/new", at)
}

func reading(ctx context.Context, store *nfs.Store, at provider.Attributes) error {
	return expectSame(ctx, store, "kept", at)
}

// readingShort reads an object that is read at once.
func readingShort(ctx context.Context, store *nfs.Store, at provider.Attributes) error {
	if err := store.Upload(ctx, "short", at, strings.NewReader("short")); err != nil {
		return err
	}
	found, err := store.Stat(ctx, "short", at)
	if err == nil && found.Size != 5 {
		return errors.New("the object has another length")
	}
	return err
}

func expectSame(ctx context.Context, store *nfs.Store, name string, at provider.Attributes) error {
	reader, err := store.Download(ctx, name, at)
	if err != nil {
		return err
	}
	defer reader.Close()
	if got, err := io.ReadAll(reader); err != nil || !bytes.Equal(got, kept()) {
		return errors.Join(errors.New("the content is another one"), err)
	}
	return nil
}

func deleting(ctx context.Context, store *nfs.Store, at provider.Attributes) error {
	if err := store.Upload(ctx, "gone/away", at, strings.NewReader("x")); err != nil {
		return err
	}
	if err := store.Delete(ctx, "gone/away", at); err != nil {
		return err
	}
	if exists, err := store.Exists(ctx, "gone/away", at); err != nil || exists {
		return errors.Join(errors.New("the object is still there"), err)
	}
	return nil
}

func listing(ctx context.Context, store *nfs.Store, at provider.Attributes) error {
	page, err := store.List(ctx, provider.ListRequest{Attributes: at})
	if err == nil && (len(page.Objects) != 1 || page.Objects[0].Name != "kept") {
		return errors.New("the listing is wrong")
	}
	return err
}

// TestLostRefusal loses the answer to a creation that found an object: it must not be taken for a success.
func TestLostRefusal(t *testing.T) {
	server := nfsserver.Start(t, nfsserver.Options{})
	between := startProxy(t, server)
	at, store := between.attributes(server, nil), impatient(t)
	if err := store.Create(t.Context(), "object", at, strings.NewReader("first")); err != nil {
		t.Fatal(err)
	}
	between.loseNext(link, closed)
	err := store.Create(t.Context(), "object", at, strings.NewReader("second"))
	if !errors.Is(err, provider.ErrAlreadyExists) || !between.isLost(link) {
		t.Errorf("got %v, want %v", err, provider.ErrAlreadyExists)
	}
	expectContent(t, store, "object", at, []byte("first"))
	expectEmpty(t, filepath.Join(server.Root, nfs.PartialFolder))
}

// TestRestartLosesData kills the server in the middle of an upload, and loses what it had not committed, as a crash of
// the machine would. It is there again within a second, so that its verifier is the same.
func TestRestartLosesData(t *testing.T) {
	const committed = 8 * mib // What the driver has had committed by then: one batch.
	server := nfsserver.Start(t, nfsserver.Options{})
	store, at := impatient(t), attributesOf(server, nil)
	want := content(20*mib + 3)
	interrupted := &interruptedReader{content: want, at: 13 * mib, during: func() {
		hidden := filepath.Join(server.Root, nfs.PartialFolder)
		entries, err := os.ReadDir(hidden)
		if err != nil || len(entries) != 1 {
			t.Fatalf("in the hidden folder there are %v, %v", entries, err)
		}
		path := filepath.Join(hidden, entries[0].Name())
		waitForSize(t, path, 12*mib)
		server.Stop()
		if err := os.Truncate(path, committed); err != nil {
			t.Fatal(err)
		}
		server.Run()
	}}
	if err := store.Create(t.Context(), "object", at, interrupted); err != nil {
		t.Fatal(err)
	}
	expectContent(t, store, "object", at, want)
	expectEmpty(t, filepath.Join(server.Root, nfs.PartialFolder))
}

// TestVerifierChanges has a server that says, when it is to commit, that it was started anew.
func TestVerifierChanges(t *testing.T) {
	const blocks = 13 // What the content is written in.
	server := nfsserver.Start(t, nfsserver.Options{})
	between := startProxy(t, server)
	between.loseNext(commit, changed)
	if err := creating(t.Context(), impatient(t), between.attributes(server, nil)); err != nil {
		t.Fatal(err)
	}
	if commits, writes := len(between.answers(commit)), len(between.answers(write)); commits != 2 || writes != 2*blocks {
		t.Errorf("there were %d commits and %d writes, want 2 and %d", commits, writes, 2*blocks)
	}
}

// waitForSize waits until a file has grown, which somebody else makes it do.
func waitForSize(t *testing.T, path string, size int64) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for {
		info, err := os.Stat(path)
		if err != nil || ctx.Err() != nil {
			t.Fatalf("the file does not grow to %d bytes: %v, %v", size, info, err)
		}
		if info.Size() >= size {
			return
		}
		next, cancel := context.WithTimeout(ctx, 5*time.Millisecond)
		<-next.Done()
		cancel()
	}
}

// interruptedReader is a content in whose middle something happens.
type interruptedReader struct {
	content []byte
	at      int
	during  func()
	given   int
}

// Read implements io.Reader.
func (r *interruptedReader) Read(buffer []byte) (int, error) {
	if r.given == len(r.content) {
		return 0, io.EOF
	}
	end := len(r.content)
	if r.given < r.at {
		end = r.at
	} else if r.during != nil {
		r.during()
		r.during = nil
	}
	n := copy(buffer, r.content[r.given:end])
	r.given += n
	return n, nil
}

// TestExportIsMadeAnew replaces the folder that is exported: the handle that the driver has is of no use any more.
func TestExportIsMadeAnew(t *testing.T) {
	server := nfsserver.Start(t, nfsserver.Options{})
	store, at := impatient(t), attributesOf(server, nil)
	if err := store.Upload(t.Context(), "object", at, strings.NewReader("x")); err != nil {
		t.Fatal(err)
	}
	server.Stop()
	if err := errors.Join(os.RemoveAll(server.Root), os.Mkdir(server.Root, 0o700), os.Chmod(server.Root, 0o777)); err != nil {
		t.Fatal(err)
	}
	server.Run()
	if exists, err := store.Exists(t.Context(), "object", at); err != nil || exists {
		t.Errorf("an object of the folder that is gone: %v, %v", exists, err)
	}
	if err := store.Upload(t.Context(), "object", at, strings.NewReader("y")); err != nil {
		t.Error(err)
	}
}

func TestNobodyAnswers(t *testing.T) {
	server := nfsserver.Start(t, nfsserver.Options{})
	store := newStore(t, nfs.Options{Silence: 200 * time.Millisecond, Patience: 500 * time.Millisecond})
	at := attributesOf(server, nil)
	if err := store.Upload(t.Context(), "object", at, strings.NewReader("x")); err != nil {
		t.Fatal(err)
	}
	server.Stop()
	for call, err := range everyCall(t, store, "object", at) {
		if !errors.Is(err, provider.ErrUnavailable) {
			t.Errorf("%s: got %v, want %v", call, err, provider.ErrUnavailable)
		}
	}
	patient := newStore(t, nfs.Options{})
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := patient.Exists(ctx, "object", at); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a call that nobody waits for: got %v, want %v", err, context.DeadlineExceeded)
	}
}

// everyCall makes each call to an object and returns the errors.
func everyCall(t *testing.T, store *nfs.Store, name string, at provider.Attributes) map[string]error {
	t.Helper()
	ctx := t.Context()
	errs := map[string]error{
		"upload": store.Upload(ctx, name, at, strings.NewReader("y")),
		"create": store.Create(ctx, name+"-created", at, strings.NewReader("y")),
	}
	_, errs["exists"] = store.Exists(ctx, name, at)
	_, errs["stat"] = store.Stat(ctx, name, at)
	reader, err := store.Download(ctx, name, at)
	if err == nil {
		_ = reader.Close()
	}
	errs["download"] = err
	_, errs["list"] = store.List(ctx, provider.ListRequest{Attributes: at})
	errs["delete"] = store.Delete(ctx, name, at)
	return errs
}
