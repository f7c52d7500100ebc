package pki_test

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"net"
	"os"
	"path/filepath"
	"testing"

	"github.com/soda-cdm/kahu/devcluster/internal/pki"
)

// load gives a certificate that belongs to its key.
func load(t *testing.T, folder, name string) *x509.Certificate {
	t.Helper()
	pair, err := tls.LoadX509KeyPair(filepath.Join(folder, name+pki.CertEnding), filepath.Join(folder, name+pki.KeyEnding))
	if err != nil {
		t.Fatal(err)
	}
	return pair.Leaf
}

func TestKeysOfNodes(t *testing.T) {
	folder, at := filepath.Join(t.TempDir(), "pki"), now()
	service, plane := net.IPv4(10, 96, 0, 1), net.IPv4(10, 210, 1, 1)
	if err := pki.Ensure(folder, service, at); err != nil {
		t.Fatal(err)
	}
	issue := func(address net.IP) {
		t.Helper()
		for _, err := range []error{
			pki.EnsureServing(folder, plane, service, at),
			pki.EnsureProxy(folder, at),
			pki.EnsureNode(folder, "node-1", address, at),
		} {
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	issue(net.IPv4(10, 210, 1, 11))
	roots := x509.NewCertPool()
	roots.AddCert(load(t, folder, pki.CA))
	cases := map[string]struct {
		file, commonName, organization, host string
		usage                                x509.ExtKeyUsage
	}{
		"API server":       {file: pki.Serving(plane), commonName: "kube-apiserver", host: "10.210.1.1", usage: x509.ExtKeyUsageServerAuth},
		"its service":      {file: pki.Serving(plane), commonName: "kube-apiserver", host: "10.96.0.1", usage: x509.ExtKeyUsageServerAuth},
		"kube-proxy":       {file: pki.KubeProxy, commonName: "system:kube-proxy", usage: x509.ExtKeyUsageClientAuth},
		"kubelet":          {file: "node-1", commonName: "system:node:node-1", organization: "system:nodes", usage: x509.ExtKeyUsageClientAuth},
		"kubelet's server": {file: "node-1" + pki.ServingEnding, commonName: "node-1", host: "10.210.1.11", usage: x509.ExtKeyUsageServerAuth},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			certificate := load(t, folder, c.file)
			_, err := certificate.Verify(x509.VerifyOptions{
				Roots: roots, DNSName: c.host, CurrentTime: at, KeyUsages: []x509.ExtKeyUsage{c.usage},
			})
			if err != nil {
				t.Error(err)
			}
			if certificate.Subject.CommonName != c.commonName || len(certificate.Subject.Organization) > 0 != (c.organization != "") {
				t.Errorf("it is of %s", certificate.Subject)
			}
		})
	}
	client, serving := content(t, folder, "node-1"), content(t, folder, "node-1"+pki.ServingEnding)
	issue(net.IPv4(10, 210, 2, 11))
	if !bytes.Equal(client, content(t, folder, "node-1")) {
		t.Error("the kubelet's client is a new one")
	}
	if bytes.Equal(serving, content(t, folder, "node-1"+pki.ServingEnding)) {
		t.Error("it serves at another address with the old certificate")
	}
}

func content(t *testing.T, folder, name string) []byte {
	t.Helper()
	read, err := os.ReadFile(filepath.Join(folder, name+pki.CertEnding))
	if err != nil {
		t.Fatal(err)
	}
	return read
}
