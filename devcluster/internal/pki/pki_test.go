package pki_test

import (
	"crypto/tls"
	"crypto/x509"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/soda-cdm/kahu/devcluster/internal/pki"
)

func now() time.Time { return time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC) }

func ensure(t *testing.T, folder string) {
	t.Helper()
	if err := pki.Ensure(folder, net.IPv4(10, 96, 0, 1), now()); err != nil {
		t.Fatal(err)
	}
}

func certificate(t *testing.T, folder, name string) *x509.Certificate {
	t.Helper()
	pair, err := tls.LoadX509KeyPair(filepath.Join(folder, name+pki.CertEnding), filepath.Join(folder, name+pki.KeyEnding))
	if err != nil {
		t.Fatalf("certificate and key of %s: %v", name, err)
	}
	return pair.Leaf
}

func TestCertificates(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "pki")
	ensure(t, folder)

	cases := map[string]struct {
		authority, other string
		usage            x509.ExtKeyUsage
		hosts            []string
		groups           []string
		user             string
	}{
		pki.APIServer: {
			authority: pki.CA, other: pki.FrontProxyCA, usage: x509.ExtKeyUsageServerAuth,
			user:  "kube-apiserver",
			hosts: []string{"127.0.0.1", "::1", "localhost", "10.96.0.1", "kubernetes.default.svc"},
		},
		pki.Admin: {
			authority: pki.CA, other: pki.FrontProxyCA, usage: x509.ExtKeyUsageClientAuth,
			user: "devcluster-admin", groups: []string{"system:masters"},
		},
		pki.ControllerManager: {
			authority: pki.CA, other: pki.FrontProxyCA, usage: x509.ExtKeyUsageClientAuth,
			user: "system:kube-controller-manager",
		},
		pki.Scheduler: {
			authority: pki.CA, other: pki.FrontProxyCA, usage: x509.ExtKeyUsageClientAuth,
			user: "system:kube-scheduler",
		},
		pki.FrontProxyClient: {
			authority: pki.FrontProxyCA, other: pki.CA, usage: x509.ExtKeyUsageClientAuth,
			user: "front-proxy-client",
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			leaf := certificate(t, folder, name)
			if err := verify(t, folder, c.authority, leaf, c.usage); err != nil {
				t.Errorf("its own authority does not vouch for it: %v", err)
			}
			if err := verify(t, folder, c.other, leaf, c.usage); err == nil {
				t.Errorf("%s vouches for it as well", c.other)
			}
			for _, host := range c.hosts {
				if err := leaf.VerifyHostname(host); err != nil {
					t.Error(err)
				}
			}
			if leaf.Subject.CommonName != c.user {
				t.Errorf("the user is %q, want %q", leaf.Subject.CommonName, c.user)
			}
			if diff := cmp.Diff(c.groups, leaf.Subject.Organization); diff != "" {
				t.Errorf("groups (-want +got):\n%s", diff)
			}
		})
	}
}

func verify(t *testing.T, folder, authority string, leaf *x509.Certificate, usage x509.ExtKeyUsage) error {
	t.Helper()
	roots := x509.NewCertPool()
	roots.AddCert(certificate(t, folder, authority))
	_, err := leaf.Verify(x509.VerifyOptions{CurrentTime: now(), Roots: roots, KeyUsages: []x509.ExtKeyUsage{usage}})
	return err
}

func TestFilesAreForTheOwnerOnly(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "pki")
	ensure(t, folder)
	entries, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	if len(entries) == 0 {
		t.Fatal("there are no files")
	}
	for _, entry := range entries {
		info, err := entry.Info()
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode() != 0o600 {
			t.Errorf("%s has the mode %v, want 0600", entry.Name(), info.Mode())
		}
	}
}

func TestEnsureKeepsWhatIsThere(t *testing.T) {
	parent := t.TempDir()
	folder := filepath.Join(parent, "pki")
	ensure(t, folder)
	before := certificate(t, folder, pki.CA)
	ensure(t, folder)
	if !before.Equal(certificate(t, folder, pki.CA)) {
		t.Error("the second Ensure made another authority")
	}
	other := filepath.Join(parent, "other")
	ensure(t, other)
	if before.Equal(certificate(t, other, pki.CA)) {
		t.Error("two clusters have the same authority")
	}
	entries, err := os.ReadDir(parent)
	if err != nil {
		t.Fatal(err)
	}
	if len(entries) != 2 {
		t.Errorf("temporary files are left: %v", entries)
	}
}

func TestEnsureLeavesNothingBehindWhenItFails(t *testing.T) {
	if err := pki.Ensure(filepath.Join(t.TempDir(), "missing", "pki"), net.IPv4(10, 96, 0, 1), now()); err == nil {
		t.Fatal("keys in a folder that is not there")
	}
}
