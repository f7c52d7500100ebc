package pki

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"k8s.io/utils/clock"
)

// errUnexpectedName: the other side has a certificate of our authority, and is somebody else than we talk with.
var errUnexpectedName = errors.New("the certificate is not that of an expected client")

// Folder is a folder with a certificate, its key, and the certificate of the authority that is trusted.
type Folder struct {
	dir   string
	clock clock.PassiveClock

	mutex sync.Mutex
	last  material // The last that could be read; guarded by mutex.
}

// material is what the files of a folder say.
type material struct {
	certificate tls.Certificate
	trusted     *x509.CertPool
}

// Open reads the folder, which must hold tls.crt, tls.key and ca.crt.
func Open(dir string, clk clock.PassiveClock) (*Folder, error) {
	first, err := read(dir)
	if err != nil {
		return nil, fmt.Errorf("reading the certificates in %s: %w", dir, err)
	}
	return &Folder{dir: dir, clock: clk, last: first}, nil
}

// Server returns the configuration of a server that talks with clients of these common names only.
func (f *Folder) Server(clientNames ...string) *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS13,
		// The outer configuration refuses everybody, should the inner one not be asked for.
		ClientAuth:             tls.RequireAndVerifyClientCert,
		ClientCAs:              x509.NewCertPool(),
		SessionTicketsDisabled: true,
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
			current := f.current()
			return &tls.Config{
				MinVersion:   tls.VersionTLS13,
				Certificates: []tls.Certificate{current.certificate},
				ClientAuth:   tls.RequireAndVerifyClientCert,
				ClientCAs:    current.trusted,
				Time:         f.clock.Now,
				NextProtos:   []string{"h2"},
				// A resumed session would be judged by the certificates of its beginning.
				SessionTicketsDisabled: true,
				VerifyConnection: func(state tls.ConnectionState) error {
					return verifyClient(state, clientNames)
				},
			}, nil
		},
	}
}

// Client returns the configuration of a client for one handshake with the server of that name. For the next
// handshake, ask again.
func (f *Folder) Client(serverName string) (*tls.Config, error) {
	if serverName == "" {
		return nil, fmt.Errorf("making a client for a server without a name: %w", errUnexpectedName)
	}
	current := f.current()
	return &tls.Config{
		MinVersion:   tls.VersionTLS13,
		Certificates: []tls.Certificate{current.certificate},
		RootCAs:      current.trusted,
		ServerName:   serverName,
		Time:         f.clock.Now,
		NextProtos:   []string{"h2"},
	}, nil
}

// current returns what the files say now; while they cannot be read or do not belong together, what they said last.
func (f *Folder) current() material {
	now, err := read(f.dir)
	f.mutex.Lock()
	defer f.mutex.Unlock()
	if err == nil {
		f.last = now
	}
	return f.last
}

// verifyClient refuses a client that is not one of these. Its chain has been verified before.
func verifyClient(state tls.ConnectionState, clientNames []string) error {
	if len(state.PeerCertificates) == 0 {
		return errUnexpectedName
	}
	name := state.PeerCertificates[0].Subject.CommonName
	if name == "" || !slices.Contains(clientNames, name) {
		return fmt.Errorf("client %q: %w", name, errUnexpectedName)
	}
	return nil
}

// read reads the files of a folder.
func read(dir string) (material, error) {
	certificate, err := tls.LoadX509KeyPair(filepath.Join(dir, certificateFile), filepath.Join(dir, keyFile))
	if err != nil {
		return material{}, err
	}
	encoded, err := os.ReadFile(filepath.Join(dir, trustFile)) //nolint:gosec // The path is the operator's own setting.
	if err != nil {
		return material{}, err
	}
	trusted := x509.NewCertPool()
	if !trusted.AppendCertsFromPEM(encoded) {
		return material{}, fmt.Errorf("reading %s: %w", trustFile, errMalformed)
	}
	return material{certificate: certificate, trusted: trusted}, nil
}
