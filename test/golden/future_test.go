package golden_test

import (
	"bytes"
	"encoding/json"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"

	"github.com/soda-cdm/kahu/internal/core/archive"
	"github.com/soda-cdm/kahu/internal/core/seal"
)

// unknownField is what a later release writes into every JSON object.
const unknownField = "aFieldOfALaterRelease"

// TestFieldsOfLaterReleases puts a field that this program does not know into every JSON object of every file of every golden
// location: what is read stays the same, signatures and digests included.
func TestFieldsOfLaterReleases(t *testing.T) {
	t.Parallel()
	for name, folder := range locations(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := load(t, folder)
			later := &laterRelease{world: w, files: map[string]archive.File{}}
			later.rewrite()
			if later.fields < 20 { //nolint:mnd // Fewer than this are in no location.
				t.Fatalf("%d fields were put in", later.fields)
			}
			reading := w.read()
			for i, line := range reading.RestoreReports {
				// Whoever asks for the report of a restore sees all that is in it.
				if reading.RestoreReports[i] = bytes.ReplaceAll(line, []byte(`"`+unknownField+`":{"inside":true},`), nil); cmp.Equal(line, reading.RestoreReports[i]) {
					t.Errorf("lost on the way: %s", line)
				}
			}
			found, err := json.Marshal(reading)
			check(t, err)
			if diff := cmp.Diff(expected(t, folder), values(t, found)); diff != "" {
				t.Errorf("without the fields (-), with them (+):\n%s", diff)
			}
		})
	}
}

// laterRelease writes the files of a location again, as a later release would have written them.
type laterRelease struct {
	*world

	files  map[string]archive.File // those that were written again
	fields int
}

func (l *laterRelease) rewrite() {
	l.t.Helper()
	for _, manifests := range []bool{false, true} { // They name the others.
		for _, name := range l.names() {
			if strings.HasSuffix(name, "/manifest.json") == manifests {
				l.rewriteFile(name)
			}
		}
	}
}

func (l *laterRelease) rewriteFile(name string) {
	l.t.Helper()
	if strings.Contains(name, "/comparison") {
		return // Only the cluster that wrote it can open it.
	}
	was := l.content(name)
	content, key := l.open(name, was)
	switch {
	case strings.Contains(name, "/segments/"), strings.HasSuffix(name, ".age"):
		return // Objects are as the API server gave them, and keys are not JSON.
	case strings.HasSuffix(name, "/manifest.json"):
		content = l.signed(l.manifest(content), seal.PurposeManifest)
	case strings.HasSuffix(name, ".json"):
		content = l.lines(content)
	case strings.Contains(name, "/checkpoint-"):
		plain := bytes.TrimSuffix(unzip(l.t, content), []byte("\n"))
		content = zip(l.t, l.signed(l.lines(plain[:bytes.LastIndexByte(plain, '\n')+1]), seal.PurposeCheckpoint))
	default:
		content = zip(l.t, l.lines(unzip(l.t, content)))
	}
	if key != nil {
		var err error
		content, err = key.Epoch().SealBytes(content)
		check(l.t, err)
	}
	l.put(name, content)
	l.files[name] = archive.File{Name: name, Size: int64(len(content)), Digest: archive.DigestOf(content)}
}

// open decrypts a file that is encrypted, and returns the key.
func (l *laterRelease) open(name string, content []byte) ([]byte, *seal.Key) {
	l.t.Helper()
	if !seal.IsSealed(content) || strings.HasSuffix(name, ".age") {
		return content, nil
	}
	for _, other := range l.names() {
		epoch, _, ok := seal.ParseWrapName(other)
		if !ok {
			continue
		}
		key, err := l.keys().Key(l.t.Context(), epoch)
		check(l.t, err)
		plain, err := key.Open(bytes.NewReader(content))
		check(l.t, err)
		opened, err := io.ReadAll(plain)
		check(l.t, err)
		return opened, key
	}
	l.t.Fatalf("no key opens %s", name)
	return nil, nil
}

// lines puts the field into each line.
func (l *laterRelease) lines(content []byte) []byte {
	l.t.Helper()
	var result bytes.Buffer
	for line := range bytes.Lines(content) {
		l.encode(&result, l.extend(values(l.t, line)))
	}
	return result.Bytes()
}

// manifest puts the field into the first line, and the new sizes and digests of the files.
func (l *laterRelease) manifest(content []byte) []byte {
	l.t.Helper()
	line, _, _ := bytes.Cut(content, []byte("\n"))
	var result bytes.Buffer
	l.encode(&result, l.extend(l.update(values(l.t, line))))
	return result.Bytes()
}

// signed adds the last line. That of a checkpoint is over all lines with their line feeds, that of a manifest without.
func (l *laterRelease) signed(content []byte, purpose seal.Purpose) []byte {
	l.t.Helper()
	covered := content
	if purpose == seal.PurposeManifest {
		covered = bytes.TrimSuffix(content, []byte("\n"))
	}
	digest := string(archive.DigestOf(covered))
	last := `{"digest":"` + digest + `"`
	if l.signing != nil {
		last += `,"signer":"` + string(l.signing.Signer()) + `","signature":"` + l.signing.Sign(purpose, digest) + `"`
	}
	return append(slices.Clone(content), last+"}\n"...)
}

func (l *laterRelease) encode(to *bytes.Buffer, value any) {
	l.t.Helper()
	encoder := json.NewEncoder(to)
	encoder.SetEscapeHTML(false)
	check(l.t, encoder.Encode(value))
}

// extend puts the field into every object but those whose fields are names that people give.
func (l *laterRelease) extend(value any) any {
	switch value := value.(type) {
	case map[string]any:
		for key, field := range value {
			if key != "labels" && key != "attributes" {
				value[key] = l.extend(field)
			}
		}
		value[unknownField] = map[string]any{"inside": true}
		l.fields++
	case []any:
		for i := range value {
			value[i] = l.extend(value[i])
		}
	}
	return value
}

// update gives files their new sizes and digests.
func (l *laterRelease) update(value any) any {
	switch value := value.(type) {
	case map[string]any:
		for key, field := range value {
			value[key] = l.update(field)
		}
		name, _ := value["name"].(string)
		if file, written := l.files[name]; written {
			value["size"], value["digest"] = file.Size, file.Digest
		}
	case []any:
		for i := range value {
			value[i] = l.update(value[i])
		}
	}
	return value
}

func unzip(t *testing.T, content []byte) []byte {
	t.Helper()
	reader, err := zstd.NewReader(bytes.NewReader(content))
	check(t, err)
	defer reader.Close()
	plain, err := io.ReadAll(reader)
	check(t, err)
	return plain
}

func zip(t *testing.T, content []byte) []byte {
	t.Helper()
	var result bytes.Buffer
	writer, err := zstd.NewWriter(&result)
	check(t, err)
	_, err = writer.Write(content)
	check(t, err)
	check(t, writer.Close())
	return result.Bytes()
}
