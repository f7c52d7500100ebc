// Package pki makes the keys and certificates of one cluster.
//
// All keys are ECDSA P-256, which takes milliseconds where RSA takes seconds.
// There are two authorities, as Kubernetes wants them: one signs the serving
// certificate and the clients, the other (the front proxy's) signs nothing but
// the certificate with which the API server calls an aggregated API.
package pki

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// Lifetime is how long certificates are valid.
const Lifetime = 10 * 365 * 24 * time.Hour

// File names in the folder of a cluster's keys; a key lies beside its
// certificate, with the ending KeyEnding instead of CertEnding.
const (
	CA                = "ca"
	FrontProxyCA      = "front-proxy-ca"
	FrontProxyClient  = "front-proxy-client"
	APIServer         = "apiserver"
	Admin             = "admin"
	ControllerManager = "controller-manager"
	Scheduler         = "scheduler"

	CertEnding = ".crt"
	KeyEnding  = ".key"

	// ServiceAccountKey signs the tokens of service accounts, ServiceAccountPublic checks them.
	ServiceAccountKey    = "service-account.key"
	ServiceAccountPublic = "service-account.pub"
)

// Clients by file name, with the user and group that RBAC knows them by.
func clients() map[string]pkix.Name {
	return map[string]pkix.Name{
		Admin:             {CommonName: "devcluster-admin", Organization: []string{"system:masters"}},
		ControllerManager: {CommonName: "system:kube-controller-manager"},
		Scheduler:         {CommonName: "system:kube-scheduler"},
	}
}

// Ensure makes the keys in a folder, or keeps the ones that are there. The
// folder appears whole or not at all. The server's addresses are loopback and
// the given address of the service named kubernetes.
func Ensure(folder string, service net.IP, now time.Time) error {
	if _, err := os.Stat(folder); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	temporary, err := os.MkdirTemp(filepath.Dir(folder), "pki-")
	if err != nil {
		return fmt.Errorf("making the keys' folder: %w", err)
	}
	if err := generate(temporary, service, now); err != nil {
		return errors.Join(err, os.RemoveAll(temporary))
	}
	if err := os.Rename(temporary, folder); err != nil {
		return errors.Join(fmt.Errorf("moving the keys to their place: %w", err), os.RemoveAll(temporary))
	}
	return nil
}

func generate(folder string, service net.IP, now time.Time) error {
	if err := serviceAccountKeys(folder); err != nil {
		return err
	}
	ca, err := newAuthority("devcluster", now)
	if err != nil {
		return err
	}
	frontProxy, err := newAuthority("devcluster-front-proxy", now)
	if err != nil {
		return err
	}
	if err := errors.Join(ca.pair.write(folder, CA), frontProxy.pair.write(folder, FrontProxyCA)); err != nil {
		return err
	}
	if err := ca.issue(folder, APIServer, server(service)); err != nil {
		return err
	}
	for name, subject := range clients() {
		if err := ca.issue(folder, name, client(subject)); err != nil {
			return err
		}
	}
	return frontProxy.issue(folder, FrontProxyClient, client(pkix.Name{CommonName: FrontProxyClient}))
}

func server(service net.IP) x509.Certificate {
	return x509.Certificate{
		Subject:     pkix.Name{CommonName: "kube-apiserver"},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback, service},
		DNSNames: []string{
			"localhost", "kubernetes", "kubernetes.default",
			"kubernetes.default.svc", "kubernetes.default.svc.cluster.local",
		},
	}
}

func client(subject pkix.Name) x509.Certificate {
	return x509.Certificate{Subject: subject, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}
}

// pair is a certificate and its key.
type pair struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

// authority issues certificates that are valid from one moment on.
type authority struct {
	pair pair
	now  time.Time
}

func newAuthority(name string, now time.Time) (authority, error) {
	signed, err := sign(x509.Certificate{
		Subject:               pkix.Name{CommonName: name},
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
		BasicConstraintsValid: true,
		IsCA:                  true,
	}, nil, now)
	return authority{pair: signed, now: now}, err
}

// issue signs a certificate with a new key and writes both.
func (a authority) issue(folder, name string, template x509.Certificate) error {
	template.KeyUsage = x509.KeyUsageDigitalSignature
	signed, err := sign(template, &a.pair, a.now)
	if err != nil {
		return fmt.Errorf("issuing %s: %w", name, err)
	}
	return signed.write(folder, name)
}

// sign signs a certificate by its issuer, or by its own key if that is nil.
func sign(template x509.Certificate, issuer *pair, now time.Time) (pair, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return pair{}, fmt.Errorf("making a key: %w", err)
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return pair{}, fmt.Errorf("making a serial number: %w", err)
	}
	template.SerialNumber = serial
	template.NotBefore = now.Add(-time.Hour) // clocks of other machines may be behind
	template.NotAfter = now.Add(Lifetime)
	if issuer == nil {
		issuer = &pair{certificate: &template, key: key}
	}
	der, err := x509.CreateCertificate(rand.Reader, &template, issuer.certificate, key.Public(), issuer.key)
	if err != nil {
		return pair{}, fmt.Errorf("signing a certificate: %w", err)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		return pair{}, fmt.Errorf("reading the signed certificate: %w", err)
	}
	return pair{certificate: certificate, key: key}, nil
}

func (p pair) write(folder, name string) error {
	return errors.Join(
		writePEM(filepath.Join(folder, name+CertEnding), "CERTIFICATE", p.certificate.Raw),
		writeKey(filepath.Join(folder, name+KeyEnding), p.key),
	)
}

func serviceAccountKeys(folder string) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return fmt.Errorf("making the service accounts' key: %w", err)
	}
	public, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return fmt.Errorf("encoding the service accounts' key: %w", err)
	}
	return errors.Join(
		writeKey(filepath.Join(folder, ServiceAccountKey), key),
		writePEM(filepath.Join(folder, ServiceAccountPublic), "PUBLIC KEY", public),
	)
}

// writeKey writes the form that every Kubernetes component reads, SEC 1.
func writeKey(path string, key *ecdsa.PrivateKey) error {
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return fmt.Errorf("encoding %s: %w", filepath.Base(path), err)
	}
	return writePEM(path, "EC PRIVATE KEY", der)
}

func writePEM(path, kind string, der []byte) error {
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		return fmt.Errorf("writing %s: %w", filepath.Base(path), err)
	}
	return nil
}
