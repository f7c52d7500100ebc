package diff

import (
	"encoding/json"
	"strings"
	"unicode/utf8"
)

// Hidden stands for a value that is a secret.
const Hidden = "(hidden)"

// Texts returns the two values of a field as people read them, each at most limit bytes: JSON in one line, empty where
// the object has no such field, and Hidden where the values are a secret.
func (f Field) Texts(limit int) (old, next string) {
	if f.Sensitive {
		old, next = Hidden, Hidden
	} else {
		old, next = text(f.Old, limit), text(f.New, limit)
	}
	if f.Op == Added {
		old = ""
	}
	if f.Op == Removed {
		next = ""
	}
	return old, next
}

// text returns a value as JSON without line breaks, cut at the limit.
func text(value any, limit int) string {
	var content strings.Builder
	encoder := json.NewEncoder(&content)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		return "(cannot be shown)" // What was decoded from JSON can be encoded.
	}
	return cut(strings.TrimSuffix(content.String(), "\n"), limit)
}

const ellipsis = "..."

// cut shortens a text to at most limit bytes, between two characters.
func cut(text string, limit int) string {
	if len(text) <= limit {
		return text
	}
	end := max(limit-len(ellipsis), 0)
	for end > 0 && !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end] + ellipsis[:min(len(ellipsis), limit)]
}
