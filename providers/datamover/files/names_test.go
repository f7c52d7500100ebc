package files_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/soda-cdm/kahu/providers/datamover/files"
)

// FuzzNames: every name that a file system can have comes back, is text on the way, and is never one of ours.
func FuzzNames(f *testing.F) {
	for _, name := range []string{"plain", "not\xfftext", "%41", ".kahu-attributes", ".kahu-name~x", "\xff", "ü", "..."} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		if name == "" || name == "." || name == ".." || strings.ContainsAny(name, "/\x00") {
			t.Skip("no entry has such a name")
		}
		stored := files.StoredName(name)
		if !utf8.ValidString(stored) || stored == files.AttributesName || strings.ContainsAny(stored, "/\x00") {
			t.Errorf("%q is stored as %q", name, stored)
		}
		if back, err := files.TrueName(stored); err != nil || back != name {
			t.Errorf("%q is stored as %q and comes back as %q: %v", name, stored, back, err)
		}
	})
}

// TestNoNames: what leads out of a folder, or is damaged, is no name.
func TestNoNames(t *testing.T) {
	for _, stored := range []string{".kahu-name~", ".kahu-name~.", ".kahu-name~..", ".kahu-name~%2F", ".kahu-name~a%00", ".kahu-name~%", ".kahu-name~%4", ".kahu-name~%zz"} {
		if name, err := files.TrueName(stored); err == nil {
			t.Errorf("%q is %q", stored, name)
		}
	}
}
