// Package s3 is the driver that stores objects in a bucket of a service that speaks the S3 protocol.
//
// An object is one object of the bucket, its key the prefix of the backup location and the name. Small contents are one
// request; longer ones go up in parts, of which at most one is in memory for each upload, and become an object when
// the last request succeeds. Creating without replacing is the service's own conditional write. Parts of uploads that
// a crash cut off are removed a day later.
//
// Where the bucket is, and how to get at it, comes with every call in the attributes of the backup location; the names
// of these are the Attribute constants.
package s3

import (
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/minio/minio-go/v7/pkg/credentials"

	"github.com/soda-cdm/kahu/provider"
)

// DefaultName is the name of the driver where nothing else is said.
const DefaultName = "s3"

// Options say who a Store is and what it may use of the machine that it runs on.
type Options struct {
	// Name is the name of the driver. Empty means DefaultName.
	Name string
	// Version is the version of the driver, for people to read.
	Version string
	// Now is the clock that tells which leftovers are old. Required.
	Now func() time.Time
	// PartBytes is the length of a part, of which each upload holds one in memory. At least 5 MiB, which is the least
	// that S3 takes; zero means 16 MiB.
	PartBytes int
	// WebIdentityTokenFile has the token with which locations that name a role ask for credentials. It is read again
	// whenever they run out. Empty means that no location can name a role.
	WebIdentityTokenFile string
	// Ambient permits locations without credentials, which then use those of the machine: its environment, its
	// service account or its instance role.
	Ambient bool
}

const (
	minPartBytes     = 5 << 20
	defaultPartBytes = 16 << 20
)

// Store is the driver. It keeps connections between calls, and credentials that it was given for a role, but none that
// came with a call.
type Store struct {
	options Options

	mu         sync.Mutex
	transports map[string]*http.Transport          // by the certificates that they trust
	roles      map[string]*credentials.Credentials // by role and where it is asked for
	swept      map[string]time.Time                // when a location's leftovers were looked for
}

var (
	_ provider.Driver      = (*Store)(nil)
	_ provider.Creator     = (*Store)(nil)
	_ provider.Lister      = (*Store)(nil)
	_ provider.Stater      = (*Store)(nil)
	_ provider.RangeReader = (*Store)(nil)
)

// New returns a driver. It asks nobody anything.
func New(options Options) *Store {
	if options.Name == "" {
		options.Name = DefaultName
	}
	if options.PartBytes == 0 {
		options.PartBytes = defaultPartBytes
	}
	options.PartBytes = max(options.PartBytes, minPartBytes)
	return &Store{
		options: options, transports: map[string]*http.Transport{},
		roles: map[string]*credentials.Credentials{}, swept: map[string]time.Time{},
	}
}

// Close closes the connections that are idle.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, transport := range s.transports {
		transport.CloseIdleConnections()
	}
	return nil
}

// Info implements provider.Identity.
func (s *Store) Info(context.Context) (provider.Info, error) {
	return provider.Info{Name: s.options.Name, Version: s.options.Version}, nil
}

// Capabilities implements provider.Identity.
func (s *Store) Capabilities(context.Context) ([]provider.Capability, error) {
	return append(provider.CapabilitiesOf(s), provider.CapabilityAtomicOverwrite), nil
}

// Probe implements provider.Identity. The driver can always serve: which service it is to reach comes with each call.
func (s *Store) Probe(context.Context) (bool, error) { return true, nil }
