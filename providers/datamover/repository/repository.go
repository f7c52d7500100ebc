package repository

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/kopia/kopia/repo"
	"github.com/kopia/kopia/repo/blob"
	"github.com/kopia/kopia/repo/blob/retrying"
	"github.com/kopia/kopia/repo/content"
	"github.com/kopia/kopia/repo/format"

	"github.com/soda-cdm/kahu/provider"
)

// The format of new repositories. Of what kopia offers, only compression and splitting cost time that can be felt.
const (
	hashing     = "BLAKE3-256"
	encryption  = "AES256-GCM-HMAC-SHA256"
	splitter    = "DYNAMIC-1M-BUZHASH"
	compression = "zstd-fastest"
)

// Errors of opening a repository.
var (
	// ErrExists means that there is a repository at the place already.
	ErrExists = errors.New("there is a repository already")
	// ErrMissing means that there is no repository at the place.
	ErrMissing = errors.New("there is no repository")
	// ErrKey means that the key is not that of the repository.
	ErrKey = errors.New("the key is not that of the repository")
)

// Create makes a repository at a place where there is none. It is opened with the key and only with it: a key that is lost
// takes all that is in the repository with it.
func Create(ctx context.Context, place Place, key Key) error {
	if err := place.validate(); err != nil {
		return err
	}
	// What kopia does in two steps has one winner here: the second of two that begin at once would replace the first one's keys.
	if creator, can := place.Store.(provider.Creator); can {
		place.Store = once{Store: place.Store, Creator: creator}
	}
	options := &repo.NewRepositoryOptions{
		BlockFormat:  format.ContentFormat{Hash: hashing, Encryption: encryption, EnablePasswordChange: true},
		ObjectFormat: format.ObjectFormat{Splitter: splitter},
	}
	err := repo.Initialize(ctx, retrying.NewWrapper(&blobs{place: place}), options, key.secret)
	if errors.Is(err, repo.ErrAlreadyInitialized) || errors.Is(err, blob.ErrBlobAlreadyExists) {
		return ErrExists
	}
	if err != nil {
		return fmt.Errorf("making a repository: %w", err)
	}
	return nil
}

// Options are how a repository is used.
type Options struct {
	// Folder is where this process keeps what it has read, and nothing else: of its own for each repository. What is in it is
	// encrypted or says nothing of the content.
	Folder string
	// CacheBytes is how much of the repository is kept in the folder, about. Zero means DefaultCacheBytes.
	CacheBytes int64
	// Now is the clock. Nil means that of the machine.
	Now func() time.Time
}

// DefaultCacheBytes is the size of the cache where none is asked for.
const DefaultCacheBytes = 1 << 30

// Repository is an opened repository.
type Repository struct {
	opened repo.DirectRepository
	fatal  *fatal
	forget func()
}

// fatal keeps the error after which kopia wants the process to end.
type fatal struct {
	mutex sync.Mutex
	err   error
}

func (f *fatal) is(err error) {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	f.err = err
}

func (f *fatal) get() error {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	return f.err
}

// Open opens the repository at a place. It is to be closed.
func Open(ctx context.Context, place Place, key Key, options Options) (*Repository, error) {
	if err := place.validate(); err != nil {
		return nil, err
	}
	storage := &blobs{place: place, id: strconv.FormatInt(lastPlace.Add(1), 10)}
	config, err := configure(storage, options)
	if err != nil {
		return nil, err
	}
	places.Store(storage.id, storage)
	made := &Repository{fatal: &fatal{}, forget: func() { places.Delete(storage.id) }}
	opened, err := repo.Open(ctx, config, key.secret, &repo.Options{OnFatalError: made.fatal.is, DoNotWaitForUpgrade: true, DisableRepositoryLog: true, TimeNowFunc: options.Now})
	switch {
	case errors.Is(err, repo.ErrInvalidPassword):
		err = ErrKey
	case errors.Is(err, repo.ErrRepositoryNotInitialized), errors.Is(err, blob.ErrBlobNotFound):
		err = ErrMissing
	case err != nil:
		err = fmt.Errorf("opening the repository: %w", err)
	}
	if err != nil {
		made.forget()
		return nil, err
	}
	direct, is := opened.(repo.DirectRepository)
	if !is {
		made.forget()
		return nil, errors.Join(errors.New("the repository is behind a server"), opened.Close(ctx))
	}
	made.opened = direct
	return made, nil
}

// Close ends the use of the repository. What was saved is stored already.
func (r *Repository) Close(ctx context.Context) error {
	defer r.forget()
	return errors.Join(r.opened.Close(ctx), r.fatal.get())
}

// configure writes the file from which kopia opens a repository, which has no secrets.
func configure(storage *blobs, options Options) (string, error) {
	folder, err := filepath.Abs(options.Folder) // A relative one mixes the caches of several repositories.
	if err != nil {
		return "", fmt.Errorf("finding the folder of the cache: %w", err)
	}
	size := options.CacheBytes
	if size <= 0 {
		size = DefaultCacheBytes
	}
	connection := storage.ConnectionInfo()
	text, err := json.Marshal(repo.LocalConfig{
		Storage: &connection,
		Caching: &content.CachingOptions{
			CacheDirectory: filepath.Join(folder, "cache"), ContentCacheSizeBytes: size / 2, MetadataCacheSizeBytes: size / 2, //nolint:mnd // Halves.
			MaxListCacheDuration: content.DurationSeconds(listTime.Seconds()),
		},
		ClientOptions: repo.ClientOptions{Hostname: "kahu", Username: "kahu", Description: storage.DisplayName(), FormatBlobCacheDuration: listTime},
	})
	if err != nil {
		return "", fmt.Errorf("writing the configuration of the repository: %w", err)
	}
	const private, ours = 0o700, 0o600
	if err := os.MkdirAll(filepath.Join(folder, "cache"), private); err != nil {
		return "", fmt.Errorf("making the folder of the cache: %w", err)
	}
	file := filepath.Join(folder, "repository.json")
	if err := os.WriteFile(file, text, ours); err != nil {
		return "", fmt.Errorf("writing the configuration of the repository: %w", err)
	}
	return file, nil
}

// listTime is how long a listing of the place counts.
const listTime = 15 * time.Second

// kopia opens a storage by a name that it finds in a file, so what is opened in this process is found by name.
var (
	places    sync.Map     //nolint:gochecknoglobals // See above.
	lastPlace atomic.Int64 //nolint:gochecknoglobals // See above.
)

func init() { //nolint:gochecknoinits // See above.
	blob.AddSupportedStorage(storageType, connection{}, func(_ context.Context, options *connection, _ bool) (blob.Storage, error) {
		found, open := places.Load(options.ID)
		storage, is := found.(*blobs)
		if !open || !is {
			return nil, fmt.Errorf("the place %s is not open in this process", options.ID)
		}
		return retrying.NewWrapper(storage), nil
	})
}

// once is a store that replaces nothing.
type once struct {
	Store
	provider.Creator
}

// Upload implements provider.ObjectStore.
func (o once) Upload(ctx context.Context, name string, attributes provider.Attributes, from io.Reader) error {
	return o.Create(ctx, name, attributes, from)
}
