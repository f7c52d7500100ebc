package canary_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/soda-cdm/kahu/internal/testkit/canary"
)

// value has what is escaped somewhere: quotation marks, signs of HTML and URLs, a line feed, and a letter that is no ASCII.
const value = "c4n4ry <\"&'\\/+%> kākāpō\nend"

func newSearcher(t *testing.T) *canary.Searcher {
	t.Helper()
	searcher, err := canary.New(map[string]string{"the value": value})
	if err != nil {
		t.Fatal(err)
	}
	return searcher
}

// leaks are ways in which programs have leaked secrets.
func leaks(t *testing.T) map[string]string {
	t.Helper()
	object, err := json.Marshal(map[string]any{"data": map[string][]byte{"key": []byte(value)}})
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(map[string]string{"key": value})
	if err != nil {
		t.Fatal(err)
	}
	annotation, err := json.Marshal(map[string]string{"last-applied": string(text)})
	if err != nil {
		t.Fatal(err)
	}
	query := url.Values{"token": {value}}
	found := map[string]string{
		"as it is":                   "password: " + value,
		"an object":                  string(object),
		"text in JSON":               string(text),
		"JSON in JSON":               string(annotation),
		"a query":                    "https://example.org/?" + query.Encode(),
		"a path":                     (&url.URL{Path: "/" + value}).EscapedPath(),
		"quoted by Go":               fmt.Sprintf("%q", value),
		"bytes as Go prints them":    fmt.Sprint(struct{ Data []byte }{[]byte(value)}),
		"a map of bytes":             fmt.Sprintf("%v", map[string][]byte{"key": []byte(value)}),
		"in hex":                     hex.EncodeToString([]byte(value)),
		"in capital hex":             fmt.Sprintf("%X", value),
		"base64 without its padding": base64.RawURLEncoding.EncodeToString([]byte(value)),
		"base64 in an object":        base64.StdEncoding.EncodeToString(object),
	}
	for before := range 4 {
		found[fmt.Sprintf("a header of basic authentication, %d", before)] = "Basic " +
			base64.StdEncoding.EncodeToString([]byte(strings.Repeat("u", before)+":"+value))
	}
	return found
}

// TestEachLeakIsFound plants a leak in every form, and finds it, wherever it is in a long text.
func TestEachLeakIsFound(t *testing.T) {
	t.Parallel()
	searcher := newSearcher(t)
	for name, leak := range leaks(t) {
		for _, before := range []int{0, 1, 1000, 65_535 - len(leak)/2, 65_536, 131_072 - 1} {
			text := strings.Repeat(".", before) + leak + strings.Repeat(".", 70_000)
			found, err := searcher.Search("the log", strings.NewReader(text))
			if err != nil || len(found) == 0 {
				t.Errorf("%s, %d bytes from the beginning: not found (%v)", name, before, err)
				continue
			}
			if strings.Contains(found[0].String(), value) || !strings.Contains(found[0].String(), "the value") {
				t.Errorf("%s: the finding shows the value, or not which: %s", name, found[0])
			}
		}
	}
}

// TestEachIsFoundOnce: a leak at the border of two pieces is no two leaks, and a byte at a time is as good as all at once.
func TestEachIsFoundOnce(t *testing.T) {
	t.Parallel()
	searcher := newSearcher(t)
	const space = 65_000
	text := strings.Repeat(strings.Repeat(".", space)+value, 5)
	for name, reader := range map[string]io.Reader{
		"at once": strings.NewReader(text), "a byte at a time": iotest.OneByteReader(strings.NewReader(text)),
	} {
		found, err := searcher.Search("the log", reader)
		if err != nil || len(found) != 5 {
			t.Fatalf("%s: %d findings, %v", name, len(found), err)
		}
		for i, each := range found {
			if want := int64(i*(space+len(value)) + space); each.Offset != want {
				t.Errorf("%s: finding %d is at %d, want %d", name, i, each.Offset, want)
			}
		}
	}
}

func TestNothingIsFoundWhereNothingIs(t *testing.T) {
	t.Parallel()
	searcher := newSearcher(t)
	for name, text := range map[string]string{
		"nothing": "", "half of it": value[:len(value)/2], "a digest of nothing": strings.Repeat("e3b0c442", 20_000),
		"half in base64": base64.StdEncoding.EncodeToString([]byte(value[:len(value)/2])),
	} {
		if found, err := searcher.Search("the log", strings.NewReader(text)); err != nil || len(found) > 0 {
			t.Errorf("%s: %v, %v", name, found, err)
		}
	}
}

func TestSearchIsBounded(t *testing.T) {
	t.Parallel()
	searcher := newSearcher(t)
	found, err := searcher.Search("the log", strings.NewReader(strings.Repeat(value, 10_000)))
	if err != nil || len(found) != 20 {
		t.Errorf("%d findings, %v", len(found), err)
	}
	failing := iotest.ErrReader(errors.New("no more"))
	if found, err := searcher.Search("the log", io.MultiReader(bytes.NewReader([]byte(value)), failing)); err == nil || len(found) != 1 {
		t.Errorf("what cannot be read to its end: %v, %v", found, err)
	}
}

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	for name, canaries := range map[string]map[string]string{"none": {}, "too short": {"pin": "1234"}} {
		if _, err := canary.New(canaries); err == nil {
			t.Errorf("%s: a searcher that finds nothing, or everything", name)
		}
	}
}
