package archive_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/types"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/archive"
)

// line is a record as docs/format.md has it, for encoding/json, which is what the package's own reading and writing of
// records must agree with.
type line struct {
	Namespace       string            `json:"namespace,omitempty"`
	Name            string            `json:"name"`
	UID             types.UID         `json:"uid"`
	ResourceVersion string            `json:"resourceVersion"`
	Labels          map[string]string `json:"labels,omitempty"`
	Owners          []core.Owner      `json:"owners,omitempty"`
	Reason          core.Reason       `json:"reason"`
	Segment         string            `json:"segment"`
	FrameOffset     int64             `json:"frameOffset"`
	FrameLength     int64             `json:"frameLength"`
	Offset          int64             `json:"offset"`
	Length          int64             `json:"length"`
	Digest          archive.Digest    `json:"digest"`
}

func (l line) record() archive.Record {
	return archive.Record{
		Kind: configMaps, Namespace: l.Namespace, Name: l.Name, UID: l.UID, ResourceVersion: l.ResourceVersion,
		Labels: l.Labels, Owners: l.Owners, Reason: l.Reason, Digest: l.Digest,
		Frame:  archive.FrameRef{Segment: l.Segment, Offset: l.FrameOffset, Length: l.FrameLength},
		Offset: l.Offset, Length: l.Length,
	}
}

func lineOf(r archive.Record) line {
	return line{
		Namespace: r.Namespace, Name: r.Name, UID: r.UID, ResourceVersion: r.ResourceVersion, Labels: r.Labels,
		Owners: r.Owners, Reason: r.Reason, Segment: r.Frame.Segment, FrameOffset: r.Frame.Offset,
		FrameLength: r.Frame.Length, Offset: r.Offset, Length: r.Length, Digest: r.Digest,
	}
}

// encoded writes a line as encoding/json does.
func encoded(t *testing.T, value line) string {
	t.Helper()
	var buffer bytes.Buffer
	encoder := json.NewEncoder(&buffer)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		t.Fatal(err)
	}
	return strings.TrimSuffix(buffer.String(), "\n")
}

// readLine reads an index that has one line of a record.
func readLine(t *testing.T, text string) ([]archive.Record, error) {
	t.Helper()
	head := `{"formatVersion":1,"kinds":1,"objects":1}` + "\n" + `{"group":"","version":"v1","kind":"ConfigMap",` +
		`"resource":"configmaps","shortNames":["cm"],"namespaced":true,"count":1}` + "\n"
	return readIndex(compress(t, []byte(head+text+"\n")))
}

// checkLine compares the reading of a line with what encoding/json makes of it.
func checkLine(t *testing.T, text string) {
	t.Helper()
	if strings.Contains(text, "\n") {
		return
	}
	var want line
	refused := json.Unmarshal([]byte(text), &want)
	records, err := readLine(t, text)
	switch {
	case refused != nil && err == nil:
		t.Errorf("read %q, which encoding/json refuses: %v", text, refused)
	case err == nil:
		if diff := cmp.Diff([]archive.Record{want.record()}, records); diff != "" {
			t.Errorf("%s\n%s", text, diff)
		}
	case refused == nil:
		// What cannot be true is refused in either way of reading: another spelling must not make a difference.
		if _, other := readLine(t, strings.Replace(text, "{", "{ ", 1)); other == nil {
			t.Errorf("%q is refused, and is not with a space in it: %v", text, err)
		}
	}
}

// oddTexts need escapes, or are left to encoding/json for another reason.
var oddTexts = []string{"", "plain", `"`, `\`, "<&>", "\x7f", "ü", "\u2028", "line\nbreak", "\x00", "a\xffb", "日本", `\u0041`}

// randomRecord returns a record in which everything can be odd.
func randomRecord(random *rand.Rand) archive.Record {
	odd := func() string {
		if random.IntN(4) > 0 {
			return fmt.Sprintf("text-%d", random.IntN(5))
		}
		return oddTexts[random.IntN(len(oddTexts))]
	}
	record := newRecord(configMaps, fmt.Sprintf("ns-%d", random.IntN(3)), fmt.Sprintf("name-%d", random.IntN(1000)))
	record.UID, record.ResourceVersion, record.Reason = types.UID(odd()), odd(), core.Reason(odd())
	record.Labels, record.Owners = nil, nil
	for range random.IntN(4) {
		if record.Labels == nil {
			record.Labels = map[string]string{}
		}
		record.Labels[odd()] = odd()
	}
	for range random.IntN(3) {
		record.Owners = append(record.Owners, core.Owner{
			APIVersion: odd(), Kind: odd(), Name: odd(), UID: types.UID(odd()), Controller: random.IntN(2) > 0,
		})
	}
	return record
}

// TestRecordLines compares the writing and the reading of random records with encoding/json.
func TestRecordLines(t *testing.T) {
	random := rand.New(rand.NewPCG(7, 7))
	records := map[core.Key]archive.Record{}
	for range 2000 {
		record := randomRecord(random)
		records[record.Key()] = record
	}
	sorted := slices.SortedFunc(maps.Values(records), compareRecords)
	index, _ := buildIndex(t, sorted...)
	lines := strings.Split(string(decompress(t, index)), "\n")[2:]
	for i, record := range sorted {
		if want := encoded(t, lineOf(record)); lines[i] != want {
			t.Fatalf("written\n%s\nwant\n%s", lines[i], want)
		}
		var want line
		if err := json.Unmarshal([]byte(lines[i]), &want); err != nil {
			t.Fatal(err)
		}
		sorted[i] = want.record() // encoding/json writes and reads bytes that are no text as another character.
	}
	got, err := readIndex(index)
	if diff := cmp.Diff(sorted, got); err != nil || diff != "" {
		t.Errorf("%v\n%s", err, diff)
	}
}

// TestRecordLineSpellings reads lines that are not as they are written.
func TestRecordLineSpellings(t *testing.T) {
	record := newRecord(configMaps, "shop", "settings")
	record.Labels = map[string]string{"a": "b", "c": "d"}
	record.Owners = []core.Owner{{APIVersion: "v1", Kind: "Node", Name: "n", UID: "u", Controller: true}}
	good := encoded(t, lineOf(record))
	checkLine(t, good)
	for _, change := range [][2]string{
		{`{`, `{ `},
		{`"name"`, `"NAME"`},
		{`"labels":{"a":"b","c":"d"}`, `"labels":{}`},
		{`"labels":{"a":"b","c":"d"}`, `"labels":null`},
		{`"labels":{"a":"b","c":"d"}`, `"labels":{"a":"b","a":"d"}`},
		{`"labels":{"a":"b","c":"d"}`, `"labels":{"a":"b",}`},
		{`"labels":{"a":"b","c":"d"}`, `"labels":{"a}":"b:"}`},
		{`"labels":{"a":"b","c":"d"}`, `"labels":{"a":1}`},
		{`"controller":true`, `"controller":false`},
		{`"controller":true`, `"controller":1`},
		{`"frameOffset":`, `"frameOffset":0`},
		{`"frameOffset":`, `"frameOffset":-`},
		{`"frameOffset":`, `"frameOffset":99999999999999999999`},
		{`"frameOffset":`, `"other":1,"frameOffset":`},
		{`"digest"`, `"offset":1,"digest"`},
		{`}`, `}}`},
		{`"shop"`, `"sh\u006fp"`},
		{`"shop"`, `"sh\xop"`},
		{`"shop"`, "\"sh\top\""},
		{`"shop"`, `""`},
		{`"shop",`, `"shop"`},
		{`"name":"settings",`, ``},
	} {
		changed := strings.Replace(good, change[0], change[1], 1)
		if changed == good {
			t.Fatalf("%q is not in %s", change[0], good)
		}
		t.Run(change[1], func(t *testing.T) { checkLine(t, changed) })
	}
	const step = 11
	for length := 0; length < len(good); length += step {
		checkLine(t, good[:length])
	}
}

// FuzzRecordLine looks for lines that are read otherwise than encoding/json reads them.
func FuzzRecordLine(f *testing.F) {
	random := rand.New(rand.NewPCG(8, 8))
	for range 20 {
		content, err := json.Marshal(lineOf(randomRecord(random)))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(content))
	}
	f.Fuzz(checkLine)
}
