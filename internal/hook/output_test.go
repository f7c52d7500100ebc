package hook_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/soda-cdm/kahu/internal/hook"
)

const half = 32 << 10

// TestOutput: the first and the last part of much is kept, and all of little, however it comes.
func TestOutput(t *testing.T) {
	t.Parallel()
	long := bytes.Repeat([]byte("0123456789abcdefghi\n"), 10_000)
	for name, test := range map[string]struct {
		written []byte
		want    string
	}{
		"nothing":        {nil, ""},
		"little":         {[]byte("all is well\n"), "all is well\n"},
		"as much as fit": {long[:2*half], string(long[:2*half])},
		"one byte more":  {long[:2*half+1], string(long[:half]) + "\n... 1 bytes left out ...\n" + string(long[half+1:2*half+1])},
		"much":           {long, string(long[:half]) + "\n... 134464 bytes left out ...\n" + string(long[len(long)-half:])},
		"no text":        {[]byte{0xff, 'a'}, "\uFFFDa"},
	} {
		for _, step := range []int{1, 7, 4096, len(long)} {
			output := &hook.Output{}
			for rest := test.written; len(rest) > 0; {
				number, err := output.Write(rest[:min(step, len(rest))])
				if err != nil {
					t.Fatal(err)
				}
				rest = rest[number:]
			}
			if got := output.String(); got != test.want {
				t.Errorf("%s, %d at a time: %d bytes, not %d: %q", name, step, len(got), len(test.want), strings.TrimSpace(got[:min(len(got), 60)]))
			}
		}
	}
}
