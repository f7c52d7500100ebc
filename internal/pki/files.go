package pki

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// The names of the files in a folder of certificates are those of a Kubernetes Secret of type kubernetes.io/tls.
const (
	certificateFile = "tls.crt"
	keyFile         = "tls.key"
	trustFile       = "ca.crt"
)

// Write writes the pair into the folder, each file whole, for its owner alone. The certificate is written last: a
// reader that meets a new key with the old certificate keeps what it had.
func (p Pair) Write(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("making the folder of a certificate: %w", err)
	}
	return errors.Join(
		writeFile(filepath.Join(dir, trustFile), p.Authority),
		writeFile(filepath.Join(dir, keyFile), p.Key),
		writeFile(filepath.Join(dir, certificateFile), p.Certificate),
	)
}

// writeFile puts the content in place of the file, whole or not at all.
func writeFile(path string, content []byte) error {
	return place(path, content, os.Rename)
}

// createFile makes the file, whole or not at all; one that is there gives fs.ErrExist.
func createFile(path string, content []byte) error {
	return place(path, content, os.Link)
}

// place writes the content under a temporary name, then gives it its own with the function.
func place(path string, content []byte, give func(oldName, newName string) error) error {
	temporary, err := os.CreateTemp(filepath.Dir(path), ".new-*") // Its mode is 0600.
	if err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	defer func() { _ = os.Remove(temporary.Name()) }()
	_, err = temporary.Write(content)
	if err := errors.Join(err, temporary.Sync(), temporary.Close()); err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	if err := give(temporary.Name(), path); err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	return nil
}
