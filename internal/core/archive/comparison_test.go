package archive_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"k8s.io/apimachinery/pkg/types"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/archive"
)

// buildComparison returns the comparison file of the records, and the length of their index.
func buildComparison(tb testing.TB, records ...archive.Record) (content []byte, index int) {
	tb.Helper()
	builder := must(archive.NewIndexBuilder(1 << 10))(tb)
	for _, record := range records {
		if err := builder.Add(record); err != nil {
			tb.Fatal(err)
		}
	}
	var whole, compared bytes.Buffer
	if _, err := builder.WriteIndex(&whole); err != nil {
		tb.Fatal(err)
	}
	if err := builder.WriteComparison(&compared); err != nil {
		tb.Fatal(err)
	}
	return compared.Bytes(), whole.Len()
}

// uniquely gives each record a UID of its own.
func uniquely(records []archive.Record) []archive.Record {
	random := rand.New(rand.NewPCG(1, 2))
	for i := range records {
		records[i].UID = types.UID(fmt.Sprintf("%08x-%016x", random.Uint32(), random.Uint64()))
		records[i].Labels = map[string]string{"app": "labelled"}
		records[i].Owners = []core.Owner{{APIVersion: "v1", Kind: "Node", Name: "owning", UID: "u"}}
		records[i].Reason = "needed by Thing shop/reasoning"
	}
	return records
}

func objectOf(record archive.Record) core.Object {
	return core.Object{
		Kind: record.Kind, Namespace: record.Namespace, Name: record.Name, UID: record.UID,
		ResourceVersion: record.ResourceVersion, Labels: record.Labels, Owners: record.Owners,
	}
}

func TestComparisonGivesBackWhatTheIndexHas(t *testing.T) {
	records := uniquely(someRecords(1500))
	content, _ := buildComparison(t, records...)
	held := must(archive.HoldComparison(bytes.NewReader(content)))(t)
	for _, want := range records {
		got, ok := held.Find(objectOf(want))
		want.Reason = ""
		if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); !ok || diff != "" {
			t.Fatalf("%t (-want +got):\n%s", ok, diff)
		}
	}
	object := objectOf(records[7])
	object.ResourceVersion += "0"
	if got, ok := held.Find(object); !ok || got.ResourceVersion != "" || got.Digest != records[7].Digest {
		t.Errorf("changed: %t, %+v", ok, got)
	}
	for name, change := range map[string]func(object *core.Object){
		"another object":   func(object *core.Object) { object.UID = "another" },
		"without a UID":    func(object *core.Object) { object.UID = "" },
		"another kind":     func(object *core.Object) { object.Kind.Resource = "others" },
		"a kind of others": func(object *core.Object) { object.Kind.Group = "others.example.com" },
	} {
		object := objectOf(records[7])
		change(&object)
		if got, ok := held.Find(object); ok {
			t.Errorf("%s: found %+v", name, got)
		}
	}
	held.Drop(records[7].Kind.GroupResource())
	if _, ok := held.Find(objectOf(records[7])); ok {
		t.Error("found in a kind that was dropped")
	}
}

// TestComparisonNamesNothing looks for everything in a comparison file that is a name, or says what belongs to what.
func TestComparisonNamesNothing(t *testing.T) {
	records := uniquely(someRecords(300))
	records[3].Name, records[3].Labels["app"] = `odd "name"`, "odd\u00e4" // A line that needs escapes.
	content, index := buildComparison(t, records...)
	lines := string(decompress(t, content))
	for _, word := range []string{"labelled", `"app"`, "owning", "reasoning", "odd", "namespace\":", "labels", "owners"} {
		if strings.Contains(lines, word) {
			t.Errorf("it says %q", word)
		}
	}
	for _, record := range records {
		if strings.Contains(lines, `"`+record.Name+`"`) {
			t.Fatalf("it names %s", record.Name)
		}
		if !strings.Contains(lines, string(record.UID)) {
			t.Fatalf("it does not have %s", record.Key())
		}
	}
	if len(content) > index {
		t.Errorf("it has %d bytes, the index %d", len(content), index)
	}
}

// TestComparisonDoubtsWhatComesTwice: of two objects with one UID nobody can tell which is which.
func TestComparisonDoubtsWhatComesTwice(t *testing.T) {
	records := uniquely(someRecords(12))
	a, b, c := records[0], records[0], records[0]
	a.Name, b.Name, c.Name, c.UID = "a", "b", "c", "single"
	b.Digest = archive.DigestOf([]byte("another content"))
	none := c
	none.Name, none.UID = "d", ""
	content, _ := buildComparison(t, a, b, c, none)
	held := must(archive.HoldComparison(bytes.NewReader(content)))(t)
	for want, records := range map[bool][]archive.Record{false: {a, b, none}, true: {c}} {
		for _, record := range records {
			if _, ok := held.Find(objectOf(record)); ok != want {
				t.Errorf("%s is found: %t", record.Name, ok)
			}
		}
	}
}

func TestDamagedComparisons(t *testing.T) {
	content, _ := buildComparison(t, uniquely(someRecords(40))...)
	lines := string(decompress(t, content))
	_, record, _ := strings.Cut(lines, `{"name":""`)
	record, _, _ = strings.Cut(`{"name":""`+record, "\n")
	record += "\n"
	for name, damaged := range map[string]string{
		"a line too many":  lines + record,
		"a line missing":   strings.Replace(lines, record, "", 1),
		"another segment":  strings.Replace(lines, "/segments/", "/others/", 1),
		"no digest":        strings.Replace(lines, "sha256:", "sha255:", 1),
		"a frame too long": strings.Replace(lines, `"frameLength":`, `"frameLength":9`+strings.Repeat("9", 9), 1),
		"nothing":          "",
	} {
		if damaged == lines {
			t.Fatalf("%s: nothing was changed", name)
		}
		if _, err := archive.HoldComparison(bytes.NewReader(compress(t, []byte(damaged)))); !errors.Is(err, core.ErrCorrupt) {
			t.Errorf("%s: %v", name, err)
		}
	}
	newer := strings.Replace(lines, `"formatVersion":1`, `"formatVersion":9`, 1)
	if _, err := archive.HoldComparison(bytes.NewReader(compress(t, []byte(newer)))); !errors.Is(err, core.ErrUnsupported) {
		t.Errorf("a newer format: %v", err)
	}
	if _, err := archive.HoldComparison(io.LimitReader(bytes.NewReader(content), int64(len(content)/2))); !errors.Is(err, core.ErrCorrupt) {
		t.Errorf("half of it: %v", err)
	}
}

// FuzzComparisonLines compresses what it gets, so that the fuzzer comes past the compression.
func FuzzComparisonLines(f *testing.F) {
	content, _ := buildComparison(f, uniquely(someRecords(12))...)
	f.Add(decompress(f, content))
	f.Add([]byte(`{"formatVersion":1}` + "\n"))
	f.Fuzz(func(t *testing.T, lines []byte) {
		held, err := archive.HoldComparison(bytes.NewReader(compress(t, lines)))
		if err != nil {
			checkRefusal(t, err)
			return
		}
		held.Find(core.Object{Kind: configMaps, UID: "u"})
	})
}

func TestManifestNamesTheComparison(t *testing.T) {
	key := newSigningKey(t)
	fits := func() archive.Manifest {
		manifest := newSealedManifest()
		manifest.Encryption.Comparison = archive.Comparison{
			Key:  strings.Repeat("0b", 16),
			File: archive.File{Name: backupID.ComparisonNameOf(""), Size: 300, Digest: archive.DigestOf([]byte("comparison"))},
		}
		return manifest
	}
	manifest := fits()
	encoded := must(archive.SealManifest(manifest, key))(t)
	got, err := archive.DecodeManifest(bytes.NewReader(encoded))
	if err != nil || got.Encryption.Comparison != manifest.Encryption.Comparison {
		t.Errorf("%+v, %v", got.Encryption, err)
	}
	for _, file := range got.Files() {
		if file == got.Encryption.Comparison.File {
			t.Error("it is among the files that a restore needs")
		}
	}
	if name := backupID.ComparisonNameOf("second"); !backupID.IsOwnFile(name) || !backupID.IsOwnFile(backupID.ComparisonNameOf("")) {
		t.Errorf("%s is no file of the backup", name)
	}
	if encoded := must(archive.SealManifest(newSealedManifest(), key))(t); bytes.Contains(encoded, []byte("comparison")) {
		t.Errorf("a manifest without one: %s", encoded)
	}
	for name, change := range map[string]func(comparison *archive.Comparison){
		"elsewhere":          func(c *archive.Comparison) { c.File.Name = backupID.IndexName() },
		"of another attempt": func(c *archive.Comparison) { c.File.Name = backupID.ComparisonNameOf("other") },
		"empty":              func(c *archive.Comparison) { c.File.Size = 0 },
		"without a digest":   func(c *archive.Comparison) { c.File.Digest = "" },
		"without a key":      func(c *archive.Comparison) { c.Key = "" },
	} {
		manifest := fits()
		change(&manifest.Encryption.Comparison)
		if _, err := archive.SealManifest(manifest, key); !errors.Is(err, core.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
