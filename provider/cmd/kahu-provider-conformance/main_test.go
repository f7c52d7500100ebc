package main_test

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/soda-cdm/kahu/provider"
	"github.com/soda-cdm/kahu/provider/memory"
)

// overwriting is wrong: its Create is an Upload.
type overwriting struct{ *memory.Store }

func (d overwriting) Capabilities(context.Context) ([]provider.Capability, error) {
	return []provider.Capability{
		provider.CapabilityMetaBackup, provider.CapabilityList, provider.CapabilityCreateIfAbsent,
	}, nil
}

func (d overwriting) Create(ctx context.Context, name string, a provider.Attributes, content io.Reader) error {
	return d.Upload(ctx, name, a, content)
}

// serve serves a driver on a unix socket until the test ends, and returns its endpoint.
func serve(t *testing.T, driver provider.Driver) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "s")
	var config net.ListenConfig
	listener, err := config.Listen(t.Context(), "unix", path)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- provider.NewServer(provider.Options{Driver: driver}).ServeListener(ctx, listener) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Errorf("serving: %v", err)
		}
	})
	return "unix://" + path
}

func TestCommand(t *testing.T) {
	binary := filepath.Join(t.TempDir(), "kahu-provider-conformance")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", binary, ".")
	if output, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building: %v\n%s", err, output)
	}
	store := memory.New(memory.Options{})
	right := serve(t, store)
	secrets := filepath.Join(t.TempDir(), "attributes")
	if err := os.WriteFile(secrets, []byte("key=top-secret\n\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		args []string
		code int
		want []string
		last string
	}{
		"list": {
			args: []string{"--list", "--run", "^delete/"},
			want: []string{"delete/gone", "delete/again", "What is deleted is gone, "},
		},
		"a driver that passes": {
			args: []string{"--endpoint", right, "--run", "^(identity|range)/", "--attribute", "a=b", "--attributes-file", secrets},
			want: []string{"pass  identity/info\n", "pass  range/zero\n"},
			last: "13 passed, 0 failed, 0 skipped",
		},
		"a driver that fails": {
			args: []string{"--endpoint", serve(t, overwriting{store}), "--run", "^(create/present|stat/size|range/zero|list/changes)$"},
			code: 1,
			want: []string{
				"FAIL  create/present\n", "fails with AlreadyExists and leaves it alone.\n", "pass  list/changes\n",
				"skip  stat/size (the driver does not name the capability Stat)\n",
			},
			last: "1 passed, 1 failed, 2 skipped",
		},
		"nobody listens": {
			args: []string{"--endpoint", "unix:///does/not/exist", "--run", "identity/probe"},
			code: 2,
			want: []string{"asking the driver at unix:///does/not/exist"},
		},
		"no check of that name": {
			args: []string{"--endpoint", right, "--run", "of-no-such-name"}, code: 2, want: []string{"no check matches"},
		},
		"no endpoint":         {code: 2, want: []string{"--endpoint is missing"}},
		"a bad expression":    {args: []string{"--list", "--run", "("}, code: 2, want: []string{"--run"}},
		"a bad attribute":     {args: []string{"--list", "--attribute", "x"}, code: 2, want: []string{"key=value"}},
		"a superfluous word":  {args: []string{"--list", "x"}, code: 2, want: []string{`"x"`}},
		"help is not a fault": {args: []string{"--help"}, want: []string{"-endpoint"}},
	} {
		t.Run(name, func(t *testing.T) {
			output, err := exec.CommandContext(t.Context(), binary, test.args...).CombinedOutput()
			code := 0
			if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
				code = exit.ExitCode()
			} else if err != nil {
				t.Fatal(err)
			}
			if code != test.code {
				t.Errorf("the exit code is %d, want %d", code, test.code)
			}
			for _, want := range test.want {
				if !strings.Contains(string(output), want) {
					t.Errorf("the output lacks %q", want)
				}
			}
			if lines := strings.Split(strings.TrimSpace(string(output)), "\n"); test.last != "" && lines[len(lines)-1] != test.last {
				t.Errorf("the last line is %q, want %q", lines[len(lines)-1], test.last)
			}
			if strings.Contains(string(output), "top-secret") {
				t.Error("the output has a secret")
			}
			if t.Failed() {
				t.Logf("the output:\n%s", output)
			}
		})
	}
}
