package copies_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"k8s.io/utils/clock"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/archive"
	"github.com/soda-cdm/kahu/internal/core/copyplan"
	"github.com/soda-cdm/kahu/internal/core/seal"
	"github.com/soda-cdm/kahu/internal/engine/copies"
	"github.com/soda-cdm/kahu/internal/store"
	"github.com/soda-cdm/kahu/internal/testkit/faultyprovider"
	"github.com/soda-cdm/kahu/provider"
	"github.com/soda-cdm/kahu/provider/memory"
)

const clusterID = "11111111-2222-3333-4444-555555555555"

// world is two locations, one of which has backups.
type world struct {
	t        *testing.T
	from, to *memory.Store

	key    *seal.Key     // set by sealed: that of the epoch
	reader seal.Identity // set with it: for whom the key is wrapped
}

func newWorld(t *testing.T) *world {
	t.Helper()
	return &world{t: t, from: memory.New(memory.Options{}), to: memory.New(memory.Options{})}
}

func id(name string) archive.BackupID {
	return archive.BackupID{ClusterID: clusterID, Name: name, UID: "uid-of-" + name}
}

// files returns a store over a driver. A failure is not repeated.
func files(driver provider.Driver) *store.Store { return store.New(driver, store.Options{Attempts: 1}) }

func put(t *testing.T, into provider.Driver, name string, content []byte) archive.File {
	t.Helper()
	if err := files(into).Replace(t.Context(), name, content); err != nil {
		t.Fatal(err)
	}
	return archive.File{Name: name, Size: int64(len(content)), Digest: archive.DigestOf(content)}
}

func noise(t *testing.T, size int) []byte {
	t.Helper()
	content := make([]byte, size)
	if _, err := rand.Read(content); err != nil {
		t.Fatal(err)
	}
	return content
}

// manifest puts a backup into the source, with so many segments of its own besides those of others, and returns its
// manifest. What is in the files does not matter to who copies them.
func (w *world) manifest(name string, own int, others ...archive.File) archive.Manifest {
	w.t.Helper()
	backup := id(name)
	intent, err := archive.EncodeIntent(archive.Intent{Backup: backup, Attempt: "attempt" + name, Started: time.Unix(1, 0)})
	if err != nil {
		w.t.Fatal(err)
	}
	manifest := archive.Manifest{
		LocationID: "main", ID: backup, Attempt: "attempt" + name, Started: time.Unix(1, 0), Completed: time.Unix(2, 0),
		Complete: true, Backup: json.RawMessage(`{}`), Segments: slices.Clone(others),
		Intent: put(w.t, w.from, backup.IntentName(), intent),
		Index:  put(w.t, w.from, backup.IndexName(), noise(w.t, 100)),
		Report: put(w.t, w.from, backup.ReportName(), noise(w.t, 100)),
	}
	for number := range own {
		segment := archive.SegmentID{ClusterID: clusterID, Attempt: manifest.Attempt, Number: number + 1}
		manifest.Segments = append(manifest.Segments, put(w.t, w.from, segment.Name(), noise(w.t, 5000)))
	}
	for _, file := range manifest.Segments {
		manifest.Sizes.Segments += file.Size
	}
	return manifest
}

// plain puts a backup that is not encrypted into the source.
func (w *world) plain(name string, own int, others ...archive.File) archive.Manifest {
	w.t.Helper()
	manifest := w.manifest(name, own, others...)
	content, err := archive.EncodeManifest(manifest)
	if err != nil {
		w.t.Fatal(err)
	}
	put(w.t, w.from, id(name).ManifestName(), content)
	return manifest
}

// sealed puts an encrypted backup into the source, with its wrapped key.
func (w *world) sealed(name string) archive.Manifest {
	w.t.Helper()
	key, err := seal.NewKey()
	if err != nil {
		w.t.Fatal(err)
	}
	signing, err := seal.NewSigningKey(rand.Reader)
	if err != nil {
		w.t.Fatal(err)
	}
	manifest := w.manifest(name, 2)
	manifest.Backup = nil
	manifest.Encryption = archive.Encryption{
		Scheme: archive.SchemeAge, Epoch: key.Epoch().ID(), Details: put(w.t, w.from, id(name).DetailsNameOf(""), noise(w.t, 50)),
	}
	content, err := archive.SealManifest(manifest, signing)
	if err != nil {
		w.t.Fatal(err)
	}
	put(w.t, w.from, id(name).ManifestName(), content)
	w.key, w.reader = key, identity(w.t)
	put(w.t, w.from, w.wrapName(), w.wrap(key))
	put(w.t, w.from, seal.EpochName(key.Epoch().ID()), noise(w.t, 60))
	manifest.Signer = signing.Signer()
	return manifest
}

// identity returns one of somebody new.
func identity(t *testing.T) seal.Identity {
	t.Helper()
	key, err := seal.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	identities, err := seal.ParseIdentities(key.Encode())
	if err != nil {
		t.Fatal(err)
	}
	return identities[0]
}

// wrapName is the name of the key of the encrypted backup, and wrap what a file of that name has with some key.
func (w *world) wrapName() string {
	return seal.WrapName(w.key.Epoch().ID(), w.reader.Recipient().ID())
}

func (w *world) wrap(key *seal.Key) []byte {
	w.t.Helper()
	wrapped, err := key.Wrap(w.reader.Recipient())
	if err != nil {
		w.t.Fatal(err)
	}
	return wrapped
}

func request(name string) copies.Request {
	return copies.Request{
		Backup: id(name), Attempt: "copy1", From: copyplan.Place{Name: "main", ID: "main"}, To: copyplan.Place{Name: "offsite", ID: "offsite"},
		Confirm: func(context.Context) error { return nil },
	}
}

// copy copies a backup over drivers, which may be those of the world or stand in front of them.
func (w *world) copy(ctx context.Context, from, to provider.Driver, wish copies.Request) (copies.Result, error) {
	use := &copies.Copy{Clock: clock.RealClock{}, Senders: 3}
	return use.Run(ctx, wish, files(from), files(to))
}

// contents returns all files of a store.
func contents(t *testing.T, of *memory.Store) map[string]string {
	t.Helper()
	found := map[string]string{}
	err := files(of).List(t.Context(), "", func(file core.FileInfo) error {
		content, err := files(of).Open(t.Context(), file.Name)
		if err != nil {
			return err
		}
		defer content.Close()
		whole, err := io.ReadAll(content)
		found[file.Name] = string(whole)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// isWhole tells whether a store has all that the manifest of a backup names, if it has the manifest.
func isWhole(t *testing.T, of *memory.Store, name string) (there bool, err error) {
	t.Helper()
	all := contents(t, of)
	content, there := all[id(name).ManifestName()]
	if !there {
		return false, nil
	}
	manifest, err := archive.DecodeManifest(bytes.NewReader([]byte(content)))
	if err != nil {
		return true, err
	}
	for _, file := range manifest.Files() {
		if found := archive.DigestOf([]byte(all[file.Name])); found != file.Digest {
			return true, fmt.Errorf("%s has digest %s, not %s", file.Name, found, file.Digest)
		}
	}
	return true, nil
}

func names(of map[string]string) []string { return slices.Sorted(maps.Keys(of)) }

// counting counts what is created, and can do something before.
type counting struct {
	*memory.Store

	mu      sync.Mutex
	created []string
	before  func(name string) error
}

// Create counts and creates.
func (c *counting) Create(ctx context.Context, name string, attributes provider.Attributes, content io.Reader) error {
	c.mu.Lock()
	c.created = append(c.created, name)
	c.mu.Unlock()
	if c.before != nil {
		if err := c.before(name); err != nil {
			return err
		}
	}
	return c.Store.Create(ctx, name, attributes, content)
}

// killing ends a process before one of the files that it creates.
type killing struct {
	faultyprovider.Full

	mu   sync.Mutex
	left int
	kill func()
}

// Create counts, and ends the process.
func (k *killing) Create(ctx context.Context, name string, attributes provider.Attributes, content io.Reader) error {
	k.mu.Lock()
	k.left--
	over := k.left == 0
	k.mu.Unlock()
	if over {
		k.kill()
	}
	return k.Full.Create(ctx, name, attributes, content)
}
