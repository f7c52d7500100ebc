// Package image makes container images without a registry and without Docker.
//
// An image is one layer of files and a configuration. What comes out is an
// archive in the form that `docker save` writes, which containerd imports
// (Docker Image Specification v1.2). The same images give the same bytes: no
// time, user or name of the machine goes into them.
package image

import (
	"archive/tar"
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"path"
	"regexp"
	"runtime"
	"slices"
	"strings"
)

// Image is one image of an archive.
type Image struct {
	// Tag is its name, as pods give it: registry/name:version.
	Tag string
	// Files are its content. The folders that they lie in come by themselves.
	Files []File
	// Entrypoint is the command, Arguments what it gets where a pod says nothing.
	Entrypoint []string
	Arguments  []string
	// Environment has entries like NAME=value.
	Environment []string
	// User is a number, or empty for root.
	User string
	// WorkingDir is where the command starts, or empty for /.
	WorkingDir string
}

// File is a file, or an empty folder.
type File struct {
	// Path is absolute.
	Path string
	// Mode are permission bits, with the sticky bit as in a tar header.
	Mode int64
	// Content is all of it; a Folder has none.
	Content []byte
	Folder  bool
}

// validTag wants the registry to be there: kubelets take a name without one for Docker's.
var validTag = regexp.MustCompile(`^[a-z0-9.-]+\.[a-z0-9.-]+(/[a-z0-9._-]+)+:[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$`)

// Write writes an archive of images. Layers that are the same are written once.
func Write(out io.Writer, images ...Image) error {
	archive := tar.NewWriter(out)
	written := map[string]bool{}
	entries := make([]entry, 0, len(images))
	for _, image := range images {
		entry, err := image.write(archive, written)
		if err != nil {
			return fmt.Errorf("writing image %s: %w", image.Tag, err)
		}
		entries = append(entries, entry)
	}
	manifest, err := json.Marshal(entries)
	if err != nil {
		return fmt.Errorf("encoding the manifest: %w", err)
	}
	if err := writeFile(archive, "manifest.json", manifest); err != nil {
		return err
	}
	return archive.Close()
}

// entry is an image in the archive's manifest.
type entry struct {
	Config   string   `json:"Config"`   //nolint:tagliatelle // the name is the specification's
	RepoTags []string `json:"RepoTags"` //nolint:tagliatelle // the name is the specification's
	Layers   []string `json:"Layers"`   //nolint:tagliatelle // the name is the specification's
}

func (i Image) write(archive *tar.Writer, written map[string]bool) (entry, error) {
	if !validTag.MatchString(i.Tag) {
		return entry{}, fmt.Errorf("%q is no name for an image: use one like kahu.local/name:version", i.Tag)
	}
	layer, err := layer(i.Files)
	if err != nil {
		return entry{}, err
	}
	digest := digestOf(layer)
	config, err := json.Marshal(i.configuration(digest))
	if err != nil {
		return entry{}, fmt.Errorf("encoding the configuration: %w", err)
	}
	made := entry{
		Config:   digestOf(config) + ".json",
		RepoTags: []string{i.Tag},
		Layers:   []string{digest + "/layer.tar"},
	}
	for _, file := range []struct {
		name    string
		content []byte
	}{{made.Layers[0], layer}, {made.Config, config}} {
		if written[file.name] {
			continue
		}
		written[file.name] = true
		if err := writeFile(archive, file.name, file.content); err != nil {
			return entry{}, err
		}
	}
	return made, nil
}

// configuration is the part of the OCI image configuration that runtimes read.
type configuration struct {
	Architecture string  `json:"architecture"`
	OS           string  `json:"os"`
	Config       command `json:"config"`
	RootFS       rootFS  `json:"rootfs"`
}

type command struct {
	User       string   `json:"User,omitempty"`       //nolint:tagliatelle // the name is the specification's
	Env        []string `json:"Env,omitempty"`        //nolint:tagliatelle // the name is the specification's
	Entrypoint []string `json:"Entrypoint,omitempty"` //nolint:tagliatelle // the name is the specification's
	Cmd        []string `json:"Cmd,omitempty"`        //nolint:tagliatelle // the name is the specification's
	WorkingDir string   `json:"WorkingDir,omitempty"` //nolint:tagliatelle // the name is the specification's
}

type rootFS struct {
	Type    string   `json:"type"`
	DiffIDs []string `json:"diff_ids"` //nolint:tagliatelle // the name is the specification's
}

func (i Image) configuration(layer string) configuration {
	return configuration{
		Architecture: runtime.GOARCH,
		OS:           "linux",
		Config: command{
			User: i.User, Env: i.Environment, Entrypoint: i.Entrypoint, Cmd: i.Arguments, WorkingDir: i.WorkingDir,
		},
		RootFS: rootFS{Type: "layers", DiffIDs: []string{"sha256:" + layer}},
	}
}

// layer is the tar of the files, each after the folders that it lies in.
func layer(files []File) ([]byte, error) {
	sorted := slices.SortedFunc(slices.Values(files), func(a, b File) int { return cmp.Compare(a.Path, b.Path) })
	var out bytes.Buffer
	archive := tar.NewWriter(&out)
	made := map[string]bool{"/": true}
	for _, file := range sorted {
		if !path.IsAbs(file.Path) || path.Clean(file.Path) != file.Path || file.Path == "/" {
			return nil, fmt.Errorf("%q is no clean absolute path", file.Path)
		}
		if made[file.Path] {
			return nil, fmt.Errorf("%s is there twice", file.Path)
		}
		if err := writeParents(archive, file.Path, made); err != nil {
			return nil, err
		}
		made[file.Path] = true
		if err := writeEntry(archive, file); err != nil {
			return nil, err
		}
	}
	if err := archive.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

func writeParents(archive *tar.Writer, name string, made map[string]bool) error {
	parent := path.Dir(name)
	if made[parent] {
		return nil
	}
	if err := writeParents(archive, parent, made); err != nil {
		return err
	}
	made[parent] = true
	return writeEntry(archive, File{Path: parent, Mode: 0o755, Folder: true})
}

func writeEntry(archive *tar.Writer, file File) error {
	header := &tar.Header{
		Typeflag: tar.TypeReg,
		Name:     strings.TrimPrefix(file.Path, "/"),
		Mode:     file.Mode,
		Size:     int64(len(file.Content)),
	}
	if file.Folder {
		header.Typeflag, header.Name = tar.TypeDir, header.Name+"/"
	}
	if err := archive.WriteHeader(header); err != nil {
		return fmt.Errorf("writing the header of %s: %w", file.Path, err)
	}
	if _, err := archive.Write(file.Content); err != nil {
		return fmt.Errorf("writing %s: %w", file.Path, err)
	}
	return nil
}

func writeFile(archive *tar.Writer, name string, content []byte) error {
	return writeEntry(archive, File{Path: name, Mode: 0o644, Content: content})
}

func digestOf(content []byte) string {
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:])
}
