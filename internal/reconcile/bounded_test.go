package reconcile_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/soda-cdm/kahu/internal/reconcile"
)

func TestBounded(t *testing.T) {
	cases := map[string]struct {
		text  string
		limit int
		want  string
	}{
		"short":                     {"abc", 3, "abc"},
		"empty":                     {"", 0, ""},
		"one too long":              {"abcdef", 5, "ab…"},
		"a rune at the edge":        {"aäbcdef", 6, "aä…"},
		"a rune over the edge":      {"abäcdef", 6, "ab…"},
		"a rune of four bytes":      {"𝄞𝄞𝄞", 8, "𝄞…"},
		"only room for the mark":    {"abcdef", 3, "…"},
		"no room for the mark":      {"abcdef", 2, ""},
		"no room at all":            {"abcdef", 0, ""},
		"a limit below nothing":     {"abcdef", -1, ""},
		"bytes that are no text":    {"\xff\xff\xff\xff\xff", 4, "\xff…"},
		"a text of exactly a limit": {"äää", 6, "äää"},
	}
	for name, test := range cases {
		t.Run(name, func(t *testing.T) {
			if got := reconcile.Bounded(test.text, test.limit); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func FuzzBounded(f *testing.F) {
	f.Add("aäbcdef", 6)
	f.Add("abcdef", 2)
	f.Add("\xe2\x80", 1)
	f.Fuzz(func(t *testing.T, text string, limit int) {
		got := reconcile.Bounded(text, limit)
		if len(text) <= limit {
			if got != text {
				t.Fatalf("%q fits into %d bytes and became %q", text, limit, got)
			}
			return
		}
		if len(got) > max(limit, 0) {
			t.Fatalf("%q is longer than %d bytes", got, limit)
		}
		kept, cut := strings.CutSuffix(got, "…")
		if !cut && got != "" {
			t.Fatalf("%q does not show that it was cut", got)
		}
		if !strings.HasPrefix(text, kept) {
			t.Fatalf("%q is no beginning of %q", kept, text)
		}
		if utf8.ValidString(text) && !utf8.ValidString(got) {
			t.Fatalf("%q was text and %q is none", text, got)
		}
	})
}
