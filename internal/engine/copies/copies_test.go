package copies_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/utils/clock"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/archive"
	"github.com/soda-cdm/kahu/internal/core/copyplan"
	"github.com/soda-cdm/kahu/internal/engine/copies"
	"github.com/soda-cdm/kahu/provider"
)

// TestCopy: the copy has the bytes of the backup and nothing else, the intent came first and the manifest last.
func TestCopy(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	manifest := w.plain("a", 5)
	w.plain("other", 2)
	target := &counting{Store: w.to}
	result, err := w.copy(t.Context(), w.from, target, request("a"))
	if err != nil {
		t.Fatal(err)
	}
	want := contents(t, w.from)
	for name := range want {
		if strings.Contains(name, "other") {
			delete(want, name)
		}
	}
	if diff := cmp.Diff(want, contents(t, w.to)); diff != "" {
		t.Errorf("(-source +target):\n%s", diff)
	}
	size := copyplan.Size(&manifest)
	if want := (copies.Progress{Files: 8, FilesTotal: 8, Sent: size, Total: size}); result.Progress != want || result.Left != "" {
		t.Errorf("got %+v, want %+v", result, want)
	}
	if first := target.created[0]; first != id("a").IntentNameOf("copy1") {
		t.Errorf("%s came first", first)
	}
	if last := target.created[len(target.created)-1]; last != id("a").ManifestName() {
		t.Errorf("%s came last", last)
	}
}

// TestCopyIncremental: of a backup that refers to the segments of others, those that the target has are not sent again, and
// the others are.
func TestCopyIncremental(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	base := w.plain("base", 3)
	between := w.plain("between", 2, base.Segments[:2]...)
	w.plain("last", 1, base.Segments[0], between.Segments[2])
	if _, err := w.copy(t.Context(), w.from, w.to, request("between")); err != nil {
		t.Fatal(err)
	}
	target := &counting{Store: w.to}
	result, err := w.copy(t.Context(), w.from, target, request("last"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{base.Segments[0].Name, between.Segments[2].Name} {
		if slices.Contains(target.created, name) {
			t.Errorf("%s was sent again", name)
		}
	}
	if result.Present != base.Segments[0].Size+between.Segments[2].Size {
		t.Errorf("%+v", result)
	}
	for _, name := range []string{"between", "last"} {
		if there, err := isWhole(t, w.to, name); !there || err != nil {
			t.Errorf("%s: %t %v", name, there, err)
		}
	}
	if there, _ := isWhole(t, w.to, "base"); there {
		t.Error("the base was copied, which nobody asked for")
	}
	if _, sent := contents(t, w.to)[base.Segments[2].Name]; sent {
		t.Error("a segment was sent that nobody refers to")
	}
}

// TestCopyAgain: a copy that is whole costs no bytes, and one that lacks a file gets that file.
func TestCopyAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	manifest := w.plain("a", 3)
	if _, err := w.copy(t.Context(), w.from, w.to, request("a")); err != nil {
		t.Fatal(err)
	}
	again := request("a")
	again.Attempt = "copy2"
	target := &counting{Store: w.to}
	result, err := w.copy(t.Context(), w.from, target, again)
	if err != nil || result.Sent != 0 || len(target.created) != 0 || result.Present != copyplan.Size(&manifest) {
		t.Errorf("%+v, %v: %v", result, err, target.created)
	}
	lost := manifest.Segments[1]
	if err := w.to.Delete(t.Context(), lost.Name, nil); err != nil {
		t.Fatal(err)
	}
	if result, err = w.copy(t.Context(), w.from, w.to, again); err != nil || result.Sent != lost.Size {
		t.Errorf("%+v, %v", result, err)
	}
	if there, err := isWhole(t, w.to, "a"); !there || err != nil {
		t.Errorf("%t %v", there, err)
	}
}

// TestCopyResumes: what an interrupted try has sent is not sent again.
func TestCopyResumes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.plain("a", 6)
	sent := 0
	target := &counting{Store: w.to, before: func(name string) error {
		if strings.Contains(name, "/segments/") {
			if sent++; sent > 2 {
				return provider.ErrUnavailable
			}
		}
		return nil
	}}
	use := request("a")
	first, err := (&copies.Copy{Clock: clock.RealClock{}, Senders: 1}).Run(t.Context(), use, files(w.from), files(target))
	if !errors.Is(err, core.ErrUnavailable) || copyplan.IsLasting(err) || first.Sent == 0 {
		t.Fatalf("%+v, %v", first, err)
	}
	if _, there := contents(t, w.to)[id("a").IntentNameOf("copy1")]; !there {
		t.Error("the intent is gone")
	}
	use.Attempt = "copy2"
	second, err := w.copy(t.Context(), w.from, w.to, use)
	if err != nil || second.Present != first.Sent || second.Sent+second.Present != second.Total {
		t.Errorf("%+v after %+v, %v", second, first, err)
	}
	for name := range contents(t, w.to) {
		if id("a").IsIntent(name) && name != id("a").IntentName() {
			t.Errorf("%s is still there", name)
		}
	}
}

// TestCopyDamaged: what is damaged or gone at the source is named, is not copied, and the copy does not come to be.
func TestCopyDamaged(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		file  func(manifest archive.Manifest) string
		spoil func(t *testing.T, w *world, name string)
		class error
	}{
		"Segment":  {file: func(m archive.Manifest) string { return m.Segments[1].Name }, spoil: flip, class: core.ErrCorrupt},
		"Index":    {file: func(m archive.Manifest) string { return m.Index.Name }, spoil: flip, class: core.ErrCorrupt},
		"Intent":   {file: func(m archive.Manifest) string { return m.Intent.Name }, spoil: flip, class: core.ErrCorrupt},
		"Manifest": {file: func(m archive.Manifest) string { return m.ID.ManifestName() }, spoil: flip, class: core.ErrCorrupt},
		"Longer":   {file: func(m archive.Manifest) string { return m.Segments[0].Name }, spoil: lengthen, class: core.ErrCorrupt},
		"Gone":     {file: func(m archive.Manifest) string { return m.Segments[0].Name }, spoil: remove, class: core.ErrNotFound},
		"NoBackup": {file: func(m archive.Manifest) string { return m.ID.ManifestName() }, spoil: remove, class: core.ErrNotFound},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			bad := test.file(w.plain("a", 3))
			test.spoil(t, w, bad)
			_, err := w.copy(t.Context(), w.from, w.to, request("a"))
			source, is := errors.AsType[*copyplan.SourceError](err)
			if !is || source.File != bad || !errors.Is(err, test.class) || !copyplan.IsLasting(err) {
				t.Fatalf("got %v", err)
			}
			for _, name := range []string{bad, id("a").ManifestName()} {
				if _, copied := contents(t, w.to)[name]; copied {
					t.Errorf("%s was copied", name)
				}
			}
		})
	}
}

func flip(t *testing.T, w *world, name string) {
	t.Helper()
	content := []byte(contents(t, w.from)[name])
	content[len(content)/2] ^= 1
	put(t, w.from, name, content)
}

func lengthen(t *testing.T, w *world, name string) {
	t.Helper()
	put(t, w.from, name, []byte(contents(t, w.from)[name]+"x"))
}

func remove(t *testing.T, w *world, name string) {
	t.Helper()
	if err := w.from.Delete(t.Context(), name, nil); err != nil {
		t.Fatal(err)
	}
}

// TestCopyDiffers: a file of another content in the place of one of the copy, or another manifest, is never written over.
func TestCopyDiffers(t *testing.T) {
	t.Parallel()
	for name, file := range map[string]func(manifest archive.Manifest) string{
		"Segment":  func(m archive.Manifest) string { return m.Segments[0].Name },
		"Manifest": func(m archive.Manifest) string { return m.ID.ManifestName() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			name := file(w.plain("a", 2))
			put(t, w.to, name, []byte("something else"))
			_, err := w.copy(t.Context(), w.from, w.to, request("a"))
			refused, is := errors.AsType[*copyplan.RefusedError](err)
			if !is || refused.Reason != copyplan.Differs || !strings.Contains(refused.Message, name) {
				t.Fatalf("got %v", err)
			}
			if contents(t, w.to)[name] != "something else" {
				t.Error("it was written over")
			}
		})
	}
}

// TestCopyRefused: what must not lie at a location does not come there, not even in part.
func TestCopyRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.plain("a", 2)
	exposed := request("a")
	exposed.To.Encrypted = true
	same := request("a")
	same.To.ID = same.From.ID
	for reason, wish := range map[string]copies.Request{copyplan.NotEncrypted: exposed, copyplan.SamePlace: same} {
		_, err := w.copy(t.Context(), w.from, w.to, wish)
		if refused, is := errors.AsType[*copyplan.RefusedError](err); !is || refused.Reason != reason {
			t.Errorf("got %v", err)
		}
	}
	if found := names(contents(t, w.to)); len(found) > 0 {
		t.Errorf("the target has %v", found)
	}
}

// TestCopyWithoutIntent: a copy whose intent somebody has removed does not come to be, as what it names may go.
func TestCopyWithoutIntent(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.plain("a", 2)
	wish := request("a")
	wish.Confirm = func(ctx context.Context) error { return w.to.Delete(ctx, id("a").IntentNameOf("copy1"), nil) }
	if _, err := w.copy(t.Context(), w.from, w.to, wish); !errors.Is(err, core.ErrUnavailable) || copyplan.IsLasting(err) {
		t.Fatalf("got %v", err)
	}
	if there, _ := isWhole(t, w.to, "a"); there {
		t.Error("the copy came to be")
	}
}

var errUnwanted = errors.New("not wanted")

// TestCopyUnwanted: a copy that nobody wants any more does not come to be, and what was sent goes, segments that others may
// have come to refer to excepted. One that somebody else goes on with stays as it is.
func TestCopyUnwanted(t *testing.T) {
	t.Parallel()
	for name, unwanted := range map[string]bool{"Unwanted": true, "Superseded": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { // Who removes waits before.
				left := leftOfCopy(t, func(context.Context) bool { return unwanted })
				if (len(left) == 0) != unwanted || slices.Contains(left, id("a").ManifestName()) {
					t.Errorf("the target has %v", left)
				}
			})
		})
	}
}

// leftOfCopy returns what a copy that is not confirmed leaves at the target besides segments.
func leftOfCopy(t *testing.T, unwanted func(context.Context) bool) []string {
	t.Helper()
	w := newWorld(t)
	w.plain("a", 2)
	wish := request("a")
	wish.Confirm = func(context.Context) error { return errUnwanted }
	wish.Unwanted = unwanted
	if _, err := w.copy(t.Context(), w.from, w.to, wish); !errors.Is(err, errUnwanted) {
		t.Fatal(err)
	}
	return slices.DeleteFunc(names(contents(t, w.to)), func(name string) bool { return strings.Contains(name, "/segments/") })
}

// TestAbandonLeavesCopies: what is abandoned when the copy is there is the intent alone.
func TestAbandonLeavesCopies(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.plain("a", 2)
	if _, err := w.copy(t.Context(), w.from, w.to, request("a")); err != nil {
		t.Fatal(err)
	}
	put(t, w.to, id("a").IntentNameOf("late"), []byte("{}"))
	use := &copies.Copy{ManifestTime: time.Millisecond}
	if err := use.Abandon(t.Context(), copies.Leaving{Backup: id("a"), Attempts: []string{"late"}}, files(w.to)); err != nil {
		t.Fatal(err)
	}
	if there, err := isWhole(t, w.to, "a"); !there || err != nil {
		t.Errorf("%t %v", there, err)
	}
	if _, there := contents(t, w.to)[id("a").IntentNameOf("late")]; there {
		t.Error("the intent is still there")
	}
}

// TestCopyCollected: what was at the target when it was looked for, and is not any more before the manifest is written, is
// not referred to.
func TestCopyCollected(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	base := w.plain("base", 1)
	w.plain("a", 1, base.Segments...)
	put(t, w.to, base.Segments[0].Name, []byte(contents(t, w.from)[base.Segments[0].Name]))
	wish := request("a")
	_, err := w.copy(t.Context(), w.from, &collecting{counting: &counting{Store: w.to}, victim: base.Segments[0].Name}, wish)
	if !errors.Is(err, core.ErrUnavailable) || copyplan.IsLasting(err) {
		t.Fatalf("got %v", err)
	}
	if there, _ := isWhole(t, w.to, "a"); there {
		t.Error("the copy came to be")
	}
	wish.Attempt = "copy2"
	if _, err := w.copy(t.Context(), w.from, w.to, wish); err != nil {
		t.Fatal(err)
	}
	if there, err := isWhole(t, w.to, "a"); !there || err != nil {
		t.Errorf("%t %v", there, err)
	}
}

// collecting removes a file as soon as it was looked at.
type collecting struct {
	*counting

	victim string
}

// Stat looks, and removes.
func (c *collecting) Stat(ctx context.Context, name string, attributes provider.Attributes) (provider.ObjectInfo, error) {
	found, err := c.Store.Stat(ctx, name, attributes)
	if name == c.victim && err == nil {
		err = c.Delete(ctx, name, attributes)
	}
	return found, err
}
