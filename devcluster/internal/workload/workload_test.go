package workload_test

import (
	"bytes"
	"context"
	"encoding/pem"
	"fmt"
	"hash/crc32"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/soda-cdm/kahu/devcluster/internal/workload"
)

// run runs a function to its end.
func run(t *testing.T, arguments ...string) (stdout, stderr string, code int) {
	t.Helper()
	var out, errs bytes.Buffer
	code = workload.Main(t.Context(), arguments, &out, &errs)
	return out.String(), errs.String(), code
}

func must(t *testing.T, arguments ...string) string {
	t.Helper()
	out, errs, code := run(t, arguments...)
	if code != 0 {
		t.Fatalf("%v ends with %d: %s", arguments, code, errs)
	}
	return out
}

func sum(t *testing.T, path string) string {
	t.Helper()
	return strings.Fields(must(t, "checksum", path))[0]
}

func TestWrongUseIsToldWithTheUsage(t *testing.T) {
	cases := map[string][]string{
		"nothing":              {},
		"an unknown function":  {"fly"},
		"an unknown flag":      {"write", "--fast", "/x"},
		"no folder":            {"write"},
		"no text":              {"append", "/x"},
		"a text of two lines":  {"append", "/x", "a\nb"},
		"a duration of a word": {"sleep", "long"},
		"too much for serve":   {"serve", "x"},
		"a word of memory":     {"hold", "much"},
		"no address":           {"fetch"},
	}
	for name, arguments := range cases {
		t.Run(name, func(t *testing.T) {
			_, errs, code := run(t, arguments...)
			if code != 2 || !strings.Contains(errs, "usage: devcluster-workload") {
				t.Errorf("got %d: %s", code, errs)
			}
		})
	}
}

func TestFilesDependOnTheSeedAlone(t *testing.T) {
	sums := map[string]string{}
	for name, seed := range map[string]string{"one": "7", "same": "7", "other": "8"} {
		folder := filepath.Join(t.TempDir(), name)
		must(t, "write", "--files", "3", "--size", "5000", "--seed", seed, folder)
		entries, err := os.ReadDir(folder)
		if err != nil || len(entries) != 3 {
			t.Fatalf("there are %d files: %v", len(entries), err)
		}
		if info, err := entries[2].Info(); err != nil || info.Size() != 5000 {
			t.Errorf("got %v, %v, want 5000 bytes", info, err)
		}
		sums[name] = sum(t, folder)
	}
	if sums["one"] != sums["same"] || sums["one"] == sums["other"] {
		t.Errorf("the checksums are %v", sums)
	}
}

func TestChecksumSeesEveryDifference(t *testing.T) {
	cases := map[string]func(folder string) error{
		"content":    func(f string) error { return os.WriteFile(f+"/a", []byte("texd"), 0o600) },
		"length":     func(f string) error { return os.WriteFile(f+"/a", []byte("text and more"), 0o600) },
		"name":       func(f string) error { return os.Rename(f+"/a", f+"/b") },
		"mode":       func(f string) error { return os.Chmod(f+"/a", 0o640) },
		"file more":  func(f string) error { return os.WriteFile(f+"/c", nil, 0o600) },
		"folder":     func(f string) error { return os.Mkdir(f+"/d", 0o700) },
		"link":       func(f string) error { return os.Symlink("nowhere", f+"/l") },
		"file moved": func(f string) error { return os.Rename(f+"/a", f+"/sub/a") },
	}
	made := func(t *testing.T) string {
		t.Helper()
		folder := t.TempDir()
		for _, err := range []error{
			os.Mkdir(folder+"/sub", 0o700), os.WriteFile(folder+"/a", []byte("text"), 0o600),
		} {
			if err != nil {
				t.Fatal(err)
			}
		}
		return folder
	}
	if first, second := sum(t, made(t)), sum(t, made(t)); first != second {
		t.Error("two folders with the same content differ")
	}
	for name, change := range cases {
		t.Run(name, func(t *testing.T) {
			folder := made(t)
			before := sum(t, folder)
			if err := change(folder); err != nil {
				t.Fatal(err)
			}
			if sum(t, folder) == before {
				t.Error("the checksum is the same")
			}
		})
	}
}

func TestChecksumOfAFileIsThatOfEverybody(t *testing.T) {
	path := filepath.Join(t.TempDir(), "empty")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	want := "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855  " + path + "\n"
	if got := must(t, "checksum", path); got != want {
		t.Errorf("got %s", got)
	}
	if _, errs, code := run(t, "checksum", path+"-not"); code != 1 || !strings.Contains(errs, "no such file") {
		t.Errorf("a file that is not there: %d, %s", code, errs)
	}
}

func TestLinesGoOnWithTheirNumber(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lines")
	must(t, "append", "--count", "3", "--every", "1ms", path, "frozen now")
	must(t, "append", path, "thawed")
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSuffix(string(content), "\n"), "\n")
	if len(lines) != 4 {
		t.Fatalf("there are %d lines", len(lines))
	}
	for number, text := range []string{"frozen now", "frozen now", "frozen now", "thawed"} {
		said := fmt.Sprintf("%06d %s", number, text)
		if want := fmt.Sprintf("%s %08x", said, crc32.ChecksumIEEE([]byte(said))); lines[number] != want {
			t.Errorf("line %d is %q, want %q", number, lines[number], want)
		}
	}
	if out := must(t, "append", "-", "hello"); !strings.HasPrefix(out, "000000 hello ") {
		t.Errorf("stdout has %q", out)
	}
}

func TestEndlessFunctionsEndWithTheirContext(t *testing.T) {
	cases := map[string][]string{
		"sleep":            {"sleep"},
		"sleep for a time": {"sleep", "1h"},
		"append":           {"append", "--count", "0", "--every", "1h", "-", "x"},
		"serve":            {"serve", "--address", "127.0.0.1:0"},
		"hold":             {"hold", "1"},
	}
	for name, arguments := range cases {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
			defer cancel()
			if code := workload.Main(ctx, arguments, io.Discard, t.Output()); code != 0 {
				t.Errorf("it ends with %d", code)
			}
		})
	}
}

func TestServe(t *testing.T) {
	folder := t.TempDir()
	if err := os.WriteFile(folder+"/a", []byte("text"), 0o600); err != nil {
		t.Fatal(err)
	}
	reader, writer := io.Pipe()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan int)
	go func() {
		done <- workload.Main(ctx, []string{"serve", "--address", "127.0.0.1:0", "--folder", folder}, writer, io.Discard)
	}()
	var name, address string
	if _, err := fmt.Fscanf(reader, "%s listens at %s\n", &name, &address); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{"/name": name, "/healthz": "ok", "/a": "text"} {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(response.Body)
		if closeErr := response.Body.Close(); err != nil || closeErr != nil {
			t.Fatal(err, closeErr)
		}
		if string(body) != want {
			t.Errorf("%s gives %q, want %q", path, body, want)
		}
	}
	cancel()
	if code := <-done; code != 0 {
		t.Errorf("it ends with %d", code)
	}
}

func TestFetchShowsItsTokenAndBelievesItsAuthority(t *testing.T) {
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer secret" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		_, _ = io.WriteString(w, "hello")
	}))
	defer server.Close()
	folder := t.TempDir()
	authority := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	for name, content := range map[string]string{"ca": string(authority), "token": "secret\n", "other": "made up"} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if out := must(t, "fetch", "--ca", folder+"/ca", "--token", folder+"/token", server.URL); out != "hello" {
		t.Errorf("got %q", out)
	}
	cases := map[string]struct {
		arguments []string
		says      string
	}{
		"another token":       {[]string{"--ca", folder + "/ca", "--token", folder + "/other", server.URL}, "401"},
		"no authority":        {[]string{"--token", folder + "/token", server.URL}, "certificate"},
		"authority of nobody": {[]string{"--ca", folder + "/token", server.URL}, "no certificate"},
		"no such token":       {[]string{"--token", folder + "/none", server.URL}, "reading the token"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			_, errs, code := run(t, append([]string{"fetch"}, c.arguments...)...)
			if code != 1 || !strings.Contains(errs, c.says) {
				t.Errorf("got %d: %s", code, errs)
			}
		})
	}
}
