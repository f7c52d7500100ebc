package workload

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
)

// write makes files named 000000 and so on, each on disk before the next one.
func write(ctx context.Context, arguments []string, _ io.Writer) error {
	flags := flagsOf("write")
	files := flags.Int("files", 10, "how many")
	size := flags.Int64("size", 1024, "bytes of each")
	seed := flags.Uint64("seed", 1, "what the content depends on")
	arguments, err := parse(flags, arguments, 1, 1)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(arguments[0], 0o755); err != nil { //nolint:gosec // others read it, too
		return fmt.Errorf("making the folder: %w", err)
	}
	for number := range *files {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err := writeFile(filepath.Join(arguments[0], fmt.Sprintf("%06d", number)), contentOf(*seed, number, *size)); err != nil {
			return err
		}
	}
	return nil
}

// contentOf is a stream that no compression makes smaller, always the same for a seed and a number.
func contentOf(seed uint64, number int, size int64) io.Reader {
	var key [32]byte
	binary.LittleEndian.PutUint64(key[:], seed)
	binary.LittleEndian.PutUint64(key[8:], uint64(number)) //nolint:gosec // a count from 0 on
	return io.LimitReader(rand.NewChaCha8(key), size)
}

func writeFile(path string, content io.Reader) error {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o644) //nolint:gosec // others read it, too
	if err != nil {
		return fmt.Errorf("making a file: %w", err)
	}
	_, err = io.Copy(file, content)
	if err == nil {
		err = file.Sync()
	}
	if err := errors.Join(err, file.Close()); err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	return nil
}

// checksum prints a line for each path, like sha256sum. For a folder it covers
// the names, types, permissions and content of all that is below, in order.
func checksum(ctx context.Context, arguments []string, stdout io.Writer) error {
	arguments, err := parse(flagsOf("checksum"), arguments, 1, 1000)
	if err != nil {
		return err
	}
	for _, path := range arguments {
		sum, err := sumOf(ctx, path)
		if err != nil {
			return err
		}
		_, _ = fmt.Fprintf(stdout, "%s  %s\n", sum, path)
	}
	return nil
}

func sumOf(ctx context.Context, root string) (string, error) {
	info, err := os.Stat(root)
	if err != nil {
		return "", err
	}
	hash := sha256.New()
	if !info.IsDir() {
		err := copyFile(hash, root)
		return hex.EncodeToString(hash.Sum(nil)), err
	}
	err = filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || ctx.Err() != nil {
			return errors.Join(err, context.Cause(ctx))
		}
		return addEntry(hash, root, path, entry)
	})
	return hex.EncodeToString(hash.Sum(nil)), err
}

// addEntry adds one entry below a folder. The length before each name keeps apart what is not the same.
func addEntry(hash io.Writer, root, path string, entry fs.DirEntry) error {
	name, err := filepath.Rel(root, path)
	if err != nil {
		return err
	}
	info, err := entry.Info()
	if err != nil {
		return err
	}
	_, _ = fmt.Fprintf(hash, "%d %s %s %d\n", len(name), name, info.Mode(), sizeOf(info)) // a hash takes all
	switch {
	case info.Mode().IsRegular():
		return copyFile(hash, path)
	case info.Mode()&fs.ModeSymlink != 0:
		target, err := os.Readlink(path)
		_, _ = fmt.Fprintf(hash, "%d %s\n", len(target), target)
		return err
	}
	return nil
}

// sizeOf is 0 for what has no content of its own: a folder's size is up to the file system.
func sizeOf(info fs.FileInfo) int64 {
	if info.Mode().IsRegular() {
		return info.Size()
	}
	return 0
}

func copyFile(to io.Writer, path string) error {
	file, err := os.Open(path) //nolint:gosec // the user names it
	if err != nil {
		return err
	}
	_, err = io.Copy(to, file)
	return errors.Join(err, file.Close())
}
