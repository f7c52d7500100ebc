package rescue

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/archive"
	"github.com/soda-cdm/kahu/internal/core/recovery"
	"github.com/soda-cdm/kahu/internal/core/seal"
	"github.com/soda-cdm/kahu/internal/engine"
	"github.com/soda-cdm/kahu/internal/engine/keyring"
	"github.com/soda-cdm/kahu/internal/engine/location"
)

// Files is what looking into a place asks of its store.
type Files interface {
	engine.FileReader
	engine.FileLister
}

const (
	// maxBackups bounds how many manifests are read: with more of them, the person says which cluster or which name.
	maxBackups = 20_000
	// readers is how many manifests are read at once.
	readers = 8
)

// Look returns the backups at a place. It writes nothing: a place that is not a location of backups is refused, with what to
// do. Narrow may leave out what need not be read. The identities open what encrypted backups say of their filters.
func Look(ctx context.Context, files Files, held []seal.Identity, narrow func(id archive.BackupID) bool) ([]recovery.Found, error) {
	if err := checkMarker(ctx, files); err != nil {
		return nil, err
	}
	var ids []archive.BackupID
	holdsAny := false
	err := location.Discover(ctx, files, func(id archive.BackupID) error {
		holdsAny = true
		if narrow(id) {
			ids = append(ids, id)
		}
		if len(ids) > maxBackups {
			return fmt.Errorf("more than %d backups lie there: say with --cluster and --backup which one is wanted", maxBackups)
		}
		return nil
	})
	if errors.Is(err, core.ErrUnsupported) {
		return nil, errors.New("the provider cannot list what is there: restore with metadataLocation, clusterID and backupUID of a Restore")
	}
	if err != nil {
		return nil, fmt.Errorf("listing the backups: %w", err)
	}
	if !holdsAny {
		if below := locationsBelow(ctx, files); len(below) > 0 {
			return nil, fmt.Errorf("the location holds no backup; %s", nameOne(below))
		}
	}
	return readManifests(ctx, files, newKeys(files, held), ids)
}

// checkMarker sees whether this is a location at all.
func checkMarker(ctx context.Context, files Files) error {
	file, err := files.Open(ctx, archive.MarkerName)
	if err == nil {
		defer file.Close() //nolint:errcheck // It was only read.
		_, err = archive.DecodeMarker(file)
	}
	if err == nil {
		return nil
	}
	if !errors.Is(err, core.ErrNotFound) {
		return explain(err)
	}
	begins, listErr := firstNames(ctx, files)
	if listErr != nil {
		return explain(listErr)
	}
	if len(begins) == 0 {
		return errors.New("the place is empty: correct the bucket, the prefix or the folder, or mount what belongs there")
	}
	if below := locationsBelow(ctx, files); len(below) > 0 {
		return fmt.Errorf("the place is not a location of Kahu, as it has no %s; %s", archive.MarkerName, nameOne(below))
	}
	return fmt.Errorf("the place is not a location of Kahu, as it has no %s: correct the bucket, the prefix or the folder; it holds %q",
		archive.MarkerName, begins)
}

// maxNames is how much is shown of a place that is something else.
const maxNames = 3

var errEnough = errors.New("enough is known")

// firstNames returns the first names of what is there.
func firstNames(ctx context.Context, files Files) ([]string, error) {
	var names []string
	err := files.List(ctx, "", func(file core.FileInfo) error {
		names = append(names, file.Name)
		if len(names) == maxNames {
			return errEnough
		}
		return nil
	})
	if errors.Is(err, errEnough) || errors.Is(err, core.ErrUnsupported) {
		return names, nil
	}
	return names, err
}

// The limits of a look for locations below a place: how many files are passed, how many levels down, and how many are named.
const (
	maxPassed = 20_000
	maxLevels = 2
	maxBelow  = 10
)

// locationsBelow returns the folders below a place that are locations, as far as that is cheap to know: a person may have named
// the folder above theirs.
func locationsBelow(ctx context.Context, files Files) []string {
	var found []string
	passed := 0
	_ = files.List(ctx, "", func(file core.FileInfo) error { // What is not found is not named.
		folder, isMarker := strings.CutSuffix(file.Name, "/"+archive.MarkerName)
		if isMarker && strings.Count(folder, "/") < maxLevels {
			found = append(found, folder)
		}
		if passed++; passed == maxPassed || len(found) == maxBelow {
			return errEnough
		}
		return nil
	})
	return found
}

func nameOne(below []string) string {
	return "below it are the locations " + strings.Join(below, ", ") + ": put one of these behind the place (PLACE/" + below[0] + ")"
}

// explain says what to do about a place that cannot be read.
func explain(err error) error {
	switch {
	case errors.Is(err, core.ErrDenied):
		return fmt.Errorf("%w\nThe store refuses: see the access key, the secret key (--credentials, or AWS_ACCESS_KEY_ID and "+
			"AWS_SECRET_ACCESS_KEY), and whether their user may list and read the bucket", err)
	case errors.Is(err, core.ErrUnavailable):
		return fmt.Errorf("%w\nIt cannot be reached: see the folder and what is mounted there, or the address (endpoint=https://HOST:PORT), "+
			"the network, and whether this machine trusts the certificate (caCertificate=... in the address)", err)
	case errors.Is(err, core.ErrInvalid):
		return fmt.Errorf("%w\nThe provider does not take the address or the credentials (--credentials, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY): "+
			"its page in docs/providers says what it knows", err)
	}
	return err
}

// readManifests reads all manifests, in the order of the ids. One that cannot be used is told, and stops nothing.
func readManifests(ctx context.Context, files engine.FileReader, keys engine.Keys, ids []archive.BackupID) ([]recovery.Found, error) {
	found := make([]recovery.Found, len(ids))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(readers)
	for i, id := range ids {
		group.Go(func() error {
			manifest, err := engine.ReadManifest(ctx, files, id)
			if err == nil {
				err = openDetails(ctx, files, keys, &manifest)
			}
			if errors.Is(err, core.ErrUnavailable) || errors.Is(err, core.ErrDenied) || ctx.Err() != nil {
				return explain(err)
			}
			found[i] = describe(id, &manifest, err)
			return nil
		})
	}
	return found, group.Wait()
}

func describe(id archive.BackupID, manifest *archive.Manifest, err error) recovery.Found {
	if err != nil {
		return recovery.Found{ID: id, Unusable: err.Error()}
	}
	found := recovery.Found{
		ID: id, Completed: manifest.Completed, Missing: manifest.MissingCount,
		Objects: manifest.Counts.Objects, Bytes: manifest.Sizes.Segments,
		Sealed: len(manifest.Backup) == 0, Epoch: manifest.Encryption.Epoch, Signer: manifest.Signer,
	}
	if !found.Sealed {
		found.Limits = limits(manifest.Backup)
	}
	return found
}

// TryKey sees whether the identities open a backup that is encrypted.
func TryKey(ctx context.Context, files keyring.Files, choice recovery.Choice, held []seal.Identity) error {
	if choice.Epoch == "" {
		return nil
	}
	_, err := ringOf(files, held).Key(ctx, choice.Epoch)
	var needed *seal.KeyNeededError
	if !errors.As(err, &needed) {
		return err
	}
	if len(held) == 0 {
		return fmt.Errorf("backup %s is encrypted: say with --identity in which file the secret key is, that of one of the recipients %v",
			choice.ID.Name, needed.Recipients)
	}
	return fmt.Errorf("the identity does not open backup %s: it is that of %v, and the backup is for %v (age-keygen -y shows the recipient "+
		"of a key, and sha256sum of that recipient begins with its id)", choice.ID.Name, needed.Held, needed.Recipients)
}
