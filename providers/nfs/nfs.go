// Package nfs is the driver that stores objects as files in an export of an NFS server, version 3. It speaks the
// protocol itself: nothing is mounted, and no privilege is needed.
//
// The files lie there as the filesystem driver lays them: an object is a regular file of its name, so that a location
// can be read by either, and by people. A content is written into a hidden folder of the location, committed by the
// server, and then moved in its place in one step: a name has the old content or the new one, at any time and after any
// crash of either side. What a crash leaves in the hidden folder is removed a day later. Symbolic links are never
// followed.
//
// When the connection breaks, a request is sent again, and may be carried out twice. So whether a file has reached its
// place is never told by the answer alone: the driver looks which file it is that stands there.
//
// Which server, and who asks, comes with every call in the attributes of the backup location; the names of these are
// the Attribute constants.
package nfs

import (
	"context"
	"net"
	"sync"
	"time"

	"github.com/soda-cdm/kahu/provider"
	"github.com/soda-cdm/kahu/providers/nfs/internal/nfs3"
	"github.com/soda-cdm/kahu/providers/nfs/internal/rpc"
)

// DefaultName is the name of the driver where nothing else is said.
const DefaultName = "nfs"

// PartialFolder is the hidden folder of each location in which contents are written. No element of a name or of a path
// may be called so.
const PartialFolder = ".kahu-partial"

// Options say who a Store is, and how patient.
type Options struct {
	// Name is the name of the driver. Empty means DefaultName.
	Name string
	// Version is the version of the driver, for people to read.
	Version string
	// Silence is how long a server may say nothing while it owes an answer, before the driver connects again. Zero
	// means 15 s.
	Silence time.Duration
	// Patience is how long the driver goes on trying to get an answer to one request. Zero means 30 s.
	Patience time.Duration
	// StaleAfter is the age at which a partial file is a leftover. Zero means a day: an upload that is alive writes to
	// its file.
	StaleAfter time.Duration
	// ReservedPorts makes the driver connect from a port below 1024, as servers ask for whose export is not "insecure".
	// The process needs the right to do that.
	ReservedPorts bool
}

const (
	defaultSilence    = 15 * time.Second
	defaultPatience   = 30 * time.Second
	defaultStaleAfter = 24 * time.Hour
	// maxClients is how many exports are connected to while nobody uses them.
	maxClients = 64
	// maxSwept limits how many locations are remembered as swept. Beyond that, some are swept again.
	maxSwept = 1000
)

// Store is the driver. It keeps connections between calls.
type Store struct {
	options Options

	mu      sync.Mutex
	clients map[export]*shared
	swept   map[location]struct{}
}

// shared is a client and how many calls use it.
type shared struct {
	client *nfs3.Client
	users  int
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
	if options.Silence == 0 {
		options.Silence = defaultSilence
	}
	if options.Patience == 0 {
		options.Patience = defaultPatience
	}
	if options.StaleAfter == 0 {
		options.StaleAfter = defaultStaleAfter
	}
	return &Store{options: options, clients: map[export]*shared{}, swept: map[location]struct{}{}}
}

// Close closes the connections. No call may be under way.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for at, held := range s.clients {
		held.client.Disconnect()
		delete(s.clients, at)
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

// Probe implements provider.Identity. The driver can always serve: which server it is to reach comes with each call.
func (s *Store) Probe(context.Context) (bool, error) { return true, nil }

// acquire returns the client of an export, which is the caller's until release.
func (s *Store) acquire(at export) *nfs3.Client {
	s.mu.Lock()
	defer s.mu.Unlock()
	held, known := s.clients[at]
	if !known {
		s.makeRoom()
		held = &shared{client: s.newClient(at)}
		s.clients[at] = held
	}
	held.users++
	return held.client
}

// makeRoom closes a connection that nobody uses where there are many.
func (s *Store) makeRoom() {
	if len(s.clients) < maxClients {
		return
	}
	for at, held := range s.clients {
		if held.users == 0 {
			held.client.Disconnect()
			delete(s.clients, at)
			return
		}
	}
}

func (s *Store) release(at export) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if held, known := s.clients[at]; known { // Unless the store was closed meanwhile.
		held.users--
	}
}

func (s *Store) newClient(at export) *nfs3.Client {
	dial := (&net.Dialer{}).DialContext
	if s.options.ReservedPorts {
		dial = rpc.DialReserved
	}
	return nfs3.NewClient(nfs3.Options{
		Server: at.server, Port: at.port, MountPort: at.mountPort, Export: at.path, Dial: dial,
		Credential: rpc.Credential{Machine: DefaultName, UID: at.uid, GID: at.gid},
		Silence:    s.options.Silence, Patience: s.options.Patience,
	})
}
