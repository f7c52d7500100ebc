package conformance_test

import (
	"context"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/soda-cdm/kahu/provider"
	"github.com/soda-cdm/kahu/provider/conformance"
	"github.com/soda-cdm/kahu/provider/memory"
)

// hanging gives no answer to one call, whatever becomes of the context.
type hanging struct {
	*memory.Store

	call string
	end  chan struct{}
}

func (h hanging) hang(call string) {
	if call == h.call {
		<-h.end
	}
}

func (h hanging) Info(ctx context.Context) (provider.Info, error) {
	h.hang("GetProviderInfo")
	return h.Store.Info(ctx)
}

func (h hanging) Capabilities(ctx context.Context) ([]provider.Capability, error) {
	h.hang("GetProviderCapabilities")
	return h.Store.Capabilities(ctx)
}

func (h hanging) Probe(ctx context.Context) (bool, error) {
	h.hang("Probe")
	return h.Store.Probe(ctx)
}

func (h hanging) Upload(ctx context.Context, name string, a provider.Attributes, content io.Reader) error {
	h.hang("Upload")
	return h.Store.Upload(ctx, name, a, content)
}

func (h hanging) Create(ctx context.Context, name string, a provider.Attributes, content io.Reader) error {
	h.hang("Create")
	return h.Store.Create(ctx, name, a, content)
}

func (h hanging) Exists(ctx context.Context, name string, a provider.Attributes) (bool, error) {
	h.hang("ObjectExists")
	return h.Store.Exists(ctx, name, a)
}

func (h hanging) Delete(ctx context.Context, name string, a provider.Attributes) error {
	h.hang("Delete")
	return h.Store.Delete(ctx, name, a)
}

func (h hanging) List(ctx context.Context, request provider.ListRequest) (provider.ListPage, error) {
	h.hang("ListObjects")
	return h.Store.List(ctx, request)
}

func (h hanging) Stat(ctx context.Context, name string, a provider.Attributes) (provider.ObjectInfo, error) {
	h.hang("StatObject")
	return h.Store.Stat(ctx, name, a)
}

func (h hanging) Download(ctx context.Context, name string, a provider.Attributes) (io.ReadCloser, error) {
	h.hang("Download")
	return h.Store.Download(ctx, name, a)
}

func (h hanging) DownloadRange(ctx context.Context, request provider.RangeRequest) (io.ReadCloser, error) {
	h.hang("DownloadRange")
	return h.Store.DownloadRange(ctx, request)
}

// stuck gives the beginning of a content and no more.
type stuck struct{ hanging }

func (s stuck) Download(ctx context.Context, name string, a provider.Attributes) (io.ReadCloser, error) {
	content, err := s.Store.Download(ctx, name, a)
	if err != nil {
		return nil, err
	}
	return stuckReader{content, s.end}, nil
}

type stuckReader struct {
	io.ReadCloser

	end chan struct{}
}

func (s stuckReader) Read(into []byte) (int, error) {
	n, err := s.ReadCloser.Read(into[:min(1, len(into))])
	if n == 0 || err != nil {
		<-s.end
	}
	return n, err
}

// TestHangingDrivers: whatever a driver gives no answer to, a verdict comes within the time of a call, and names it.
func TestHangingDrivers(t *testing.T) {
	t.Parallel()
	for call, check := range map[string]string{
		"GetProviderInfo": "identity/info", "GetProviderCapabilities": "identity/capabilities", "Probe": "identity/probe",
		"Upload": "content/read-after-write", "Create": "create/absent", "ObjectExists": "content/read-after-write",
		"Delete": "delete/again", "ListObjects": "list/order", "StatObject": "stat/size",
		"Download": "content/read-after-write", "DownloadRange": "range/middle",
		"the end of Download": "content/read-after-write",
	} {
		t.Run(call, func(t *testing.T) {
			t.Parallel()
			end := make(chan struct{})
			defer close(end)
			var driver provider.Driver = hanging{memory.New(memory.Options{}), call, end}
			want := call
			if call == "the end of Download" {
				driver, want = stuck{hanging{memory.New(memory.Options{}), "", end}}, "Download"
			}
			at := slices.IndexFunc(conformance.Checks(), func(each conformance.Check) bool { return each.Name == check })
			result := conformance.Execute(t.Context(), conformance.Checks()[at],
				conformance.Target{Driver: driver, CallTime: 2 * time.Second})
			if result.Hangs != want || result.Outcome != conformance.Failed {
				t.Errorf("%s: %+v", check, result)
			}
			if text := strings.Join(result.Messages, "; "); !strings.Contains(text, want+" had no answer") {
				t.Errorf("%s: the messages do not name it: %s", check, text)
			}
		})
	}
}
