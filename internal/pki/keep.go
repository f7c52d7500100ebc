package pki

import (
	"context"
	"crypto/x509"
	"fmt"
	"net"
	"slices"
	"time"

	"github.com/go-logr/logr"
)

const (
	// checkInterval is the longest time between two looks at the certificates that are kept, so that a clock that
	// was set, or a machine that slept, does not let one expire.
	checkInterval = time.Hour
	// retryInterval is the time after which a renewal that failed is tried again.
	retryInterval = time.Minute
)

// Leaf is a certificate that is wanted in a folder.
type Leaf struct {
	// Dir is the folder of the certificate.
	Dir string
	// Name is a server's name, or a client's common name.
	Name string
	// Server tells whether it is a server's.
	Server bool
	// Addresses are a server's addresses.
	Addresses []net.IP
}

// Ensure issues the certificate, unless the folder holds one of this authority, with this name and these addresses,
// that has more than a third of its life before it.
func (a *Authority) Ensure(leaf Leaf) error {
	if a.satisfied(leaf) {
		return nil
	}
	issue := func() (Pair, error) { return a.IssueClient(leaf.Name) }
	if leaf.Server {
		issue = func() (Pair, error) { return a.IssueServer(leaf.Name, leaf.Addresses) }
	}
	pair, err := issue()
	if err != nil {
		return fmt.Errorf("issuing the certificate of %s: %w", leaf.Name, err)
	}
	return pair.Write(leaf.Dir)
}

// Keep renews the certificates in time, until the context ends. What fails is logged and tried again: where the first
// certificates must be there, call Ensure before.
func (a *Authority) Keep(ctx context.Context, leaves []Leaf) {
	log := logr.FromContextOrDiscard(ctx)
	for {
		wait := checkInterval
		for _, leaf := range leaves {
			if err := a.Ensure(leaf); err != nil {
				log.Error(err, "renewing a certificate", "name", leaf.Name)
				wait = retryInterval
			}
		}
		timer := a.clock.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C():
		}
	}
}

// satisfied tells whether the folder holds what is wanted, for long enough.
func (a *Authority) satisfied(leaf Leaf) bool {
	found, err := read(leaf.Dir)
	if err != nil {
		return false
	}
	trusted := x509.NewCertPool()
	trusted.AddCert(a.certificate)
	usage := x509.ExtKeyUsageClientAuth
	if leaf.Server {
		usage = x509.ExtKeyUsageServerAuth
	}
	certificate := found.certificate.Leaf
	_, err = certificate.Verify(x509.VerifyOptions{
		Roots:       trusted,
		CurrentTime: a.clock.Now().Add(LeafLifetime / 3),
		KeyUsages:   []x509.ExtKeyUsage{usage},
	})
	// The authority that the folder trusts must be this one too, or it was written by another one.
	return err == nil && certificate.Subject.CommonName == leaf.Name &&
		slices.EqualFunc(certificate.IPAddresses, leaf.Addresses, net.IP.Equal) &&
		found.trusted.Equal(trusted)
}
