package store_test

import (
	"context"
	"io"
	"net/url"
	"strings"
	"testing"

	"github.com/soda-cdm/kahu/internal/store"
	"github.com/soda-cdm/kahu/provider"
	"github.com/soda-cdm/kahu/provider/memory"
)

// folderless is a driver that knows no folders, and writes down the names that it is given.
type folderless struct {
	*memory.Store

	names map[string]bool
}

func (f folderless) Capabilities(context.Context) ([]provider.Capability, error) { return nil, nil }

func (f folderless) Upload(ctx context.Context, name string, attributes provider.Attributes, content io.Reader) error {
	f.names[name] = true
	return f.Store.Upload(ctx, name, attributes, content)
}

// FuzzFlatNames: a driver without folders never sees one, two names never meet, and each can be read back.
func FuzzFlatNames(f *testing.F) {
	f.Add("clusters/a/backups/b/c/manifest.json", "clusters%2Fa/backups/b/c/manifest.json")
	f.Add("a", "b")
	f.Add("%", "%25")
	f.Fuzz(func(t *testing.T, one, other string) {
		driver := folderless{memory.New(memory.Options{}), map[string]bool{}}
		files := store.New(driver, store.Options{Attempts: 1})
		written := map[string]bool{}
		for _, name := range []string{one, other} {
			if files.Replace(t.Context(), name, []byte(name)) == nil {
				written[name] = true
			}
		}
		if len(driver.names) != len(written) {
			t.Errorf("%v became %v", written, driver.names)
		}
		for flat := range driver.names {
			name, err := url.PathUnescape(flat)
			if strings.Contains(flat, "/") || err != nil || !written[name] {
				t.Errorf("%q is the name of none of %v: %v", flat, written, err)
			}
		}
		for name := range written {
			file, err := files.Open(t.Context(), name)
			if err != nil {
				t.Fatalf("opening %q: %v", name, err)
			}
			content, err := io.ReadAll(file)
			if closeErr := file.Close(); err != nil || closeErr != nil || string(content) != name {
				t.Errorf("%q has %q: %v, %v", name, content, err, closeErr)
			}
		}
	})
}
