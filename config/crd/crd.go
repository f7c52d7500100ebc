// Package crd holds the definitions of Kahu's kinds, generated from the types in
// the api module, for the programs that install them.
package crd

import (
	"embed"
	"fmt"
	"io/fs"
)

//go:embed *.yaml
var files embed.FS

// FS returns the definitions, one YAML file per kind, all at its top.
func FS() fs.FS { return files }

// Manifests returns the content of every definition by the name of its file.
func Manifests() (map[string][]byte, error) {
	names, err := fs.Glob(files, "*.yaml")
	if err != nil {
		return nil, fmt.Errorf("listing definitions: %w", err)
	}
	manifests := make(map[string][]byte, len(names))
	for _, name := range names {
		content, err := fs.ReadFile(files, name)
		if err != nil {
			return nil, fmt.Errorf("reading definition %s: %w", name, err)
		}
		manifests[name] = content
	}
	return manifests, nil
}
