package nfs_test

import (
	"maps"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/soda-cdm/kahu/internal/testkit/nfsserver"
	"github.com/soda-cdm/kahu/provider"
	"github.com/soda-cdm/kahu/provider/conformance"
	"github.com/soda-cdm/kahu/providers/nfs"
)

// attributesOf returns the attributes of a location at a server, with some more.
func attributesOf(server *nfsserver.Server, more provider.Attributes) provider.Attributes {
	attributes := provider.Attributes{
		nfs.AttributeServer: server.Address, nfs.AttributeExport: server.Root,
		nfs.AttributePort:      strconv.Itoa(server.Port),
		nfs.AttributeMountPort: strconv.Itoa(server.MountPort),
	}
	maps.Copy(attributes, more)
	return attributes
}

// newStore returns a driver until the end of the test.
func newStore(t *testing.T, options nfs.Options) *nfs.Store {
	t.Helper()
	options.Version = "test"
	store := nfs.New(options)
	t.Cleanup(func() { _ = store.Close() })
	return store
}

func TestConformance(t *testing.T) {
	server := nfsserver.Start(t, nfsserver.Options{})
	for name, more := range map[string]provider.Attributes{
		"export":                     nil,
		"folder, by the port mapper": {nfs.AttributePath: "team/backups", nfs.AttributeMountPort: ""},
	} {
		t.Run(name, func(t *testing.T) {
			store := newStore(t, nfs.Options{})
			conformance.Run(t, func(*testing.T) conformance.Target {
				return conformance.Target{Driver: store, Attributes: attributesOf(server, more)}
			})
			expectEmpty(t, filepath.Join(server.Root, more[nfs.AttributePath], nfs.PartialFolder))
		})
	}
}

// expectEmpty reports a folder that has anything in it.
func expectEmpty(t *testing.T, folder string) {
	t.Helper()
	entries, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		t.Errorf("%s has been left in %s", entry.Name(), folder)
	}
}
