package canary_test

import (
	"bytes"
	"encoding/json"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"github.com/soda-cdm/kahu/internal/testkit/canary"
)

// gather returns everything that can be read without reading a Secret or a segment, by where it is.
func (w *world) gather() map[string][]byte {
	w.t.Helper()
	found := map[string][]byte{"the logs": []byte(w.logs.String()), "the command line": []byte(w.printed.String())}
	for name, list := range everything() {
		check(w.t, w.api.List(w.t.Context(), list))
		content, err := json.Marshal(list)
		check(w.t, err)
		found[name] = content
	}
	found["metrics"] = w.fetch("http://" + w.metrics + "/metrics")
	for _, profile := range []string{"cmdline", "goroutine?debug=2", "heap?debug=1", "goroutine?debug=1", "mutex?debug=1"} {
		found["profile "+profile] = w.fetch("http://" + w.profiles + "/debug/pprof/" + profile)
	}
	w.gatherStore(found)
	return found
}

func (w *world) fetch(url string) []byte {
	w.t.Helper()
	request, err := http.NewRequestWithContext(w.t.Context(), http.MethodGet, url, nil)
	check(w.t, err)
	response, err := http.DefaultClient.Do(request)
	check(w.t, err)
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	check(w.t, err)
	if response.StatusCode != http.StatusOK || len(content) == 0 {
		w.t.Fatalf("%s: %s, %d bytes", url, response.Status, len(content))
	}
	return content
}

// gatherStore adds what lies at the locations, but for the segments of those that are not encrypted, which hold the objects.
func (w *world) gatherStore(found map[string][]byte) {
	w.t.Helper()
	check(w.t, filepath.WalkDir(w.store.Root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		inside := strings.TrimPrefix(path, w.store.Root)
		if strings.HasPrefix(inside, "/backups/plain") && strings.Contains(inside, "/segments/") {
			return nil
		}
		content, err := os.ReadFile(path)
		found["the store, "+inside] = content
		if plain := unzip(w.t, content); plain != nil {
			found["the store, decompressed, "+inside] = plain
		}
		return err
	}))
}

// unzip returns what is in a compressed file, nil where it is none.
func unzip(t *testing.T, content []byte) []byte {
	t.Helper()
	if !bytes.HasPrefix(content, []byte{0x28, 0xb5, 0x2f, 0xfd}) {
		return nil
	}
	reader, err := zstd.NewReader(bytes.NewReader(content))
	check(t, err)
	defer reader.Close()
	plain, err := io.ReadAll(reader)
	check(t, err)
	return plain
}

// leaks searches all of it.
func leaks(t *testing.T, searcher *canary.Searcher, places map[string][]byte) []canary.Finding {
	t.Helper()
	var found []canary.Finding
	for where, content := range places {
		some, err := searcher.Search(where, bytes.NewReader(content))
		check(t, err)
		found = append(found, some...)
	}
	return found
}
