package verify_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/archive"
	"github.com/soda-cdm/kahu/internal/core/damage"
	"github.com/soda-cdm/kahu/internal/core/selection"
	"github.com/soda-cdm/kahu/internal/engine"
	"github.com/soda-cdm/kahu/internal/engine/restore"
	engineverify "github.com/soda-cdm/kahu/internal/engine/verify"
	"github.com/soda-cdm/kahu/internal/testkit/fakecluster"
	"github.com/soda-cdm/kahu/internal/testkit/world"
)

// shelf is a store that holds what a test puts there.
type shelf map[string][]byte

func (s shelf) Open(_ context.Context, name string) (io.ReadCloser, error) {
	content, found := s[name]
	if !found {
		return nil, fmt.Errorf("%s: %w", name, core.ErrNotFound)
	}
	return io.NopCloser(bytes.NewReader(content)), nil
}

func (s shelf) OpenRange(ctx context.Context, name string, offset, length int64) (io.ReadCloser, error) {
	if content, found := s[name]; found {
		from := min(offset, int64(len(content)))
		return io.NopCloser(bytes.NewReader(content[from:min(from+length, int64(len(content)))])), nil
	}
	return s.Open(ctx, name)
}

// with returns a copy in which one file has another content; nil takes it away.
func (s shelf) with(name string, content []byte) shelf {
	changed := maps.Clone(s)
	delete(changed, name)
	if content != nil {
		changed[name] = content
	}
	return changed
}

// shelve backs up what the cluster has and returns the files.
func shelve(w *world.World) shelf {
	w.T.Helper()
	if _, err := w.Backup("one", selection.Filters{}); err != nil {
		w.T.Fatal(err)
	}
	return shelfOf(w)
}

// shelfOf returns all files.
func shelfOf(w *world.World) shelf {
	files := shelf{}
	for _, each := range w.Names() {
		files[each] = w.Content(each)
	}
	return files
}

func verifyOne(t *testing.T, files engine.FileReader) (engineverify.Result, error) {
	t.Helper()
	use := &engineverify.Runner{Clock: world.New(t).Clock, Readers: 2}
	return use.Run(t.Context(), engineverify.Request{Backup: world.ID("one")}, files)
}

// restoreShelf restores everything into an empty cluster and returns what is in it then.
func restoreShelf(t *testing.T, files engine.FileReader) (map[string]string, error) {
	t.Helper()
	target := fakecluster.New(world.AllKinds()...)
	use := &restore.Runner{Cluster: target, Clock: world.New(t).Clock, Creators: 2, Patience: world.Patience}
	_, err := use.Run(t.Context(), restore.Request{
		Backup: world.ID("one"), ID: world.RestoreID, Attempt: "attempt1", Confirm: func(context.Context) error { return nil },
	}, world.ReadOnly{FileReader: files})
	return target.Contents(), err
}

// judge checks what must hold whatever happened to one file: it is named, and nothing but the right objects is restored.
func judge(t *testing.T, what, name string, files shelf, want map[string]string) {
	t.Helper()
	result, err := verifyOne(t, files)
	if newer := new(archive.NewerFormatError); errors.As(err, &newer) && name == world.ID("one").ManifestName() {
		t.Errorf("%s: a damaged manifest is taken for a newer one: %v", what, err)
	}
	gone := errors.Is(err, core.ErrNotFound) && name == world.ID("one").ManifestName()
	named := slices.ContainsFunc(result.Damaged, func(row damage.Row) bool { return row.File == name })
	if !named && !gone || err != nil && !gone {
		t.Errorf("%s: verify says %v and %+v", what, err, result.Damaged)
	}
	for _, row := range result.Damaged {
		if row.File != name {
			t.Errorf("%s: verify says that %s is damaged: %s", what, row.File, row.Message)
		}
	}
	got, err := restoreShelf(t, files)
	if err != nil && len(got) > 0 {
		t.Errorf("%s: restore created %d objects and then said %v", what, len(got), err)
	}
	if diff := cmp.Diff(want, got); err == nil && diff != "" {
		t.Errorf("%s: restored other objects: %s", what, diff)
	}
	unneeded := name == world.ID("one").ReportName() || name == world.ID("one").IntentName()
	if unneeded != (err == nil) {
		t.Errorf("%s: restore says %v", what, err)
	}
}

// small is a backup of a few objects, whose bytes can be gone through one by one.
func small(t *testing.T) (shelf, map[string]string) {
	t.Helper()
	w := world.New(t)
	w.Workers = 1
	w.Cluster.Put(t, world.Namespaces, "", "shop", `{}`)
	w.Cluster.Put(t, world.ConfigMaps, "shop", "settings", `{"data":{"key":"value"}}`)
	w.Cluster.Put(t, world.Secrets, "shop", "password", `{"data":{"key":"dmFsdWU="}}`)
	return shelve(w), w.Cluster.Contents()
}

// TestEveryByte flips every byte of every file of a small backup in turn, in several ways: a bit, the case of a letter,
// the highest bit, all of it.
func TestEveryByte(t *testing.T) {
	files, want := small(t)
	if len(files) != 5 {
		t.Fatalf("the backup has %d files", len(files))
	}
	flips := 0
	for name, content := range files {
		t.Run(name[strings.LastIndex(name, "/")+1:], func(t *testing.T) {
			for at := range content {
				for _, mask := range []byte{0x01, 0x20, 0x80, 0xff} {
					changed := bytes.Clone(content)
					changed[at] ^= mask
					flips++
					judge(t, fmt.Sprintf("byte %d ^ %#x", at, mask), name, files.with(name, changed), want)
				}
			}
		})
	}
	t.Logf("%d flips", flips)
	if flips < 4*2000 {
		t.Errorf("only %d flips", flips)
	}
}

// TestEveryLength cuts every file of a small backup at every length, and appends to it.
func TestEveryLength(t *testing.T) {
	files, want := small(t)
	for name, content := range files {
		t.Run(name[strings.LastIndex(name, "/")+1:], func(t *testing.T) {
			for length := range content {
				judge(t, fmt.Sprintf("%d bytes", length), name, files.with(name, content[:length]), want)
			}
			for what, tail := range map[string]string{
				"a line break": "\n", "a zero": "\x00", "a letter": "x", "a space": " ", "itself": string(content),
			} {
				judge(t, what+" appended", name, files.with(name, append(bytes.Clone(content), tail...)), want)
			}
			judge(t, "removed", name, files.with(name, nil), want)
		})
	}
}

// TestSwapped puts each file of a backup in the place of another one, and each file of a backup of the same name that
// was made before in the place of its successor.
func TestSwapped(t *testing.T) {
	files, want := small(t)
	before := world.New(t)
	before.Workers = 1
	before.Cluster.Put(t, world.Namespaces, "", "shop", `{}`)
	before.Cluster.Put(t, world.ConfigMaps, "shop", "settings", `{"data":{"key":"older"}}`)
	old := shelve(before)
	for name, content := range files {
		for other, instead := range files {
			if name != other {
				judge(t, fmt.Sprintf("%s in place of %s", other, name), name, files.with(name, instead), want)
			}
		}
		if instead := old[name]; instead != nil && !bytes.Equal(instead, content) && name != world.ID("one").ManifestName() {
			judge(t, "older "+name, name, files.with(name, instead), want)
		}
	}
	// An older manifest is a backup of its own: none of the newer files is what it names.
	result, err := verifyOne(t, files.with(world.ID("one").ManifestName(), old[world.ID("one").ManifestName()]))
	if err != nil || result.DamagedTotal < 2 {
		t.Errorf("an older manifest: %v, %+v", err, result)
	}
	if got, err := restoreShelf(t, files.with(world.ID("one").ManifestName(), old[world.ID("one").ManifestName()])); err == nil || len(got) > 0 {
		t.Errorf("an older manifest: restored %v, %v", got, err)
	}
}

// TestVerifyWhole: random backups are found whole, whatever is held at once, and everything is read.
func TestVerifyWhole(t *testing.T) {
	w := world.New(t)
	w.Workers = 3
	for i := range 7 {
		w.Cluster.Put(t, world.Namespaces, "", fmt.Sprintf("ns-%d", i), `{}`)
	}
	for i := range 300 {
		w.Cluster.Put(t, world.ConfigMaps, fmt.Sprintf("ns-%d", i%7), fmt.Sprintf("m-%d", i), fmt.Sprintf(`{"data":{"n":"%d"}}`, i))
	}
	w.Cluster.Put(t, world.Secrets, "ns-1", "password", `{"data":{"key":"dmFsdWU="}}`)
	w.Shop()
	files := shelve(w)
	var size int64
	for name, content := range files {
		if name != world.ID("one").ManifestName() {
			size += int64(len(content))
		}
	}
	objects := int64(len(w.Cluster.Contents()))
	for _, batch := range []int{0, 1, 100} {
		use := &engineverify.Runner{Clock: w.Clock, Readers: 3, Batch: batch}
		var shown engine.Progress
		result, err := use.Run(t.Context(), engineverify.Request{
			Backup: world.ID("one"), Show: func(progress engine.Progress) { shown = progress },
		}, files)
		want := engineverify.Result{Files: int64(len(files)), Bytes: size, Objects: objects, ObjectsTotal: objects}
		if diff := cmp.Diff(want, result); err != nil || diff != "" {
			t.Errorf("batch %d: %v\n%s", batch, err, diff)
		}
		if shown.Total != objects {
			t.Errorf("batch %d: shown %+v", batch, shown)
		}
	}
}

// TestVerifyNamesObjects: of a backup with several segments, the damage of one concerns the objects in it and no others.
func TestVerifyNamesObjects(t *testing.T) {
	w := world.New(t)
	w.Cluster.Put(t, world.Namespaces, "", "shop", `{}`)
	for i := range 60 {
		w.Cluster.Put(t, world.ConfigMaps, "shop", fmt.Sprintf("m-%02d", i), fmt.Sprintf(`{"data":{"n":"%d"}}`, i))
		w.Cluster.Put(t, world.Secrets, "shop", fmt.Sprintf("s-%02d", i), fmt.Sprintf(`{"data":{"n":"%d"}}`, i))
	}
	w.BackupInParts()
	files := shelfOf(w)
	perSegment := map[string][]core.Key{}
	for _, record := range w.Records() {
		perSegment[record.Frame.Segment] = append(perSegment[record.Frame.Segment], record.Key())
	}
	if len(perSegment) < 2 {
		t.Fatalf("%d segments", len(perSegment))
	}
	for segment, keys := range perSegment {
		for what, damaged := range map[string]shelf{"inverted": files.with(segment, inverted(files[segment])), "gone": files.with(segment, nil)} {
			result, err := verifyOne(t, damaged)
			if err != nil || len(result.Damaged) != 1 || result.DamagedObjects != int64(len(keys)) {
				t.Fatalf("%s %s: %v, %+v", segment, what, err, result)
			}
			row := result.Damaged[0]
			for _, key := range row.Objects {
				if !slices.Contains(keys, key) {
					t.Errorf("%s %s: names %s, which is elsewhere", segment, what, key)
				}
			}
			if row.ObjectsTotal != int64(len(keys)) || len(row.Objects) != min(len(keys), damage.MaxObjects) {
				t.Errorf("%s %s: %+v", segment, what, row)
			}
			if wantPlace := what == "inverted"; wantPlace != (row.Offset == 0 && row.Length > 0) {
				t.Errorf("%s %s: at %d, %d bytes", segment, what, row.Offset, row.Length)
			}
			created, err := restoreShelf(t, damaged)
			if !errors.Is(err, core.ErrCorrupt) || len(created) > 0 {
				t.Fatalf("%s %s: restored %v, %v", segment, what, created, err)
			}
			if message := err.Error(); !strings.Contains(message, segment) || !strings.Contains(message, row.Objects[0].String()) {
				t.Errorf("%s %s: the restore says neither file nor object: %s", segment, what, message)
			}
			if sum := result.Objects + result.DamagedObjects; sum != 121 {
				t.Errorf("%s %s: %d objects are whole or damaged", segment, what, sum)
			}
		}
	}
}

// inverted is content with no bit as it was. Where a single bit is flipped, it may be one that stands for nothing, such as one in
// the end of a tar: the file is damaged, and every object in it is whole.
func inverted(content []byte) []byte {
	changed := bytes.Clone(content)
	for i := range changed {
		changed[i] ^= 0xff
	}
	return changed
}

// failing is a store of which one file cannot be read.
type failing struct {
	shelf
	name string
	err  error
}

func (f failing) Open(ctx context.Context, name string) (io.ReadCloser, error) {
	if name == f.name {
		return nil, f.err
	}
	return f.shelf.Open(ctx, name)
}

// TestVerifyTellsDamageFromSilence: a store that does not answer is not a damaged backup.
func TestVerifyTellsDamageFromSilence(t *testing.T) {
	files, _ := small(t)
	for name := range files {
		result, err := verifyOne(t, failing{files, name, core.ErrUnavailable})
		if !errors.Is(err, core.ErrUnavailable) || result.DamagedTotal != 0 {
			t.Errorf("%s: %v, %+v", name, err, result.Damaged)
		}
	}
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	for name := range files {
		use := &engineverify.Runner{Clock: world.New(t).Clock, Readers: 2}
		_, err := use.Run(cancelled, engineverify.Request{Backup: world.ID("one")}, failing{files, name, cancelled.Err()})
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%s: cancelled, and got %v", name, err)
		}
	}
}

// TestVerifySample: a sample reads a part of the frames, at least one, the same ones for the same seed, and notices a
// segment that is gone, shorter or longer whether it reads of it or not.
func TestVerifySample(t *testing.T) {
	w := world.New(t)
	w.Workers = 1
	w.Cluster.Put(t, world.Namespaces, "", "shop", `{}`)
	for i := range 39 {
		w.Cluster.Put(t, world.ConfigMaps, "shop", fmt.Sprintf("m-%02d", i),
			fmt.Sprintf(`{"data":{"n":%q}}`, strings.Repeat(fmt.Sprint(i), 100_000)))
	}
	files := shelve(w)
	use := &engineverify.Runner{Clock: w.Clock, Readers: 2}
	sample := func(share float64, seed uint64, files shelf) engineverify.Result {
		result, err := use.Run(t.Context(), engineverify.Request{
			Backup: world.ID("one"), Sample: damage.Sample{Share: share, Seed: seed},
		}, files)
		if err != nil {
			t.Fatal(err)
		}
		return result
	}
	different := map[int64]bool{}
	for seed := range uint64(20) {
		once, least := sample(0.3, seed, files), sample(1e-9, seed, files)
		if diff := cmp.Diff(once, sample(0.3, seed, files)); diff != "" || once.DamagedTotal > 0 {
			t.Errorf("seed %d: %s %+v", seed, diff, once.Damaged)
		}
		if once.Objects < 1 || once.Objects == 40 || least.Objects < 1 || least.Objects > once.Objects {
			t.Errorf("seed %d: read %d and %d of 40 objects", seed, once.Objects, least.Objects)
		}
		different[once.Bytes] = true
	}
	if len(different) < 5 {
		t.Errorf("20 seeds choose %d different samples", len(different))
	}
	for name, content := range files {
		if _, ok := archive.ParseSegmentName(name); !ok {
			continue
		}
		for what, changed := range map[string][]byte{
			"gone": nil, "shorter": content[:len(content)-1], "longer": append(bytes.Clone(content), 0),
		} {
			if result := sample(1e-9, 1, files.with(name, changed)); result.DamagedTotal == 0 || result.Damaged[0].File != name {
				t.Errorf("%s: %+v", what, result)
			}
		}
	}
}
