package nodeinit

import (
	"bytes"
	"strings"
	"testing"

	"github.com/soda-cdm/kahu/devcluster/internal/node"
)

func TestEndedChildren(t *testing.T) {
	cases := map[string]struct {
		stat string
		want bool
	}{
		"an orphan that has ended":      {stat: "12 (containerd-shim) Z 1 12 1 0", want: true},
		"one with brackets in its name": {stat: "12 (a) Z 1 (b) S 1 12) Z 1 12", want: true},
		"one that runs":                 {stat: "12 (containerd-shim) S 1 12 1 0"},
		"an ended child of another":     {stat: "12 (runc) Z 15 12 1 0"},
		"one that pretends in its name": {stat: "12 (Z 1) S 1 12 1 0"},
		"a file that was cut short":     {stat: "12 (x) Z"},
		"a file of nothing":             {stat: ""},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			if got := isEndedChild(c.stat); got != c.want {
				t.Errorf("got %v", got)
			}
		})
	}
}

// Run on the machine itself it would mount over its folders: it refuses.
func TestItRefusesToBeAnyProcess(t *testing.T) {
	config := node.Config{Name: "node-1", Folder: t.TempDir()}
	path, err := config.Write()
	if err != nil {
		t.Fatal(err)
	}
	var said bytes.Buffer
	if code := Main(t.Context(), []string{"--config", path}, &said); code != 1 || !strings.Contains(said.String(), "not the first process") {
		t.Errorf("got %d: %s", code, said.String())
	}
	said.Reset()
	if code := Main(t.Context(), []string{"--config", path + "-not"}, &said); code != 1 || !strings.Contains(said.String(), "no such file") {
		t.Errorf("got %d: %s", code, said.String())
	}
}
