package stored_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"github.com/soda-cdm/kahu/internal/cluster/stored"
	"github.com/soda-cdm/kahu/internal/core"
)

func readPage(in io.Reader) ([]string, stored.ListMeta, error) {
	reader := stored.NewReader(in, stored.NewConverter(configMaps()))
	var names []string
	for {
		object, err := reader.Next()
		if errors.Is(err, io.EOF) {
			return names, reader.Meta(), nil
		}
		if err != nil {
			return names, reader.Meta(), err
		}
		names = append(names, object.Name)
	}
}

func TestReader(t *testing.T) {
	remaining := int64(3)
	whole := stored.ListMeta{ResourceVersion: "5", Continue: "next", RemainingItemCount: &remaining}
	const meta = `"metadata":{"resourceVersion":"5","continue":"next","remainingItemCount":3}`
	cases := map[string]struct {
		reason string
		page   string
		names  []string
		meta   stored.ListMeta
	}{
		"Builtin": {
			reason: "Built-in lists have their metadata in front.",
			page:   `{"kind":"ConfigMapList","apiVersion":"v1",` + meta + `,"items":[{"metadata":{"name":"a"}},{"metadata":{"name":"b"}}]}`,
			names:  []string{"a", "b"},
			meta:   whole,
		},
		"Custom": {
			reason: "Custom lists have sorted keys, so their metadata is behind.",
			page:   `{"apiVersion":"g/v1","items":[{"metadata":{"name":"a"},"x":"]},\"\\"}],"kind":"L",` + meta + "}\n",
			names:  []string{"a"},
			meta:   whole,
		},
		"Empty": {
			reason: "An empty list has no objects.",
			page:   `{"metadata":{},"items":[]}`,
		},
		"Null": {
			reason: "A Go server may send null for an empty list.",
			page:   `{"items":null,"metadata":null}`,
		},
		"Spaces": {
			reason: "White space can stand between all tokens.",
			page:   " {\n \"other\" : [ 1.5e3 , true ] , \"items\" : [ {\"metadata\":{\"name\":\"a\"}} , { \"metadata\" : {\"name\":\"b\"} } ] , \"n\" : 12 } \n",
			names:  []string{"a", "b"},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			for how, in := range map[string]io.Reader{
				"whole":    strings.NewReader(tc.page),
				"bytewise": iotest.OneByteReader(strings.NewReader(tc.page)),
				"with EOF": iotest.DataErrReader(strings.NewReader(tc.page)),
			} {
				names, meta, err := readPage(in)
				if err != nil {
					t.Fatalf("%s (%s)\nNext: %v", tc.reason, how, err)
				}
				if diff := cmp.Diff(tc.names, names); diff != "" {
					t.Errorf("%s (%s)\nnames (-want +got):\n%s", tc.reason, how, diff)
				}
				if diff := cmp.Diff(tc.meta, meta); diff != "" {
					t.Errorf("%s (%s)\nmetadata (-want +got):\n%s", tc.reason, how, diff)
				}
			}
		})
	}
}

func TestReaderCorrupt(t *testing.T) {
	for name, page := range map[string]string{
		"NoList":        `{"kind":"Status","metadata":{}}`,
		"NoObject":      `[]`,
		"Text":          `not JSON`,
		"ItemsObject":   `{"items":{}}`,
		"ItemsText":     `{"items":"x"}`,
		"ItemsTwice":    `{"items":[],"items":[]}`,
		"ItemNull":      `{"items":[null]}`,
		"ItemNumber":    `{"items":[1]}`,
		"ItemEmpty":     `{"items":[{}]}`,
		"NoComma":       `{"items":[{"metadata":{"name":"a"}}{"metadata":{"name":"b"}}]}`,
		"TrailingComma": `{"items":[{"metadata":{"name":"a"}},]}`,
		"LeadingComma":  `{"items":[,{"metadata":{"name":"a"}}]}`,
		"MembersComma":  `{"items":[],}`,
		"Mismatched":    `{"items":[{"metadata":{"name":"a"]}}]}`,
		"Trailing":      `{"items":[]}x`,
		"TwoPages":      `{"items":[]}{"items":[]}`,
		"BadMember":     `{"x":tru,"items":[]}`,
		"NoValue":       `{"x":,"items":[]}`,
		"BadKey":        `{1:2,"items":[]}`,
		"BadMetadata":   `{"metadata":{"continue":5},"items":[]}`,
	} {
		t.Run(name, func(t *testing.T) {
			if _, _, err := readPage(strings.NewReader(page)); !errors.Is(err, core.ErrCorrupt) {
				t.Errorf("Next: got error %v, want %v", err, core.ErrCorrupt)
			}
		})
	}
}

// TestReaderBrokenOff cuts a page at every byte: nothing but the whole page is a page.
func TestReaderBrokenOff(t *testing.T) {
	const page = `{"kind":"L","items":[{"metadata":{"name":"a"}},{"metadata":{"name":"b\""}}],"metadata":{"continue":"c"}}`
	reset := errors.New("connection reset")
	for length := range len(page) {
		if _, _, err := readPage(strings.NewReader(page[:length])); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("%d bytes and the end: got error %v, want %v", length, err, io.ErrUnexpectedEOF)
		}
		in := io.MultiReader(strings.NewReader(page[:length]), iotest.ErrReader(reset))
		if _, _, err := readPage(in); !errors.Is(err, reset) {
			t.Errorf("%d bytes and a reset: got error %v, want %v", length, err, reset)
		}
	}
}

func TestReaderLargeObjects(t *testing.T) {
	large := strings.Repeat("x", 3<<20)
	page := fmt.Sprintf(`{"items":[{"metadata":{"name":"a"},"x":%q},{"metadata":{"name":"b"}},{"metadata":{"name":"c"},"x":%q}]}`, large, large)
	names, _, err := readPage(iotest.HalfReader(strings.NewReader(page)))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"a", "b", "c"}, names); diff != "" {
		t.Errorf("names (-want +got):\n%s", diff)
	}
	// An object that has no end must not take all memory.
	endless := io.MultiReader(strings.NewReader(`{"items":[{"x":"`), endlessText{})
	if _, _, err := readPage(endless); !errors.Is(err, core.ErrUnsupported) {
		t.Errorf("endless object: got error %v, want %v", err, core.ErrUnsupported)
	}
}

type endlessText struct{}

func (endlessText) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'x'
	}
	return len(p), nil
}

// FuzzReader makes sure that a page is read the same however it arrives, and that all of it must be JSON.
func FuzzReader(f *testing.F) {
	for _, seed := range []string{
		`{"kind":"L","metadata":{"continue":"c"},"items":[{"metadata":{"name":"a"}}, {"metadata":{"name":"b\\\""}}]}`,
		`{"items":[{"metadata":{"name":"a"},"x":[[],{},"]}"]}],"metadata":{},"n":-1.5e3}`,
		`{"items":null}`, `{"items":[`, `{}`, `{"a":1,"items":[{"metadata":{"name":"é"}}]} `,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, page []byte) {
		names, meta, err := readPage(bytes.NewReader(page))
		names1, meta1, err1 := readPage(iotest.OneByteReader(bytes.NewReader(page)))
		if fmt.Sprint(err) != fmt.Sprint(err1) || !cmp.Equal(names, names1) || !cmp.Equal(meta, meta1) {
			t.Fatalf("byte by byte it is another page: %v %v, %v %v, %v %v", names, names1, meta, meta1, err, err1)
		}
		if err != nil {
			return
		}
		items, ok := modelItems(page)
		if !ok {
			t.Fatalf("read as a page, and encoding/json refuses it: %q", page)
		}
		if items != len(names) {
			t.Errorf("got %d objects, want %d", len(names), items)
		}
	})
}

// BenchmarkReader reads a page of 500 ConfigMaps of about 1 KiB as an API server sends them.
func BenchmarkReader(b *testing.B) {
	var page bytes.Buffer
	page.WriteString(`{"kind":"ConfigMapList","apiVersion":"v1","metadata":{"resourceVersion":"5"},"items":[`)
	for i := range 500 {
		if i > 0 {
			page.WriteByte(',')
		}
		fmt.Fprintf(&page, `{"metadata":{"name":"object-%06d","namespace":"scale","uid":"7f1c2a34-0000-4000-8000-%012d",`+
			`"resourceVersion":"%d","creationTimestamp":"2026-01-01T00:00:00Z","labels":{"app":"shop","tier":"web"},`+
			`"managedFields":[{"manager":"m","operation":"Update","apiVersion":"v1","time":"2026-01-01T00:00:00Z",`+
			`"fieldsType":"FieldsV1","fieldsV1":{"f:data":{".":{},"f:content":{}}}}]},"data":{"content":"%s"}}`,
			i, i, i, strings.Repeat("abcdefgh", 128))
	}
	page.WriteString(`]}`)
	b.SetBytes(int64(page.Len()))
	b.ReportAllocs()
	for b.Loop() {
		names, _, err := readPage(bytes.NewReader(page.Bytes()))
		if err != nil || len(names) != 500 {
			b.Fatalf("%d objects, error %v", len(names), err)
		}
	}
	b.ReportMetric(500*float64(b.N)/b.Elapsed().Seconds(), "objects/s")
}
