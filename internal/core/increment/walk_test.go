package increment_test

import (
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"slices"
	"testing"

	"k8s.io/apimachinery/pkg/types"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/archive"
	"github.com/soda-cdm/kahu/internal/core/increment"
)

var things = core.Kind{Version: "v1", Name: "Thing", Resource: "things", Namespaced: true}

func key(namespace, name string) core.Key {
	return core.Key{Resource: things.Resource, Namespace: namespace, Name: name}
}

func each(records []archive.Record, failing error) iter.Seq2[archive.Record, error] {
	return func(yield func(archive.Record, error) bool) {
		for _, record := range records {
			if !yield(record, nil) {
				return
			}
		}
		if failing != nil {
			yield(archive.Record{}, failing)
		}
	}
}

// keys returns some keys in order, with names that are beginnings of one another and characters on both sides of the slash.
func keys(source *rand.Rand, count int) []core.Key {
	parts := []string{"a", "a-b", "a.b", "a0", "b", "aa", "a-", "ab"}
	found := map[core.Key]bool{}
	for range count {
		found[key(parts[source.IntN(len(parts))], fmt.Sprintf("%s%d", parts[source.IntN(len(parts))], source.IntN(20)))] = true
	}
	var sorted []core.Key
	for k := range found {
		sorted = append(sorted, k)
	}
	slices.SortFunc(sorted, core.Key.Compare)
	return sorted
}

// TestWalkFindsWhatIsThere compares walks along random lists with a map.
func TestWalkFindsWhatIsThere(t *testing.T) {
	for seed := range uint64(300) {
		source := rand.New(rand.NewPCG(seed, 1))
		base, living := keys(source, source.IntN(60)), keys(source, source.IntN(60))
		there := map[core.Key]bool{}
		var records []archive.Record
		for _, k := range base {
			there[k] = true
			records = append(records, archive.Record{Kind: things, Namespace: k.Namespace, Name: k.Name, UID: types.UID(k.String())})
		}
		walk := increment.NewWalk(each(records, nil))
		for _, k := range living {
			record, ok, err := walk.Find(k)
			if err != nil || ok != there[k] || ok && record.Key() != k {
				t.Fatalf("seed %d: %s: got %s, %t, %v, want %t", seed, k, record.Key(), ok, err, there[k])
			}
			if again, ok2, _ := walk.Find(k); ok2 != ok || ok && again.Key() != k {
				t.Fatalf("seed %d: %s: another answer when it is asked again", seed, k)
			}
		}
		walk.End()
	}
}

// TestWalkInDisorder makes sure that what comes in another order is at worst not found.
func TestWalkInDisorder(t *testing.T) {
	for seed := range uint64(200) {
		source := rand.New(rand.NewPCG(seed, 2))
		base := keys(source, 40)
		var records []archive.Record
		for _, k := range base {
			records = append(records, archive.Record{Kind: things, Namespace: k.Namespace, Name: k.Name})
		}
		living := slices.Clone(base)
		source.Shuffle(len(living), func(i, j int) { living[i], living[j] = living[j], living[i] })
		walk := increment.NewWalk(each(records, nil))
		for _, k := range living {
			if record, ok, err := walk.Find(k); err != nil || ok && record.Key() != k {
				t.Fatalf("seed %d: %s: got %s, %v", seed, k, record.Key(), err)
			}
		}
		walk.End()
	}
}

func TestWalkPassesOnErrors(t *testing.T) {
	broken := errors.New("broken")
	walk := increment.NewWalk(each([]archive.Record{{Kind: things, Namespace: "a", Name: "a"}}, broken))
	defer walk.End()
	if _, ok, err := walk.Find(key("a", "a")); !ok || err != nil {
		t.Errorf("the record before the error: %t, %v", ok, err)
	}
	if _, ok, err := walk.Find(key("a", "b")); ok || !errors.Is(err, broken) {
		t.Errorf("got %t, %v, want %v", ok, err, broken)
	}
}

func TestUnchanged(t *testing.T) {
	base := archive.Record{UID: "u", ResourceVersion: "5"}
	for name, tc := range map[string]struct {
		uid, version string
		want         bool
	}{
		"Same":      {"u", "5", true},
		"Changed":   {"u", "6", false},
		"Recreated": {"v", "5", false},
		"Nothing":   {"", "", false},
	} {
		if got := increment.Unchanged(&base, core.Object{UID: types.UID(tc.uid), ResourceVersion: tc.version}); got != tc.want {
			t.Errorf("%s: got %t", name, got)
		}
	}
	if increment.Unchanged(&archive.Record{}, core.Object{}) {
		t.Error("what has no identity proves nothing")
	}
}

func TestSame(t *testing.T) {
	content := []byte(`{"a":1}`)
	base := archive.Record{
		Kind: things, Namespace: "n", Name: "a", UID: "u", ResourceVersion: "5", Reason: core.Selected,
		Digest: archive.DigestOf(content), Length: int64(len(content)), Offset: 512, Frame: archive.FrameRef{Segment: "s", Length: 9},
	}
	object := core.Object{Kind: things, Namespace: "n", Name: "a", UID: "u", ResourceVersion: "7", Labels: map[string]string{"l": "m"}, JSON: content}
	record, same := increment.Same(&base, object, "needed by Thing n/b")
	if !same || record.Frame != base.Frame || record.ResourceVersion != "7" || record.Reason != "needed by Thing n/b" || record.Labels["l"] != "m" {
		t.Errorf("got %+v, %t", record, same)
	}
	other := object
	other.JSON = []byte(`{"a":2}`)
	if _, same := increment.Same(&base, other, core.Selected); same {
		t.Error("another content is taken for the same")
	}
	other = object
	other.Kind.Version = "v2"
	if _, same := increment.Same(&base, other, core.Selected); same {
		t.Error("another version is taken for the same")
	}
	other = object
	other.Name = "b"
	if _, same := increment.Same(&base, other, core.Selected); same {
		t.Error("another object is taken for the same")
	}
}
