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

	"k8s.io/utils/clock"
)

const (
	// AuthorityLifetime is how long an authority's certificate is valid.
	AuthorityLifetime = 10 * 365 * 24 * time.Hour
	// LeafLifetime is how long an issued certificate is valid.
	LeafLifetime = 30 * 24 * time.Hour

	// backdate is for clocks that go after ours.
	backdate = 5 * time.Minute
	// authorityFile holds the authority's certificate and key together, so that one rename makes both real.
	authorityFile = "authority.pem"

	blockCertificate = "CERTIFICATE"
	blockKey         = "PRIVATE KEY"
)

// errMalformed: a file holds no certificate and key in PEM.
var errMalformed = errors.New("not a certificate and a key in PEM")

// Authority issues certificates.
type Authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
	clock       clock.Clock
}

// Pair is an issued certificate with its key, and the certificate of the authority that vouches for the other side.
// All are in PEM.
type Pair struct {
	Certificate []byte
	Key         []byte
	Authority   []byte
}

// LoadOrCreate returns the authority that lives in the folder, and makes one where there is none, or where the one
// that is there would not outlive its leaves. Two processes that come at once get the same authority. The folder is
// made where it is not there, for its owner alone.
func LoadOrCreate(dir string, clk clock.Clock) (*Authority, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("making the folder of the authority: %w", err)
	}
	path := filepath.Join(dir, authorityFile)
	found, err := loadAuthority(path, clk)
	switch {
	case err == nil && found.outlives(LeafLifetime):
		return found, nil
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("reading authority %s: %w", path, err)
	}
	made, encoded, err := newAuthority(clk)
	if err != nil {
		return nil, fmt.Errorf("making an authority: %w", err)
	}
	if found != nil {
		return made, writeFile(path, encoded)
	}
	err = createFile(path, encoded)
	if errors.Is(err, fs.ErrExist) {
		return loadAuthority(path, clk)
	}
	return made, err
}

// IssueServer issues a certificate for a server of that name at these addresses.
func (a *Authority) IssueServer(serverName string, addresses []net.IP) (Pair, error) {
	return a.issue(&x509.Certificate{
		Subject:     pkix.Name{CommonName: serverName},
		DNSNames:    []string{serverName},
		IPAddresses: addresses,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	})
}

// IssueClient issues a certificate for a client of that common name, by which servers know it.
func (a *Authority) IssueClient(commonName string) (Pair, error) {
	return a.issue(&x509.Certificate{
		Subject:     pkix.Name{CommonName: commonName},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	})
}

// issue completes and signs the certificate of a new key.
func (a *Authority) issue(template *x509.Certificate) (Pair, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return Pair{}, fmt.Errorf("making a key: %w", err)
	}
	if err := a.complete(template); err != nil {
		return Pair{}, err
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.certificate, key.Public(), a.key)
	if err != nil {
		return Pair{}, fmt.Errorf("signing the certificate of %s: %w", template.Subject.CommonName, err)
	}
	encodedKey, err := encodeKey(key)
	if err != nil {
		return Pair{}, err
	}
	return Pair{
		Certificate: encodeCertificate(der),
		Key:         encodedKey,
		Authority:   encodeCertificate(a.certificate.Raw),
	}, nil
}

// complete gives the template what all leaves have.
func (a *Authority) complete(template *x509.Certificate) error {
	serial, err := newSerial()
	if err != nil {
		return err
	}
	now := a.clock.Now()
	template.SerialNumber = serial
	template.NotBefore = now.Add(-backdate)
	template.NotAfter = now.Add(LeafLifetime)
	template.KeyUsage = x509.KeyUsageDigitalSignature
	template.BasicConstraintsValid = true
	return nil
}

// outlives tells whether the authority is valid now and for that time yet.
func (a *Authority) outlives(lifetime time.Duration) bool {
	return a.clock.Now().Add(lifetime).Before(a.certificate.NotAfter)
}

// newAuthority makes an authority, and the content of its file.
func newAuthority(clk clock.Clock) (*Authority, []byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, fmt.Errorf("making a key: %w", err)
	}
	serial, err := newSerial()
	if err != nil {
		return nil, nil, err
	}
	template := &x509.Certificate{
		SerialNumber:          serial,
		Subject:               pkix.Name{CommonName: "Kahu authority " + serial.Text(16)[:8]},
		NotBefore:             clk.Now().Add(-backdate),
		NotAfter:              clk.Now().Add(AuthorityLifetime),
		KeyUsage:              x509.KeyUsageCertSign,
		IsCA:                  true,
		MaxPathLenZero:        true,
		BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, nil, fmt.Errorf("signing: %w", err)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, nil, fmt.Errorf("parsing what was signed: %w", err)
	}
	encodedKey, err := encodeKey(key)
	if err != nil {
		return nil, nil, err
	}
	encoded := append(encodeCertificate(der), encodedKey...)
	return &Authority{certificate: certificate, key: key, clock: clk}, encoded, nil
}

// loadAuthority reads the authority's file.
func loadAuthority(path string, clk clock.Clock) (*Authority, error) {
	encoded, err := os.ReadFile(path) //nolint:gosec // The path is the operator's own setting.
	if err != nil {
		return nil, err
	}
	certificateBlock, rest := pem.Decode(encoded)
	keyBlock, _ := pem.Decode(rest)
	if certificateBlock == nil || keyBlock == nil {
		return nil, errMalformed
	}
	certificate, err := x509.ParseCertificate(certificateBlock.Bytes)
	if err != nil {
		return nil, fmt.Errorf("parsing the certificate: %w", err)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(keyBlock.Bytes)
	if err != nil {
		return nil, fmt.Errorf("parsing the key: %w", errMalformed)
	}
	key, ok := parsed.(*ecdsa.PrivateKey)
	if !ok || !certificate.IsCA || !key.PublicKey.Equal(certificate.PublicKey) {
		return nil, fmt.Errorf("matching certificate and key: %w", errMalformed)
	}
	return &Authority{certificate: certificate, key: key, clock: clk}, nil
}

// newSerial returns a random serial number of 127 bits, its highest bit set so that all have one length.
func newSerial() (*big.Int, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 126))
	if err != nil {
		return nil, fmt.Errorf("drawing a serial number: %w", err)
	}
	return serial.SetBit(serial, 126, 1), nil
}

// encodeCertificate returns the certificate in PEM.
func encodeCertificate(der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: blockCertificate, Bytes: der})
}

// encodeKey returns the key in PEM.
func encodeKey(key *ecdsa.PrivateKey) ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("encoding a key: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: blockKey, Bytes: der}), nil
}
