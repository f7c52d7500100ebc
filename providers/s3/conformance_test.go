package s3_test

import (
	"maps"
	"testing"
	"time"

	"github.com/soda-cdm/kahu/internal/testkit/s3server"
	"github.com/soda-cdm/kahu/provider"
	"github.com/soda-cdm/kahu/provider/conformance"
	"github.com/soda-cdm/kahu/providers/s3"
)

// bucketName is the bucket of the tests.
const bucketName = "backups"

// now is the clock of the server that the tests start, which has no other.
func now() time.Time { return time.Now() } //nolint:forbidigo // See above.

func newStore() *s3.Store {
	return s3.New(s3.Options{Version: "test", Now: now, PartBytes: 5 << 20})
}

// attributesOf returns the attributes of a location at a server, with some more.
func attributesOf(server *s3server.Server, more provider.Attributes) provider.Attributes {
	attributes := provider.Attributes{
		s3.AttributeEndpoint: server.URL, s3.AttributeBucket: bucketName,
		s3.AttributeAccessKeyID: s3server.AccessKey, s3.AttributeSecretAccessKey: s3server.SecretKey,
	}
	maps.Copy(attributes, more)
	return attributes
}

func TestConformance(t *testing.T) {
	server := s3server.Start(t, s3server.Options{}, bucketName)
	for name, more := range map[string]provider.Attributes{
		"bucket":      nil,
		"prefix":      {s3.AttributePrefix: "team/backups"},
		"no checksum": {s3.AttributeChecksum: "none"},
	} {
		t.Run(name, func(t *testing.T) {
			store := newStore()
			t.Cleanup(func() { _ = store.Close() })
			conformance.Run(t, func(*testing.T) conformance.Target {
				return conformance.Target{Driver: store, Attributes: attributesOf(server, more)}
			})
		})
	}
}
