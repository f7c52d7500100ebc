// Package canary looks for secrets in places where they must not be: in logs, events, answers, metrics, and in the texts of
// errors. A test plants values that are nowhere else, does everything that can go well or wrong, and then searches all that
// anybody can read.
//
// A value is found in each form in which programs write one: as it is, in base64 and hex, escaped for JSON, URLs, XML and Go, and as
// the numbers that Go prints for bytes.
package canary

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"io"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// shortest is how long, in bytes, a value must be: a shorter one would be found in any text.
const shortest = 8

// chunk is how much is read at once. What is held is this and the longest form of a value.
const chunk = 64 << 10

// maxFindings bounds what a search returns of one place.
const maxFindings = 20

// around is how much is shown before a finding, so that one sees what said it.
const around = 80

// Finding is a value where it must not be.
type Finding struct {
	// Canary is the name of the value, Form how it was written.
	Canary, Form string
	// Where is the place, Offset where it is there, in bytes.
	Where  string
	Offset int64
	// Before is what stands before it.
	Before string
}

// String says what was found, without the value.
func (f Finding) String() string {
	return fmt.Sprintf("%s (%s) at byte %d of %s, after %q", f.Canary, f.Form, f.Offset, f.Where, f.Before)
}

// Searcher knows what to look for. It can be used by many goroutines at once.
type Searcher struct {
	forms   []form
	longest int
}

// form is one way to write a value.
type form struct {
	canary, name string
	text         []byte
}

// New returns a searcher for values by their names.
func New(canaries map[string]string) (*Searcher, error) {
	searcher := &Searcher{}
	for name, value := range canaries {
		if len(value) < shortest {
			return nil, fmt.Errorf("canary %s has %d bytes: less than %d are found anywhere", name, len(value), shortest)
		}
		for _, each := range formsOf(name, value) {
			if slices.ContainsFunc(searcher.forms, func(other form) bool { return bytes.Equal(other.text, each.text) }) {
				continue
			}
			searcher.forms = append(searcher.forms, each)
			searcher.longest = max(searcher.longest, len(each.text))
		}
	}
	if len(searcher.forms) == 0 {
		return nil, errors.New("there is no canary to look for")
	}
	return searcher, nil
}

// formsOf returns the ways to write a value.
func formsOf(canary, value string) []form {
	var forms []form
	add := func(name, text string) {
		if len(text) >= shortest {
			forms = append(forms, form{canary: canary, name: name, text: []byte(text)})
		}
	}
	add("as it is", value)
	quoted := inside(strconv.Quote(value))
	add("quoted by Go", quoted)
	add("quoted by Go twice", inside(strconv.Quote(quoted)))
	for _, escape := range []bool{true, false} {
		once := inside(jsonOf(value, escape))
		add("escaped for JSON", once)
		add("escaped for JSON twice", inside(jsonOf(once, escape)))
	}
	add("escaped for a query", url.QueryEscape(value))
	add("escaped for a path", url.PathEscape(value))
	add("escaped for a path", strings.TrimPrefix((&url.URL{Path: "/" + value}).EscapedPath(), "/"))
	add("escaped for HTML", html.EscapeString(value))
	add("in hex", hex.EncodeToString([]byte(value)))
	add("in hex", strings.ToUpper(hex.EncodeToString([]byte(value))))
	add("as numbers", strings.Trim(fmt.Sprintf("%d", []byte(value)), "[]"))
	for _, text := range base64Of(value, base64.StdEncoding) {
		add("in base64", text)
		add("in base64 for a query", url.QueryEscape(text))
	}
	for _, text := range base64Of(value, base64.URLEncoding) {
		add("in base64 for URLs", text)
	}
	for _, text := range base64Of(base64.StdEncoding.EncodeToString([]byte(value)), base64.StdEncoding) {
		add("in base64 twice", text)
	}
	return forms
}

// inside returns a text without its quotation marks.
func inside(quoted string) string { return strings.TrimSuffix(strings.TrimPrefix(quoted, `"`), `"`) }

func jsonOf(value string, escape bool) string {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(escape)
	_ = encoder.Encode(value) //nolint:errchkjson // A string can be encoded.
	return strings.TrimSuffix(text.String(), "\n")
}

// base64Of returns what a value is in base64 wherever it begins in a longer text: the characters that depend on it alone, for
// each of the three alignments.
func base64Of(value string, encoding *base64.Encoding) []string {
	const bitsOfByte, bitsOfCharacter = 8, 6
	texts := make([]string, 0, 3)
	for before := range 3 {
		text := encoding.EncodeToString(append(make([]byte, before), value...))
		begin := (before*bitsOfByte + bitsOfCharacter - 1) / bitsOfCharacter
		end := (before + len(value)) * bitsOfByte / bitsOfCharacter
		texts = append(texts, text[begin:end])
	}
	return texts
}

// Search reads a place to its end, and returns what it finds, at most 20 findings. What it holds does not grow with the place.
func (s *Searcher) Search(where string, content io.Reader) ([]Finding, error) {
	var found []Finding
	keep := s.longest + around
	window := make([]byte, 0, chunk+keep)
	var start int64    // of the window in the place
	var searched int64 // what ends before this was searched
	for {
		n, err := io.ReadFull(content, window[len(window):cap(window)])
		window = window[:len(window)+n]
		found = append(found, s.in(window, where, start, searched)...)
		searched = start + int64(len(window))
		if len(found) >= maxFindings {
			return found[:maxFindings], nil
		}
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return found, nil
		}
		if err != nil {
			return found, fmt.Errorf("searching %s: %w", where, err)
		}
		cut := max(0, len(window)-keep)
		start += int64(cut)
		window = append(window[:0], window[cut:]...)
	}
}

// in searches a window for what ends behind the part that was searched before.
func (s *Searcher) in(window []byte, where string, start, searched int64) []Finding {
	var found []Finding
	for _, form := range s.forms {
		for at := 0; len(found) < maxFindings; {
			next := bytes.Index(window[at:], form.text)
			if next < 0 {
				break
			}
			at += next
			if start+int64(at+len(form.text)) > searched {
				found = append(found, Finding{
					Canary: form.canary, Form: form.name, Where: where, Offset: start + int64(at),
					Before: string(window[max(0, at-around):at]),
				})
			}
			at += len(form.text)
		}
	}
	return found
}
