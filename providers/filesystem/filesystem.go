// Package filesystem is the driver that stores objects as files below a folder of a file system: a disk, or a share
// that is mounted.
//
// An object is a regular file of the object's name, so that a person can find it, copy it and check it with plain
// tools. The attribute "path" of a backup location names a folder below the driver's root that is the location's own;
// without it the location is the root itself. Nothing outside a location's folder can be reached, neither by names nor
// by symbolic links; links, devices and the like inside are no objects.
//
// A content is written to a file in a hidden folder of the location, made durable, and then put in its place in one
// step: a name has the old content or the new one, at any time and after any crash. What a crash leaves in the hidden
// folder is removed a day later.
package filesystem

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/soda-cdm/kahu/provider"
)

// AttributePath is the attribute that names the folder of a location below the root, with slashes, not led by one.
// Absent or empty means the root itself. The folder is made when the first object is stored.
const AttributePath = "path"

// PartialFolder is the hidden folder of each location in which contents are written. No element of a name or of a path
// may be called so.
const PartialFolder = ".kahu-partial"

const (
	folderMode fs.FileMode = 0o700
	fileMode   fs.FileMode = 0o600
)

// Options say where a Store is, and who asks.
type Options struct {
	// Root is the folder that holds everything. It must be there; it is never made, as it may be a mount point whose
	// mount is missing.
	Root string
	// Name is the name of the driver. Empty means DefaultName.
	Name string
	// Version is the version of the driver, for people to read.
	Version string
	// Now is the clock that tells which leftovers are old. Required.
	Now func() time.Time
}

// DefaultName is the name of the driver where nothing else is said.
const DefaultName = "filesystem"

// Store is the driver. It keeps no file open between calls, so that its root can be mounted and unmounted.
type Store struct {
	options Options

	mu sync.Mutex
	// swept has the locations whose leftovers have been looked for since the start.
	swept map[string]struct{}
}

var (
	_ provider.Driver      = (*Store)(nil)
	_ provider.Creator     = (*Store)(nil)
	_ provider.Lister      = (*Store)(nil)
	_ provider.Stater      = (*Store)(nil)
	_ provider.RangeReader = (*Store)(nil)
)

// New returns a driver. It does not touch the root.
func New(options Options) *Store {
	if options.Name == "" {
		options.Name = DefaultName
	}
	return &Store{options: options, swept: map[string]struct{}{}}
}

// Info implements provider.Identity.
func (s *Store) Info(context.Context) (provider.Info, error) {
	return provider.Info{Name: s.options.Name, Version: s.options.Version}, nil
}

// Capabilities implements provider.Identity.
func (s *Store) Capabilities(context.Context) ([]provider.Capability, error) {
	return append(provider.CapabilitiesOf(s), provider.CapabilityAtomicOverwrite), nil
}

// Probe implements provider.Identity. A root that is not there is an error, which says so.
func (s *Store) Probe(context.Context) (bool, error) {
	root, err := s.openRoot()
	if err != nil {
		return false, err
	}
	return true, root.Close()
}

// openRoot opens the root for one call.
func (s *Store) openRoot() (*os.Root, error) {
	root, err := os.OpenRoot(s.options.Root)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("the folder %s of the store is not there: create it, or mount what belongs there: %w",
			s.options.Root, provider.ErrUnavailable)
	}
	if err != nil {
		return nil, classify("opening the folder of the store", err)
	}
	return root, nil
}

// locationPath returns the folder of the location, relative to the root.
func locationPath(attributes provider.Attributes) (string, error) {
	if err := attributes.Check(AttributePath); err != nil {
		return "", err
	}
	location := attributes[AttributePath]
	if location == "" {
		return ".", nil
	}
	if err := validateName(location); err != nil {
		return "", fmt.Errorf("the attribute %s is a folder below the root of the store, such as team/backups: %w",
			AttributePath, err)
	}
	return location, nil
}

// validateName checks a name by the rules of the contract, and refuses the hidden folder.
func validateName(name string) error {
	if err := provider.ValidateName(name); err != nil {
		return err
	}
	if slices.Contains(strings.Split(name, "/"), PartialFolder) {
		return fmt.Errorf("name %q: an element is %q, which the store keeps to itself: %w",
			name, PartialFolder, provider.ErrInvalidArgument)
	}
	return nil
}

// openLocation opens the folder of the location for a call that changes nothing. If it is not there, the error is
// provider.ErrNotFound: then there is no object in it.
func (s *Store) openLocation(attributes provider.Attributes) (*os.Root, error) {
	location, err := locationPath(attributes)
	if err != nil {
		return nil, err
	}
	root, err := s.openRoot()
	if err != nil || location == "." {
		return root, err
	}
	defer closeQuietly(root)
	folder, err := root.OpenRoot(location)
	if err != nil {
		return nil, classify("opening the folder of the location", err)
	}
	return folder, nil
}

// makeLocation opens the folder of the location for a call that stores, and makes it durably where it is missing.
func (s *Store) makeLocation(attributes provider.Attributes) (*os.Root, error) {
	location, err := locationPath(attributes)
	if err != nil {
		return nil, err
	}
	root, err := s.openRoot()
	if err != nil {
		return nil, err
	}
	if location == "." {
		s.sweepOnce(root, location)
		return root, nil
	}
	defer closeQuietly(root)
	folder, err := root.OpenRoot(location)
	if errors.Is(err, fs.ErrNotExist) {
		if err := makeFolders(root, location); err != nil {
			return nil, classify("making the folder of the location", err)
		}
		folder, err = root.OpenRoot(location)
	}
	if err != nil {
		return nil, classify("opening the folder of the location", err)
	}
	if err := syncFolders(root, path.Dir(location)); err != nil {
		return nil, errors.Join(classify("making the folder of the location durable", err), folder.Close())
	}
	s.sweepOnce(folder, location)
	return folder, nil
}

// find returns nil if there is an object, or provider.ErrNotFound. What is no regular file is no object.
func find(root *os.Root, name string) error {
	info, err := root.Lstat(name)
	if isGone(err) {
		return fmt.Errorf("object %q: %w", name, provider.ErrNotFound)
	}
	if err != nil {
		return classify(fmt.Sprintf("looking for object %q", name), err)
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("object %q: %w", name, provider.ErrNotFound)
	}
	return nil
}

// Exists implements provider.ObjectStore.
func (s *Store) Exists(ctx context.Context, name string, attributes provider.Attributes) (bool, error) {
	if err := check(ctx, name); err != nil {
		return false, err
	}
	root, err := s.openLocation(attributes)
	if err == nil {
		defer closeQuietly(root)
		err = find(root, name)
	}
	if errors.Is(err, provider.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// check refuses a call that nobody waits for any more, and a name that cannot be one.
func check(ctx context.Context, name string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return validateName(name)
}
