package pki_test

import (
	"context"
	"crypto/tls"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/utils/clock"
	clocktesting "k8s.io/utils/clock/testing"

	"github.com/soda-cdm/kahu/internal/pki"
)

const (
	serverName = "filesystem.kahu.io"
	clientName = "kahu-manager"
)

// start is the time at which the tests begin.
func start() time.Time { return time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC) }

func TestHandshake(t *testing.T) {
	cases := map[string]struct {
		reason string
		client func(w world) *tls.Config
		server func(w world) *tls.Config
		want   bool
	}{
		"Both": {
			reason: "both sides have a certificate of the authority, and the names that are expected",
			client: expectedClient,
			want:   true,
		},
		"NoCertificate": {
			reason: "a client without a certificate is refused",
			client: func(w world) *tls.Config {
				config := expectedClient(w)
				config.Certificates = nil
				return config
			},
		},
		"ForeignAuthority": {
			reason: "a client with a certificate of another authority is refused",
			client: func(w world) *tls.Config {
				foreign := newWorld(w.t, w.clock)
				config := expectedClient(w)
				config.Certificates = expectedClient(foreign).Certificates
				return config
			},
		},
		"Expired": {
			reason: "a client whose certificate is over is refused",
			client: func(w world) *tls.Config {
				early := w
				early.authority = w.authorityAt(start().Add(-pki.LeafLifetime - time.Minute))
				return early.client(clientName, serverName)
			},
		},
		"NotYetValid": {
			reason: "a client whose certificate is of the future is refused",
			client: func(w world) *tls.Config {
				late := w
				late.authority = w.authorityAt(start().Add(time.Hour))
				return late.client(clientName, serverName)
			},
		},
		"WrongClient": {
			reason: "a client of the same authority with another name is refused",
			client: func(w world) *tls.Config { return w.client("kahu-mover", serverName) },
		},
		"ServerAsClient": {
			reason: "the certificate of a server does not make a client",
			client: func(w world) *tls.Config {
				config := expectedClient(w)
				own := w.leaf(pki.Leaf{Name: clientName, Server: true, Addresses: loopback()})
				certificate, err := own.Client(serverName)
				must(w.t, err)
				config.Certificates = certificate.Certificates
				return config
			},
		},
		"WrongServer": {
			reason: "a server of the same authority with another name is refused by the client",
			client: func(w world) *tls.Config { return w.client(clientName, "s3.kahu.io") },
		},
		"ClientAsServer": {
			reason: "the certificate of a client does not make a server",
			client: expectedClient,
			server: func(w world) *tls.Config {
				return w.leaf(pki.Leaf{Name: serverName}).Server(clientName)
			},
		},
		"OldProtocol": {
			reason: "TLS 1.2 is refused",
			client: func(w world) *tls.Config {
				config := expectedClient(w)
				config.MinVersion, config.MaxVersion = tls.VersionTLS12, tls.VersionTLS12
				return config
			},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, clocktesting.NewFakeClock(start()))
			server := w.leaf(pki.Leaf{Name: serverName, Server: true, Addresses: loopback()}).Server(clientName)
			if tc.server != nil {
				server = tc.server(w)
			}
			err := talk(t, server, tc.client(w))
			if got := err == nil; got != tc.want {
				t.Errorf("%s: talked: %v, want %v (%v)", tc.reason, got, tc.want, err)
			}
		})
	}
}

func TestClientNeedsServerName(t *testing.T) {
	w := newWorld(t, clocktesting.NewFakeClock(start()))
	if _, err := w.leaf(pki.Leaf{Name: clientName}).Client(""); err == nil {
		t.Error("a client that expects nobody in particular was made")
	}
}

func TestRenewal(t *testing.T) {
	fake := clocktesting.NewFakeClock(start())
	w := newWorld(t, fake)
	server := pki.Leaf{Dir: t.TempDir(), Name: serverName, Server: true, Addresses: loopback()}
	client := pki.Leaf{Dir: t.TempDir(), Name: clientName}
	serverFolder, clientFolder := w.leaf(server), w.leaf(client)
	serverConfig := serverFolder.Server(clientName)

	ctx, cancel := context.WithCancel(t.Context())
	var done sync.WaitGroup
	done.Go(func() { w.authority.Keep(ctx, []pki.Leaf{server, client}) })
	defer done.Wait()
	defer cancel()

	first := readCertificate(t, client.Dir)
	// Day by day through three lifetimes of a certificate.
	for fake.Now().Before(start().Add(3 * pki.LeafLifetime)) {
		waitForTimer(t, fake)
		fake.Step(24 * time.Hour)
		waitForTimer(t, fake)
		config, err := clientFolder.Client(serverName)
		must(t, err)
		if err := talk(t, serverConfig, config); err != nil {
			t.Fatalf("after %s: %v", fake.Since(start()), err)
		}
	}
	if cmp.Equal(first, readCertificate(t, client.Dir)) {
		t.Error("the certificate was never renewed")
	}
}

func TestEnsure(t *testing.T) {
	cases := map[string]struct {
		reason  string
		change  func(w *world, leaf *pki.Leaf)
		renewed bool
	}{
		"Fresh": {
			reason: "a certificate that is good for long enough stays",
			change: func(*world, *pki.Leaf) {},
		},
		"Old": {
			reason:  "a certificate in the last third of its life is renewed",
			change:  func(w *world, _ *pki.Leaf) { w.clock.Step(pki.LeafLifetime*2/3 + time.Hour) },
			renewed: true,
		},
		"OtherAddress": {
			reason:  "a server that moved gets a new certificate",
			change:  func(_ *world, leaf *pki.Leaf) { leaf.Addresses = []net.IP{net.ParseIP("10.0.0.1")} },
			renewed: true,
		},
		"OtherName": {
			reason:  "a server of another name gets a new certificate",
			change:  func(_ *world, leaf *pki.Leaf) { leaf.Name = "s3.kahu.io" },
			renewed: true,
		},
		"OtherAuthority": {
			reason: "a certificate of an authority that is lost is replaced",
			change: func(w *world, _ *pki.Leaf) {
				*w = newWorld(w.t, w.clock)
			},
			renewed: true,
		},
		"Torn": {
			reason: "a key without its certificate, as a crash can leave it, is replaced",
			change: func(w *world, leaf *pki.Leaf) {
				other, err := w.authority.IssueServer(leaf.Name, leaf.Addresses)
				must(w.t, err)
				must(w.t, os.WriteFile(filepath.Join(leaf.Dir, "tls.key"), other.Key, 0o600))
			},
			renewed: true,
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, clocktesting.NewFakeClock(start()))
			leaf := pki.Leaf{Dir: t.TempDir(), Name: serverName, Server: true, Addresses: loopback()}
			must(t, w.authority.Ensure(leaf))
			before := readCertificate(t, leaf.Dir)
			tc.change(&w, &leaf)
			must(t, w.authority.Ensure(leaf))
			if got := !cmp.Equal(before, readCertificate(t, leaf.Dir)); got != tc.renewed {
				t.Errorf("%s: renewed: %v, want %v", tc.reason, got, tc.renewed)
			}
			if _, err := pki.Open(leaf.Dir, w.clock); err != nil {
				t.Errorf("%s: opening the folder: %v", tc.reason, err)
			}
		})
	}
}

// A folder whose files do not belong together for a moment goes on with what it had.
func TestFolderOutlivesTornFiles(t *testing.T) {
	w := newWorld(t, clocktesting.NewFakeClock(start()))
	leaf := pki.Leaf{Dir: t.TempDir(), Name: clientName}
	folder := w.leaf(leaf)
	must(t, os.WriteFile(filepath.Join(leaf.Dir, "tls.key"), []byte("half a k"), 0o600))
	server := w.leaf(pki.Leaf{Name: serverName, Server: true, Addresses: loopback()}).Server(clientName)
	config, err := folder.Client(serverName)
	must(t, err)
	if err := talk(t, server, config); err != nil {
		t.Errorf("talking with what was read before: %v", err)
	}
}

func TestLoadOrCreate(t *testing.T) {
	cases := map[string]struct {
		reason  string
		between func(dir string, fake *clocktesting.FakeClock) error
		same    bool
		fails   bool
	}{
		"Same": {
			reason:  "an authority is made once",
			between: func(string, *clocktesting.FakeClock) error { return nil },
			same:    true,
		},
		"AtItsEnd": {
			reason: "an authority that would not outlive its leaves is replaced",
			between: func(_ string, fake *clocktesting.FakeClock) error {
				fake.Step(pki.AuthorityLifetime - pki.LeafLifetime + time.Hour)
				return nil
			},
		},
		"Damaged": {
			reason: "a damaged authority is a person's to judge, as replacing it cuts off everybody",
			between: func(dir string, _ *clocktesting.FakeClock) error {
				return os.WriteFile(filepath.Join(dir, "authority.pem"), []byte("x"), 0o600)
			},
			fails: true,
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			fake := clocktesting.NewFakeClock(start())
			dir := filepath.Join(t.TempDir(), "pki")
			first, err := pki.LoadOrCreate(dir, fake)
			must(t, err)
			must(t, tc.between(dir, fake))
			second, err := pki.LoadOrCreate(dir, fake)
			if (err != nil) != tc.fails {
				t.Fatalf("%s: error %v, want one: %v", tc.reason, err, tc.fails)
			}
			if tc.fails {
				return
			}
			if same := cmp.Equal(trust(t, first), trust(t, second)); same != tc.same {
				t.Errorf("%s: same %v, want %v", tc.reason, same, tc.same)
			}
		})
	}
}

// Processes that begin at once must end with one authority, or they would not know each other.
func TestLoadOrCreateAtOnce(t *testing.T) {
	dir := t.TempDir()
	const processes = 8
	trusts := make([][]byte, processes)
	var group sync.WaitGroup
	for i := range processes {
		group.Go(func() {
			authority, err := pki.LoadOrCreate(dir, clock.RealClock{})
			if err != nil {
				t.Errorf("process %d: %v", i, err)
				return
			}
			trusts[i] = trust(t, authority)
		})
	}
	group.Wait()
	for i, each := range trusts {
		if diff := cmp.Diff(string(trusts[0]), string(each)); diff != "" {
			t.Errorf("process %d has another authority: %s", i, diff)
		}
	}
}

func TestFilesAreTheOwnersAlone(t *testing.T) {
	w := newWorld(t, clocktesting.NewFakeClock(start()))
	w.leaf(pki.Leaf{Dir: filepath.Join(w.dir, "client"), Name: clientName})
	count := 0
	must(t, filepath.WalkDir(w.dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		count++
		if info.Mode() != 0o600 {
			t.Errorf("%s has mode %s", path, info.Mode())
		}
		return nil
	}))
	if want := 4; count != want {
		t.Errorf("%d files, want %d: nothing temporary stays", count, want)
	}
}
