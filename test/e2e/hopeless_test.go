package e2e_test

import (
	"context"
	"net"
	"os/exec"
	"strings"
	"testing"
	"time"

	testcluster "github.com/soda-cdm/kahu/internal/testkit/cluster"
)

// TestHopelessTreeEnds: a process tree that could never work ends, and its last line says what to do.
func TestHopelessTreeEnds(t *testing.T) {
	bare := testcluster.Start(t)
	taken, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = taken.Close() }) // The end of the process closes it, too.
	program(t, "kahu-provider-filesystem")
	for _, test := range []struct {
		name      string
		arguments []string
		last      []string
	}{
		{"without definitions", nil, []string{"backups.kahu.io", "--install-crds"}},
		{"profiles for everybody", []string{"--pprof-address", "0.0.0.0:6060"}, []string{"--pprof-address", "loopback"}},
		{
			"an address that is taken",
			[]string{"--install-crds", "--metrics-address", taken.Addr().String()},
			[]string{"manager ended 5 times in a row", taken.Addr().String(), "address already in use"},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
			defer cancel()
			command := exec.CommandContext(ctx, program(t, "kahu"), append([]string{
				"standalone", "--kubeconfig", bare.Kubeconfig(), "--store", t.TempDir(),
			}, test.arguments...)...)
			output, err := command.CombinedOutput()
			if err == nil || ctx.Err() != nil {
				t.Errorf("it ended with %v, %v", err, ctx.Err())
			}
			lines := strings.Split(strings.TrimSpace(string(output)), "\n")
			for _, words := range test.last {
				if !strings.Contains(lines[len(lines)-1], words) {
					t.Errorf("the last line has no %q:\n%s", words, output)
				}
			}
		})
	}
}
