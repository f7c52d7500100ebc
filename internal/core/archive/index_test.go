package archive_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/types"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/archive"
)

// someRecords returns records of several kinds, each object once, in the order of the index.
func someRecords(count int) []archive.Record {
	var records []archive.Record
	for i := range count {
		records = append(records,
			newRecord(configMaps, fmt.Sprintf("ns-%d", i%5), fmt.Sprintf("settings-%05d", i)),
			newRecord(deploys, fmt.Sprintf("ns-%d", i%3), fmt.Sprintf("web-%05d", i)))
	}
	records = append(records, newRecord(nodes, "", "node-1"), newRecord(roles, "", "system:node"), newRecord(widgets, "a", "b"),
		newRecord(widgets, "a-b", "a")) // a-b/a comes before a/b, byte by byte
	slices.SortFunc(records, compareRecords)
	return records
}

func TestIndexGivesBackWhatWasAdded(t *testing.T) {
	records := someRecords(800)
	records[7].Labels, records[8].Owners = nil, []core.Owner{{APIVersion: "v1", Kind: "Node", Name: "<n>", UID: "u"}}
	records[9].Reason = core.NeededBy("Deployment", "shop", "web")
	shuffled := slices.Clone(records)
	rand.New(rand.NewPCG(1, 2)).Shuffle(len(shuffled), func(i, j int) {
		shuffled[i], shuffled[j] = shuffled[j], shuffled[i]
	})
	cases := map[string]struct {
		buffer  int
		records []archive.Record
	}{
		"one buffer":           {0, records},
		"shuffled":             {0, shuffled},
		"many runs":            {20_000, shuffled},
		"runs merged":          {1_000, shuffled},
		"a run for every one":  {1, shuffled},
		"backwards, many runs": {2_500, reversed(records)},
	}
	var want []byte
	for name, test := range cases {
		t.Run(name, func(t *testing.T) {
			builder := must(archive.NewIndexBuilder(test.buffer))(t)
			if err := builder.Begin(nodes, "41"); err != nil {
				t.Fatal(err)
			}
			if err := builder.Add(test.records...); err != nil {
				t.Fatal(err)
			}
			index, _ := writeIndex(t, builder)
			got, err := readIndex(index)
			if diff := cmp.Diff(records, got); err != nil || diff != "" {
				t.Fatalf("%v\n%s", err, diff)
			}
			again, _ := writeIndex(t, builder)
			if want == nil {
				want = index
			}
			if !bytes.Equal(index, want) || !bytes.Equal(again, want) {
				t.Error("the index depends on the way it was built")
			}
		})
	}
}

func reversed(records []archive.Record) []archive.Record {
	backwards := slices.Clone(records)
	slices.Reverse(backwards)
	return backwards
}

func TestIndexKinds(t *testing.T) {
	builder := must(archive.NewIndexBuilder(0))(t)
	for version, kind := range map[string]core.Kind{"9": widgets, "8": configMaps, "7": nodes} {
		if err := builder.Begin(kind, version); err != nil {
			t.Fatal(err)
		}
	}
	if err := builder.Begin(widgets, "10"); err != nil {
		t.Fatal(err)
	}
	if err := builder.Add(newRecord(deploys, "shop", "web"), newRecord(nodes, "", "a"), newRecord(nodes, "", "b")); err != nil {
		t.Fatal(err)
	}
	index, kinds := writeIndex(t, builder)
	want := []archive.IndexedKind{
		{Kind: configMaps, ListResourceVersion: "8"},
		{Kind: nodes, Count: 2, ListResourceVersion: "7"},
		{Kind: deploys, Count: 1},
		{Kind: widgets, ListResourceVersion: "10"},
	}
	if diff := cmp.Diff(want, kinds); diff != "" {
		t.Error(diff)
	}
	if _, err := readIndex(index); err != nil {
		t.Error(err)
	}
	lines := strings.Split(string(decompress(t, index)), "\n")
	if want := `{"formatVersion":1,"kinds":4,"objects":3}`; lines[0] != want {
		t.Errorf("first line is %s", lines[0])
	}
	if want := `{"group":"","version":"v1","kind":"ConfigMap","resource":"configmaps","shortNames":["cm"],` +
		`"namespaced":true,"count":0,"listResourceVersion":"8"}`; lines[1] != want {
		t.Errorf("second line is %s", lines[1])
	}
}

func TestIndexTakesTheLastOfTwo(t *testing.T) {
	for _, buffer := range []int{0, 300, 1} {
		builder := must(archive.NewIndexBuilder(buffer))(t)
		for pass := range 3 {
			for i := range 200 {
				record := newRecord(configMaps, "shop", fmt.Sprintf("m-%03d", i))
				record.ResourceVersion = fmt.Sprint(pass)
				if i == 0 {
					record.UID = types.UID(fmt.Sprint(pass))
				}
				if err := builder.Add(record); err != nil {
					t.Fatal(err)
				}
			}
		}
		index, kinds := writeIndex(t, builder)
		records, err := readIndex(index)
		if err != nil || len(records) != 200 || kinds[0].Count != 200 {
			t.Fatalf("buffer %d: %d records, %+v, %v", buffer, len(records), kinds, err)
		}
		for _, record := range records {
			if record.ResourceVersion != "2" {
				t.Errorf("buffer %d: %s is of pass %s", buffer, record.Key(), record.ResourceVersion)
			}
		}
		if records[0].UID != "2" {
			t.Errorf("buffer %d: UID %s", buffer, records[0].UID)
		}
	}
}

// The index must not depend on which of several packers was faster.
func TestIndexOfParallelPackers(t *testing.T) {
	var want []byte
	for round := range 4 {
		store := newMemoryStore()
		builder := must(archive.NewIndexBuilder(10_000))(t)
		var group sync.WaitGroup
		for worker := range 4 {
			group.Go(func() { packPart(t, store, builder, worker) })
		}
		group.Wait()
		index, _ := writeIndex(t, builder)
		if round == 0 {
			want = index
		}
		if !bytes.Equal(index, want) {
			t.Fatal("two rounds gave two indexes")
		}
	}
	if records, err := readIndex(want); err != nil || len(records) != 4*300 {
		t.Errorf("%d records, %v", len(records), err)
	}
}

// packPart packs what falls to one worker, under segment names of its own.
func packPart(t *testing.T, store *memoryStore, builder *archive.IndexBuilder, worker int) {
	t.Helper()
	namer := must(archive.NewSegmentNamer(clusterID, fmt.Sprint("worker", worker)))(t)
	packer := must(archive.NewPacker(archive.PackerOptions{
		NextName: namer.Next, Open: store.open, FrameSize: 10_000, SegmentSize: 50_000,
		Emit: func(records []archive.Record) error { return builder.Add(records...) },
	}))(t)
	for i := range 300 {
		object := newObject(deploys, fmt.Sprintf("ns-%d", worker), fmt.Sprintf("web-%03d", i*7%300), 500)
		if err := packer.Add(object, core.Selected); err != nil {
			t.Error(err)
		}
	}
	if _, err := packer.Close(); err != nil {
		t.Error(err)
	}
}

func TestIndexBuilderRefuses(t *testing.T) {
	segment := func(name string) func(*archive.Record) {
		return func(r *archive.Record) { r.Frame.Segment = name }
	}
	cases := map[string]func(r *archive.Record){
		"no name":               func(r *archive.Record) { r.Name = "" },
		"name upwards":          func(r *archive.Record) { r.Name = ".." },
		"scope":                 func(r *archive.Record) { r.Namespace = "" },
		"no kind name":          func(r *archive.Record) { r.Kind = core.Kind{Version: "v1", Resource: "x", Namespaced: true} },
		"other version":         func(r *archive.Record) { r.Kind.Version = "v2" },
		"no digest":             func(r *archive.Record) { r.Digest = "" },
		"short digest":          func(r *archive.Record) { r.Digest = "sha256:00" },
		"digest in upper case":  func(r *archive.Record) { r.Digest = archive.Digest(strings.ToUpper(string(r.Digest))) },
		"no segment":            segment(""),
		"segment elsewhere":     segment("../x.tar.zst"),
		"segment is a manifest": segment(backupID.ManifestName()),
		"frame before file":     func(r *archive.Record) { r.Frame.Offset = -1 },
		"frame of nothing":      func(r *archive.Record) { r.Frame.Length = 0 },
		"frame too long":        func(r *archive.Record) { r.Frame.Length = archive.MaxSegmentSize + 1 },
		"frame too far":         func(r *archive.Record) { r.Frame.Offset = 1<<63 - 1 },
		"object before frame":   func(r *archive.Record) { r.Offset = -1 },
		"object of nothing":     func(r *archive.Record) { r.Length = 0 },
		"object too long":       func(r *archive.Record) { r.Length = archive.MaxObjectSize + 1 },
		"object too far":        func(r *archive.Record) { r.Offset = 1<<63 - 1 },
	}
	for name, change := range cases {
		builder := must(archive.NewIndexBuilder(0))(t)
		good := newRecord(configMaps, "shop", "good")
		bad := newRecord(configMaps, "shop", "bad")
		change(&bad)
		if err := builder.Add(good, bad); !errors.Is(err, core.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
		index, _ := writeIndex(t, builder)
		if records, err := readIndex(index); err != nil || len(records) != 1 || records[0].Name != "good" {
			t.Errorf("%s: afterwards the index has %v, %v", name, records, err)
		}
	}
}

func TestIndexReaderRefuses(t *testing.T) {
	index, _ := buildIndex(t, someRecords(2)...)
	good := strings.SplitAfter(strings.TrimSuffix(string(decompress(t, index)), "\n"), "\n")
	good[len(good)-1] += "\n"
	swap := func(i, j int) func([]string) []string {
		return func(lines []string) []string {
			lines[i], lines[j] = lines[j], lines[i]
			return lines
		}
	}
	replace := func(line int, before, after string) func([]string) []string {
		return func(lines []string) []string {
			if !strings.Contains(lines[line], before) {
				panic(before + " is not in " + lines[line])
			}
			lines[line] = strings.Replace(lines[line], before, after, 1)
			return lines
		}
	}
	cases := map[string]func(lines []string) []string{
		"empty":             func([]string) []string { return nil },
		"only first line":   func(lines []string) []string { return lines[:1] },
		"records swapped":   swap(2, 3),
		"kinds swapped":     swap(1, 4),
		"record twice":      func(lines []string) []string { return slices.Insert(lines, 3, lines[2]) },
		"record missing":    func(lines []string) []string { return slices.Delete(lines, 2, 3) },
		"last line missing": func(lines []string) []string { return lines[:len(lines)-1] },
		"line too many":     func(lines []string) []string { return append(lines, lines[len(lines)-1]) },
		"empty line behind": func(lines []string) []string { return append(lines, "\n") },
		"half a line behind": func(lines []string) []string {
			return append(lines, "{")
		},
		"no JSON":         func(lines []string) []string { return slices.Insert(lines, 2, "hello\n") },
		"version 0":       replace(0, `"formatVersion":1`, `"formatVersion":0`),
		"version -1":      replace(0, `"formatVersion":1`, `"formatVersion":-1`),
		"fewer kinds":     replace(0, `"kinds":5`, `"kinds":4`),
		"more kinds":      replace(0, `"kinds":5`, `"kinds":6`),
		"too many kinds":  replace(0, `"kinds":5`, `"kinds":1000000`),
		"negative kinds":  replace(0, `"kinds":5`, `"kinds":-1`),
		"fewer objects":   replace(0, `"objects":8`, `"objects":7`),
		"more objects":    replace(0, `"objects":8`, `"objects":9`),
		"negative count":  replace(1, `"count":2`, `"count":-2`),
		"larger count":    replace(1, `"count":2`, `"count":3`),
		"smaller count":   replace(1, `"count":2`, `"count":1`),
		"enormous count":  replace(1, `"count":2`, `"count":9223372036854775807`),
		"resource upward": replace(1, `"configmaps"`, `".."`),
		"name upward":     replace(2, `"settings-00000"`, `".."`),
		"no digest":       replace(2, `"digest"`, `"Xdigest"`),
		"offset far":      replace(2, `"offset":512`, `"offset":9223372036854775807`),
		"segment upward":  replace(2, `"segment":"clusters`, `"segment":"..`),
		"endless line": func(lines []string) []string {
			return slices.Insert(lines, 2, strings.Repeat(" ", archive.MaxLineSize+1))
		},
	}
	for name, change := range cases {
		content := strings.Join(change(slices.Clone(good)), "")
		if records, err := readIndex(compress(t, []byte(content))); !errors.Is(err, core.ErrCorrupt) {
			t.Errorf("%s: %d records, %v", name, len(records), err)
		} else if errors.Is(err, core.ErrInvalid) {
			t.Errorf("%s: blamed on the caller: %v", name, err)
		}
	}
	if records, err := readIndex(compress(t, []byte(strings.Join(good, "")))); err != nil || len(records) != 8 {
		t.Errorf("nothing changed: %d records, %v", len(records), err)
	}
	newer := strings.Join(replace(0, `"formatVersion":1`, `"formatVersion":2`)(slices.Clone(good)), "")
	_, err := readIndex(compress(t, []byte(newer)))
	checkNewer(t, err, 2)
	added := strings.Join(replace(2, `"uid"`, `"color":"blue","uid"`)(slices.Clone(good)), "")
	if _, err := readIndex(compress(t, []byte(added))); err != nil {
		t.Errorf("an unknown field: %v", err)
	}
}

func checkNewer(t *testing.T, err error, found int) {
	t.Helper()
	newer := &archive.NewerFormatError{}
	if !errors.As(err, &newer) || newer.Found != found || newer.Supported >= found {
		t.Fatalf("a newer format: %v", err)
	}
	if !errors.Is(err, core.ErrUnsupported) || errors.Is(err, core.ErrCorrupt) || !strings.Contains(err.Error(), "upgrade") {
		t.Errorf("a newer format: %v", err)
	}
}

func TestIndexReaderPassesOnErrorsOfTheStore(t *testing.T) {
	index, _ := buildIndex(t, someRecords(1000)...)
	for name, cause := range map[string]error{
		"cable":           errCable,
		"wrapped EOF":     fmt.Errorf("stream: %w", io.EOF),
		"unexpected EOF":  io.ErrUnexpectedEOF,
		"not available":   fmt.Errorf("store: %w", core.ErrUnavailable),
		"already corrupt": fmt.Errorf("store: %w", core.ErrCorrupt),
	} {
		for _, length := range []int{0, 3, len(index) / 2, len(index)} {
			reader := brokenReader{content: bytes.NewReader(index[:length]), err: cause}
			var last error
			for _, err := range archive.ReadIndex(reader) {
				last = err
			}
			if !errors.Is(last, cause) || errors.Is(last, core.ErrCorrupt) != errors.Is(cause, core.ErrCorrupt) {
				t.Errorf("%s after %d bytes: %v", name, length, last)
			}
		}
	}
}

func TestTruncatedIndex(t *testing.T) {
	index, _ := buildIndex(t, someRecords(20)...)
	for length := range index {
		if records, err := readIndex(index[:length]); !errors.Is(err, core.ErrCorrupt) {
			t.Errorf("%d of %d bytes: %d records, %v", length, len(index), len(records), err)
		}
	}
}

func TestReadIndexCanBeLeftEarly(t *testing.T) {
	index, _ := buildIndex(t, someRecords(100)...)
	count := 0
	for _, err := range archive.ReadIndex(bytes.NewReader(index)) {
		if err != nil {
			t.Fatal(err)
		}
		if count++; count == 10 {
			break
		}
	}
	if count != 10 {
		t.Errorf("%d records", count)
	}
}
