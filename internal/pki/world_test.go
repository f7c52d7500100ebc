package pki_test

import (
	"crypto/tls"
	"errors"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	clocktesting "k8s.io/utils/clock/testing"

	"github.com/soda-cdm/kahu/internal/pki"
)

// world is an authority in a folder.
type world struct {
	t         *testing.T
	dir       string
	clock     *clocktesting.FakeClock
	authority *pki.Authority
}

func newWorld(t *testing.T, fake *clocktesting.FakeClock) world {
	t.Helper()
	dir := t.TempDir()
	authority, err := pki.LoadOrCreate(dir, fake)
	must(t, err)
	return world{t: t, dir: dir, clock: fake, authority: authority}
}

// authorityAt returns the world's authority as it issues at another time.
func (w world) authorityAt(now time.Time) *pki.Authority {
	w.t.Helper()
	authority, err := pki.LoadOrCreate(w.dir, clocktesting.NewFakeClock(now))
	must(w.t, err)
	return authority
}

// leaf makes sure of a leaf and opens its folder.
func (w world) leaf(leaf pki.Leaf) *pki.Folder {
	w.t.Helper()
	if leaf.Dir == "" {
		leaf.Dir = w.t.TempDir()
	}
	must(w.t, w.authority.Ensure(leaf))
	folder, err := pki.Open(leaf.Dir, w.clock)
	must(w.t, err)
	return folder
}

// client returns the configuration of a client of that name.
func (w world) client(name, server string) *tls.Config {
	w.t.Helper()
	config, err := w.leaf(pki.Leaf{Name: name}).Client(server)
	must(w.t, err)
	return config
}

func expectedClient(w world) *tls.Config {
	return w.client(clientName, serverName)
}

// talk makes a connection on loopback over which one byte goes there and one back.
func talk(t *testing.T, server, client *tls.Config) error {
	t.Helper()
	var config net.ListenConfig
	listener, err := config.Listen(t.Context(), "tcp", "127.0.0.1:0")
	must(t, err)
	defer func() { _ = listener.Close() }()
	served := make(chan error, 1)
	go func() { served <- serveByte(listener, server) }()

	dialer := tls.Dialer{Config: client}
	connection, err := dialer.DialContext(t.Context(), "tcp", listener.Addr().String())
	if err != nil {
		return errors.Join(err, <-served)
	}
	_, err = connection.Write([]byte{1})
	if err == nil {
		_, err = connection.Read(make([]byte, 1))
	}
	return errors.Join(err, connection.Close(), <-served)
}

// serveByte answers one connection.
func serveByte(listener net.Listener, config *tls.Config) error {
	raw, err := listener.Accept()
	if err != nil {
		return err
	}
	connection := tls.Server(raw, config)
	defer func() { _ = connection.Close() }()
	_ = connection.SetDeadline(time.Now().Add(10 * time.Second)) //nolint:forbidigo // A socket knows no other clock.
	buffer := make([]byte, 1)
	if _, err := connection.Read(buffer); err != nil {
		return err
	}
	_, err = connection.Write(buffer)
	return err
}

// waitForTimer waits until somebody waits for the clock.
func waitForTimer(t *testing.T, fake *clocktesting.FakeClock) {
	t.Helper()
	for !fake.HasWaiters() {
		select {
		case <-t.Context().Done():
			t.Fatal("nobody waits")
		case <-time.After(time.Millisecond): //nolint:forbidigo // The fake clock announces no waiters.
		}
	}
}

func trust(t *testing.T, authority *pki.Authority) []byte {
	t.Helper()
	pair, err := authority.IssueClient(clientName)
	must(t, err)
	return pair.Authority
}

func readCertificate(t *testing.T, dir string) []byte {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(dir, "tls.crt"))
	must(t, err)
	return content
}

func loopback() []net.IP { return []net.IP{net.IPv4(127, 0, 0, 1)} }

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
