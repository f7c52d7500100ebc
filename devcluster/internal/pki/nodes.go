package pki

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"time"
)

// Names of keys of clusters with nodes.
const (
	KubeProxy = "kube-proxy"
	// ServingEnding is what a node's serving certificate has after the node's name.
	ServingEnding = "-serving"
)

// Serving is the name of the API server's certificate for an address.
func Serving(address net.IP) string { return APIServer + "-" + address.String() }

// EnsureServing issues the API server's certificate for an address of the
// cluster's own, beside those that Ensure gives it, or keeps the one there is.
func EnsureServing(folder string, address, service net.IP, now time.Time) error {
	template := server(service)
	template.IPAddresses = append(template.IPAddresses, address)
	return ensure(folder, Serving(address), template, now)
}

// EnsureProxy issues the certificate of kube-proxy, or keeps the one there is.
func EnsureProxy(folder string, now time.Time) error {
	return ensure(folder, KubeProxy, client(pkix.Name{CommonName: "system:kube-proxy"}), now)
}

// EnsureNode issues the two certificates of a kubelet: as the client that the
// API server knows it by, and for serving at its address. That one is always
// new, as the address may be another one in another life.
func EnsureNode(folder, name string, address net.IP, now time.Time) error {
	subject := pkix.Name{CommonName: "system:node:" + name, Organization: []string{"system:nodes"}}
	if err := ensure(folder, name, client(subject), now); err != nil {
		return err
	}
	ca, err := readAuthority(folder, now)
	if err != nil {
		return err
	}
	return ca.issue(folder, name+ServingEnding, x509.Certificate{
		Subject:     pkix.Name{CommonName: name},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		IPAddresses: []net.IP{address},
		DNSNames:    []string{name},
	})
}

// ensure issues a certificate by the authority of the folder, unless it is there.
func ensure(folder, name string, template x509.Certificate, now time.Time) error {
	// The key is written last: where it is, the certificate is, too.
	if _, err := os.Stat(filepath.Join(folder, name+KeyEnding)); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	ca, err := readAuthority(folder, now)
	if err != nil {
		return err
	}
	return ca.issue(folder, name, template)
}

// readAuthority reads the authority that Ensure has made.
func readAuthority(folder string, now time.Time) (authority, error) {
	certificate, err := readPEM(filepath.Join(folder, CA+CertEnding))
	if err != nil {
		return authority{}, err
	}
	key, err := readPEM(filepath.Join(folder, CA+KeyEnding))
	if err != nil {
		return authority{}, err
	}
	read := authority{now: now}
	if read.pair.certificate, err = x509.ParseCertificate(certificate); err != nil {
		return authority{}, fmt.Errorf("reading the authority: %w", err)
	}
	if read.pair.key, err = x509.ParseECPrivateKey(key); err != nil {
		return authority{}, fmt.Errorf("reading the authority's key: %w", err)
	}
	return read, nil
}

func readPEM(path string) ([]byte, error) {
	content, err := os.ReadFile(path) //nolint:gosec // a file of our own folder
	if err != nil {
		return nil, fmt.Errorf("reading the authority: %w", err)
	}
	block, _ := pem.Decode(content)
	if block == nil {
		return nil, fmt.Errorf("reading the authority: %s is not PEM", path)
	}
	return block.Bytes, nil
}
