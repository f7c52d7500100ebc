package image_test

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/soda-cdm/kahu/devcluster/internal/image"
)

func example(tag string) image.Image {
	return image.Image{
		Tag:        tag,
		Entrypoint: []string{"/bin/x"},
		Arguments:  []string{"now"},
		User:       "65534",
		Files: []image.File{
			{Path: "/tmp", Mode: 0o1777, Folder: true},
			{Path: "/bin/x", Mode: 0o755, Content: []byte("program")},
			{Path: "/a/b/c", Mode: 0o600, Content: []byte("text")},
		},
	}
}

// unpack gives the files of a tar by name, in order of the names list.
func unpack(t *testing.T, content []byte) (names []string, files map[string][]byte, headers map[string]*tar.Header) {
	t.Helper()
	files, headers = map[string][]byte{}, map[string]*tar.Header{}
	reader := tar.NewReader(bytes.NewReader(content))
	for {
		header, err := reader.Next()
		if errors.Is(err, io.EOF) {
			return names, files, headers
		}
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(reader)
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, header.Name)
		files[header.Name], headers[header.Name] = data, header
	}
}

func write(t *testing.T, images ...image.Image) []byte {
	t.Helper()
	var out bytes.Buffer
	if err := image.Write(&out, images...); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func digest(content []byte) string {
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:])
}

func TestArchiveIsWhatRuntimesImport(t *testing.T) {
	names, files, _ := unpack(t, write(t, example("kahu.local/one:1"), example("kahu.local/two:1")))
	var manifest []struct {
		Config   string   `json:"Config"`   //nolint:tagliatelle // the name is the specification's
		RepoTags []string `json:"RepoTags"` //nolint:tagliatelle // the name is the specification's
		Layers   []string `json:"Layers"`   //nolint:tagliatelle // the name is the specification's
	}
	if err := json.Unmarshal(files["manifest.json"], &manifest); err != nil {
		t.Fatal(err)
	}
	if len(manifest) != 2 || manifest[0].RepoTags[0] != "kahu.local/one:1" || manifest[1].RepoTags[0] != "kahu.local/two:1" {
		t.Fatalf("the manifest is %s", files["manifest.json"])
	}
	if len(names) != 3 {
		t.Errorf("the archive has %v, want the layer and the configuration once each", names)
	}
	layer := files[manifest[0].Layers[0]]
	if manifest[0].Layers[0] != digest(layer)+"/layer.tar" {
		t.Errorf("the layer lies at %s", manifest[0].Layers[0])
	}
	content := files[manifest[0].Config]
	if manifest[0].Config != digest(content)+".json" {
		t.Errorf("the configuration lies at %s", manifest[0].Config)
	}
	var config struct {
		OS     string `json:"os"`
		Config struct {
			User       string   `json:"User"`       //nolint:tagliatelle // the name is the specification's
			Entrypoint []string `json:"Entrypoint"` //nolint:tagliatelle // the name is the specification's
			Cmd        []string `json:"Cmd"`        //nolint:tagliatelle // the name is the specification's
		} `json:"config"`
		RootFS struct {
			DiffIDs []string `json:"diff_ids"` //nolint:tagliatelle // the name is the specification's
		} `json:"rootfs"`
	}
	if err := json.Unmarshal(content, &config); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"sha256:" + digest(layer)}, config.RootFS.DiffIDs); diff != "" {
		t.Error(diff)
	}
	if config.OS != "linux" || config.Config.User != "65534" || config.Config.Entrypoint[0] != "/bin/x" || config.Config.Cmd[0] != "now" {
		t.Errorf("the configuration is %s", content)
	}
}

func TestLayerHasFoldersBeforeFiles(t *testing.T) {
	names, files, _ := unpack(t, write(t, example("kahu.local/one:1")))
	layer, headers := []string(nil), map[string]*tar.Header(nil)
	for _, name := range names {
		if strings.HasSuffix(name, "layer.tar") {
			layer, _, headers = unpack(t, files[name])
		}
	}
	if diff := cmp.Diff([]string{"a/", "a/b/", "a/b/c", "bin/", "bin/x", "tmp/"}, layer); diff != "" {
		t.Fatal(diff)
	}
	if headers["tmp/"].Mode != 0o1777 || headers["bin/x"].Mode != 0o755 || !headers["tmp/"].ModTime.Equal(headers["bin/x"].ModTime) {
		t.Errorf("the headers are %+v and %+v", headers["tmp/"], headers["bin/x"])
	}
}

func TestSameImagesGiveSameBytes(t *testing.T) {
	if !bytes.Equal(write(t, example("kahu.local/one:1")), write(t, example("kahu.local/one:1"))) {
		t.Error("the bytes differ")
	}
}

func TestWriteRefuses(t *testing.T) {
	cases := map[string]func(*image.Image){
		"a name without a registry": func(i *image.Image) { i.Tag = "workload:1" },
		"a name without a version":  func(i *image.Image) { i.Tag = "kahu.local/workload" },
		"a relative path":           func(i *image.Image) { i.Files[0].Path = "tmp" },
		"a path upwards":            func(i *image.Image) { i.Files[0].Path = "/../etc" },
		"the root itself":           func(i *image.Image) { i.Files[0].Path = "/" },
		"a file twice":              func(i *image.Image) { i.Files[0].Path = "/bin/x" },
	}
	for name, change := range cases {
		t.Run(name, func(t *testing.T) {
			i := example("kahu.local/one:1")
			change(&i)
			if err := image.Write(io.Discard, i); err == nil {
				t.Error("it was taken")
			}
		})
	}
}

func TestProgramMustBeStatic(t *testing.T) {
	if _, err := image.Program("kahu.local/x:1", "/bin/sh"); err == nil || !strings.Contains(err.Error(), "CGO_ENABLED=0") {
		t.Errorf("a dynamic program: %v", err)
	}
	script := filepath.Join(t.TempDir(), "script")
	if err := os.WriteFile(script, []byte("#!/bin/sh\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := image.Program("kahu.local/x:1", script); err == nil || !strings.Contains(err.Error(), "no program") {
		t.Errorf("a script: %v", err)
	}
}
