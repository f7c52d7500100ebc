package files

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

const (
	// reserved is what names begin with that are not those of entries of the volume.
	reserved = ".kahu-"
	// AttributesName is the name of the file that tells of entries what the tree has no place for.
	AttributesName = reserved + "attributes"
	// escaped begins the stored name of an entry whose name is no text, or is one of ours.
	escaped = reserved + "name~"
)

// StoredName returns the name under which an entry is in the tree.
func StoredName(name string) string {
	if utf8.ValidString(name) && !strings.HasPrefix(name, reserved) {
		return name
	}
	var stored strings.Builder
	stored.WriteString(escaped)
	for i := 0; i < len(name); {
		character, size := utf8.DecodeRuneInString(name[i:])
		if character == utf8.RuneError && size == 1 || character == '%' {
			fmt.Fprintf(&stored, "%%%02X", name[i])
		} else {
			stored.WriteString(name[i : i+size])
		}
		i += size
	}
	return stored.String()
}

// TrueName returns the name of an entry in its volume.
func TrueName(stored string) (string, error) {
	rest, is := strings.CutPrefix(stored, escaped)
	if !is {
		return stored, nil
	}
	var name strings.Builder
	for {
		plain, code, more := strings.Cut(rest, "%")
		name.WriteString(plain)
		if !more {
			break
		}
		const digits = 2
		if len(code) < digits {
			return "", fmt.Errorf("the stored name %q ends within a code", stored)
		}
		value, err := strconv.ParseUint(code[:digits], 16, 8)
		if err != nil {
			return "", fmt.Errorf("the stored name %q has the code %q: %w", stored, code[:digits], err)
		}
		name.WriteByte(byte(value))
		rest = code[digits:]
	}
	if made := name.String(); made != "" && made != "." && made != ".." && !strings.ContainsAny(made, "/\x00") {
		return made, nil
	}
	return "", fmt.Errorf("the stored name %q is of no entry", stored)
}
