package stored_test

import (
	"encoding/json"
	"testing"
	"unicode/utf8"

	"github.com/soda-cdm/kahu/internal/cluster/stored"
)

// FuzzUID checks that the UID of any answer is the one that a plain decoder finds, where the names are written once.
func FuzzUID(f *testing.F) {
	for _, seed := range []string{
		`{"metadata":{"uid":"a","name":"b"}}`, `{"metadata":{"uid":"\u0061"}}`, `{"metadata":{}}`, `{"metadata":null}`, `{}`, `[]`,
		`{"metadata":{"uid":1}}`, `{"a":{"metadata":{"uid":"x"}},"metadata":{"labels":{"uid":"y"},"uid":"z"}}`, `{"metadata":{"uid":"a"}`,
		"", "{\"metadata\":{\"uid\":\"\xff\"}}", `{"metadata":{"uid":"a"}} x`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		found, err := stored.UID(raw)
		var members map[string]json.RawMessage
		var metadata map[string]any
		// A decoder replaces what is no text, which an API server does not send.
		if !utf8.Valid(raw) || json.Unmarshal(raw, &members) != nil || json.Unmarshal(members["metadata"], &metadata) != nil || metadata == nil {
			return
		}
		want, is := metadata["uid"].(string)
		if is && (err != nil || string(found) != want) {
			t.Errorf("got %q, %v, and not %q", found, err, want)
		}
	})
}
