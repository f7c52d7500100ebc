package conformance_test

import (
	"context"
	"errors"
	"io"
	"net"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/soda-cdm/kahu/provider"
	"github.com/soda-cdm/kahu/provider/conformance"
	"github.com/soda-cdm/kahu/provider/memory"
)

func TestChecksHaveNamesAndPromises(t *testing.T) {
	form := regexp.MustCompile(`^[a-z]+/[a-z-]+$`)
	seen := map[string]bool{}
	for _, check := range conformance.Checks() {
		if !form.MatchString(check.Name) || seen[check.Name] {
			t.Errorf("the name %q is not of the form subject/promise, or is there twice", check.Name)
		}
		seen[check.Name] = true
		if !strings.HasSuffix(check.Promise, ".") || strings.Contains(check.Promise, "!") {
			t.Errorf("%s: the promise is no sentence: %q", check.Name, check.Promise)
		}
	}
}

// serve serves a driver on a unix socket until the test ends, and returns its endpoint.
func serve(t *testing.T, driver provider.Identity) string {
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

// old is a driver as they were before the additions: no folders, no abilities beyond the four methods, and a content
// that breaks off is stored as far as it came.
type old struct {
	provider.Identity

	store *memory.Store
}

func (old) Capabilities(context.Context) ([]provider.Capability, error) {
	return []provider.Capability{provider.CapabilityMetaBackup}, nil
}

func (d old) Upload(ctx context.Context, name string, a provider.Attributes, content io.Reader) error {
	if strings.Contains(name, "/") {
		return errors.New("open: no such file or directory")
	}
	return gullible{d.store}.Upload(ctx, name, a, content)
}

func (d old) Exists(ctx context.Context, name string, a provider.Attributes) (bool, error) {
	return d.store.Exists(ctx, name, a)
}

func (d old) Download(ctx context.Context, name string, a provider.Attributes) (io.ReadCloser, error) {
	return d.store.Download(ctx, name, a)
}

func (d old) Delete(ctx context.Context, name string, a provider.Attributes) error {
	return d.store.Delete(ctx, name, a)
}

func TestOldDriverIsSkippedNotFailed(t *testing.T) {
	store := memory.New(memory.Options{})
	endpoint := serve(t, old{store, store})
	count := map[conformance.Outcome]int{}
	for _, check := range conformance.Checks() {
		result := conformance.Execute(t.Context(), check, conformance.Target{Endpoint: endpoint})
		count[result.Outcome]++
		if result.Outcome == conformance.Failed {
			t.Errorf("%s: %s", check.Name, strings.Join(result.Messages, "; "))
		}
		if result.Outcome == conformance.Skipped && len(result.Messages) != 1 {
			t.Errorf("%s: a skipped check has a reason, this has %q", check.Name, result.Messages)
		}
	}
	if count[conformance.Passed] < 15 || count[conformance.Skipped] < 20 {
		t.Errorf("the counts are %v, want many of both", count)
	}
}
