package store

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/provider"
)

// checkName refuses what is not a name by the provider contract, before any driver sees it.
func checkName(name string) error { return classed(provider.ValidateName(name)) }

// flatten returns the name with every "/" as "%2F" and every "%" as "%25", so that unescaping a URL's path gives it back.
// An old driver knows no folders and may store each name as one file of a file system, so the result is bounded as one
// element is; a longer one is refused.
func flatten(name string) (string, error) {
	flat := strings.NewReplacer("%", "%25", "/", "%2F").Replace(name)
	if len(flat) > provider.MaxElementBytes {
		return "", fmt.Errorf("the driver knows no folders, and %q is longer than %d bytes: %w", flat, provider.MaxElementBytes, core.ErrInvalid)
	}
	return flat, nil
}

// flat encodes names for a driver without folders.
type flat struct {
	driver
}

func (f flat) open(ctx context.Context, name string) (io.ReadCloser, error) {
	key, err := flatten(name)
	if err != nil {
		return nil, err
	}
	return f.driver.open(ctx, key)
}

func (f flat) openRange(ctx context.Context, name string, offset, length int64) (io.ReadCloser, error) {
	key, err := flatten(name)
	if err != nil {
		return nil, err
	}
	return f.driver.openRange(ctx, key, offset, length)
}

func (f flat) stat(ctx context.Context, name string) (object, error) {
	key, err := flatten(name)
	if err != nil {
		return object{}, err
	}
	found, err := f.driver.stat(ctx, key)
	found.Name = name
	return found, err
}

func (f flat) exists(ctx context.Context, name string) (bool, error) {
	key, err := flatten(name)
	if err != nil {
		return false, err
	}
	return f.driver.exists(ctx, key)
}

func (f flat) create(ctx context.Context, name string, content io.Reader) error {
	key, err := flatten(name)
	if err != nil {
		return err
	}
	return f.driver.create(ctx, key, content)
}

func (f flat) upload(ctx context.Context, name string, content io.Reader) error {
	key, err := flatten(name)
	if err != nil {
		return err
	}
	return f.driver.upload(ctx, key, content)
}

func (f flat) remove(ctx context.Context, name string) error {
	key, err := flatten(name)
	if err != nil {
		return err
	}
	return f.driver.remove(ctx, key)
}

// list is refused: an encoded prefix has another order, and a driver that lists is not encoded.
func (f flat) list(context.Context, string, string) (page, error) {
	return page{}, fmt.Errorf("listing a driver without folders: %w", core.ErrUnsupported)
}
