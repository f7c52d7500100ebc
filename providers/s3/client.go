package s3

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"github.com/soda-cdm/kahu/provider"
)

// What a request may take. A body has no limit of its own: it ends with the context of its call.
const (
	dialTime        = 10 * time.Second
	handshakeTime   = 10 * time.Second
	answerTime      = 60 * time.Second
	idleTime        = 90 * time.Second
	connections     = 64
	retries         = 4
	maxTransports   = 64
	maxRoles        = 256
	maxTokenBytes   = 64 << 10
	sessionNameRole = "kahu"
)

// bucket is a location that can be asked.
type bucket struct {
	*location
	*minio.Core

	identity *credentials.Credentials
}

// redactor knows the credentials with which the bucket is asked. Those that have run out are asked for no more.
func (b *bucket) redactor() provider.Redactor {
	secrets := []string{b.accessKey, b.secretKey, b.sessionToken, b.customer}
	if b.accessKey == "" && !b.identity.IsExpired() {
		if now, err := b.identity.GetWithContext(nil); err == nil { // They are there: nobody is asked for them.
			secrets = append(secrets, now.AccessKeyID, now.SecretAccessKey, now.SessionToken)
		}
	}
	return provider.NewRedactor(secrets...)
}

// open returns the bucket that the attributes of a call are about.
func (s *Store) open(attributes provider.Attributes) (*bucket, error) {
	l, err := parse(attributes)
	if err != nil {
		return nil, err
	}
	transport, err := s.transport(l.trusted)
	if err != nil {
		return nil, err
	}
	identity, err := s.credentials(l, transport)
	if err != nil {
		return nil, err
	}
	lookup := minio.BucketLookupDNS
	if l.pathStyle {
		lookup = minio.BucketLookupPath
	}
	core, err := minio.NewCore(l.host, &minio.Options{
		Creds: identity, Secure: l.secure, Transport: transport, Region: l.region, BucketLookup: lookup,
		TrailingHeaders: true, MaxRetries: retries,
	})
	if err != nil {
		return nil, problem(AttributeEndpoint, "cannot be used")
	}
	return &bucket{location: l, Core: core, identity: identity}, nil
}

// transport returns the connections for all locations that trust the same certificates.
func (s *Store) transport(trusted string) (*http.Transport, error) {
	sum := sha256.Sum256([]byte(trusted))
	id := hex.EncodeToString(sum[:])
	s.mu.Lock()
	defer s.mu.Unlock()
	if made, ok := s.transports[id]; ok {
		return made, nil
	}
	settings := &tls.Config{MinVersion: tls.VersionTLS12}
	if trusted != "" {
		settings.RootCAs = x509.NewCertPool()
		if !settings.RootCAs.AppendCertsFromPEM([]byte(trusted)) {
			return nil, problem(AttributeCACertificate, "has no certificate that can be read")
		}
	}
	made := &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		DialContext:         (&net.Dialer{Timeout: dialTime, KeepAlive: idleTime}).DialContext,
		MaxIdleConns:        connections,
		MaxIdleConnsPerHost: connections,
		IdleConnTimeout:     idleTime,
		TLSHandshakeTimeout: handshakeTime, ResponseHeaderTimeout: answerTime,
		TLSClientConfig: settings,
		// What is stored may be compressed, and must come back as it is.
		DisableCompression: true,
	}
	if len(s.transports) >= maxTransports {
		for other, old := range s.transports {
			old.CloseIdleConnections()
			delete(s.transports, other)
		}
	}
	s.transports[id] = made
	return made, nil
}

// credentials returns who asks.
func (s *Store) credentials(l *location, transport *http.Transport) (*credentials.Credentials, error) {
	switch {
	case l.accessKey != "":
		return credentials.NewStaticV4(l.accessKey, l.secretKey, l.sessionToken), nil
	case l.roleARN != "":
		return s.role(l, transport)
	case !s.options.Ambient:
		return nil, problem(AttributeAccessKeyID, "is missing, and this driver may not use the credentials of its machine")
	}
	return s.shared("", func() *credentials.Credentials {
		return credentials.NewChainCredentials([]credentials.Provider{
			&credentials.EnvAWS{}, &credentials.IAM{Client: &http.Client{Transport: transport, Timeout: answerTime}},
		})
	}), nil
}

// role returns the credentials for a role, which are fetched when they are first used, and again before they run out.
func (s *Store) role(l *location, transport *http.Transport) (*credentials.Credentials, error) {
	if s.options.WebIdentityTokenFile == "" {
		return nil, problem(AttributeRoleARN, "needs a web identity, and this driver was started without --web-identity-token-file")
	}
	return s.shared(l.stsEndpoint+"\n"+l.roleARN, func() *credentials.Credentials {
		return credentials.New(&credentials.STSWebIdentity{
			Client: &http.Client{Transport: transport, Timeout: answerTime}, STSEndpoint: l.stsEndpoint, RoleARN: l.roleARN,
			GetWebIDTokenExpiry: func() (*credentials.WebIdentityToken, error) { return readToken(s.options.WebIdentityTokenFile) },
		})
	}), nil
}

// shared returns credentials that are kept between calls.
func (s *Store) shared(id string, fresh func() *credentials.Credentials) *credentials.Credentials {
	s.mu.Lock()
	defer s.mu.Unlock()
	if kept, ok := s.roles[id]; ok {
		return kept
	}
	if len(s.roles) >= maxRoles {
		clear(s.roles)
	}
	s.roles[id] = fresh()
	return s.roles[id]
}

// readToken reads the web identity. The file is written anew from time to time.
func readToken(file string) (*credentials.WebIdentityToken, error) {
	info, err := os.Stat(file)
	if err != nil {
		return nil, fmt.Errorf("reading the web identity: %w", err)
	}
	if info.Size() > maxTokenBytes {
		return nil, errors.New("the file of the web identity is too long for a token")
	}
	content, err := os.ReadFile(file) //nolint:gosec // The path is a flag of the driver.
	if err != nil {
		return nil, fmt.Errorf("reading the web identity: %w", err)
	}
	return &credentials.WebIdentityToken{Token: strings.TrimSpace(string(content))}, nil
}
