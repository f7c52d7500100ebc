package inspection_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/soda-cdm/kahu/internal/core/inspection"
)

// ask offers the lines and returns the page that the token names.
func ask(question []string, token string, lines []string) (inspection.Page, error) {
	pager, err := inspection.NewPager(question, token)
	if err != nil {
		return inspection.Page{}, err
	}
	for _, line := range lines {
		if err := pager.Offer(line); err != nil {
			return inspection.Page{}, err
		}
	}
	return pager.Page()
}

// TestPagesAreTheAnswer: all pages one after the other are all lines, each once and in order, and each page has its
// bounds.
func TestPagesAreTheAnswer(t *testing.T) {
	cases := map[string]struct{ number, length, pages int }{
		"nothing":                         {0, 0, 1},
		"one line":                        {1, 10, 1},
		"as many as a page holds":         {inspection.MaxLines, 10, 1},
		"one more than a page holds":      {inspection.MaxLines + 1, 10, 2},
		"as many bytes as a page holds":   {4, inspection.MaxPageSize/4 - 2, 1},
		"one byte more than a page holds": {4, inspection.MaxPageSize/4 - 1, 2},
		"long lines":                      {10, inspection.MaxLineSize - 2, 5},
		"many pages":                      {9 * inspection.MaxLines, 3, 9},
	}
	for name, test := range cases {
		t.Run(name, func(t *testing.T) {
			lines := make([]string, test.number)
			for i := range lines {
				lines[i] = fmt.Sprintf("%0*d", test.length, i)
			}
			var got []string
			token, pages := "", 0
			for {
				page, err := ask([]string{"q"}, token, lines)
				if err != nil {
					t.Fatal(err)
				}
				checkBounds(t, page)
				pages++
				got = append(got, page.Lines...)
				if token = page.Next; token == "" {
					break
				}
			}
			if pages != test.pages || len(got) != len(lines) {
				t.Fatalf("got %d lines on %d pages, want %d on %d", len(got), pages, len(lines), test.pages)
			}
			for i, line := range got {
				if line != `"`+lines[i]+`"` {
					t.Fatalf("line %d is %.20s", i, line)
				}
			}
		})
	}
}

func checkBounds(t *testing.T, page inspection.Page) {
	t.Helper()
	size := 0
	for _, line := range page.Lines {
		size += len(line)
	}
	if len(page.Lines) > inspection.MaxLines || size > inspection.MaxPageSize || len(page.Next) > 128 {
		t.Errorf("%d lines of %d bytes, token %q", len(page.Lines), size, page.Next)
	}
}

func TestLineThatIsTooLong(t *testing.T) {
	page, err := ask([]string{"q"}, "", []string{"short", strings.Repeat("x", inspection.MaxLineSize), "short again"})
	if err != nil {
		t.Fatal(err)
	}
	var omitted inspection.Omitted
	if err := json.Unmarshal([]byte(page.Lines[1]), &omitted); err != nil || omitted.Bytes != inspection.MaxLineSize+2 || len(page.Lines) != 3 {
		t.Errorf("got %.60q, %v", page.Lines[1], err)
	}
}

func TestTokensOfOthersAreRefused(t *testing.T) {
	lines := make([]string, inspection.MaxLines+1)
	first, err := ask([]string{"Objects", "a"}, "", lines)
	if err != nil {
		t.Fatal(err)
	}
	good := first.Next
	parts := strings.Split(good, ".")
	cases := map[string]struct {
		question []string
		token    string
		lines    []string
	}{
		"of another question":        {[]string{"Objects", "b"}, good, lines},
		"of parts put otherwise":     {[]string{"Object", "sa"}, good, lines},
		"of an answer that shrank":   {[]string{"Objects", "a"}, good, lines[:10]},
		"with another position":      {[]string{"Objects", "a"}, parts[0] + ".9999999." + parts[2], lines},
		"with no position":           {[]string{"Objects", "a"}, parts[0] + ".0." + parts[2], lines},
		"with a negative position":   {[]string{"Objects", "a"}, parts[0] + ".-5." + parts[2], lines},
		"written otherwise":          {[]string{"Objects", "a"}, parts[0] + ".0" + parts[1] + "." + parts[2], lines},
		"of another version":         {[]string{"Objects", "a"}, "2." + parts[1] + "." + parts[2], lines},
		"with more behind it":        {[]string{"Objects", "a"}, good + ".x", lines},
		"that is none":               {[]string{"Objects", "a"}, "x", lines},
		"with a position too great":  {[]string{"Objects", "a"}, parts[0] + ".99999999999999999999." + parts[2], lines},
		"with its digest cut short":  {[]string{"Objects", "a"}, good[:len(good)-1], lines},
		"with its digest in capital": {[]string{"Objects", "a"}, strings.ToUpper(good) + "A", lines},
	}
	for name, test := range cases {
		t.Run(name, func(t *testing.T) {
			if page, err := ask(test.question, test.token, test.lines); !errors.Is(err, inspection.ErrToken) {
				t.Errorf("got %d lines and %v", len(page.Lines), err)
			}
		})
	}
	if page, err := ask([]string{"Objects", "a"}, good, lines); err != nil || len(page.Lines) != 1 {
		t.Errorf("the good one: %d lines, %v", len(page.Lines), err)
	}
}

func FuzzToken(f *testing.F) {
	f.Add("1.5.00000000000000000000000000000000")
	f.Add("1..")
	lines := make([]string, 10)
	f.Fuzz(func(t *testing.T, token string) {
		page, err := ask([]string{"q"}, token, lines)
		if err == nil && token != "" {
			t.Logf("accepted %q: %d lines", token, len(page.Lines))
		}
		if err != nil && !errors.Is(err, inspection.ErrToken) {
			t.Errorf("%q gives %v", token, err)
		}
	})
}
