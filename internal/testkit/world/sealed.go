package world

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"strings"
	"testing"

	"filippo.io/age"

	"github.com/soda-cdm/kahu/internal/core/archive"
	"github.com/soda-cdm/kahu/internal/core/damage"
	"github.com/soda-cdm/kahu/internal/core/seal"
	"github.com/soda-cdm/kahu/internal/engine"
	"github.com/soda-cdm/kahu/internal/engine/backup"
	"github.com/soda-cdm/kahu/internal/engine/keyring"
	"github.com/soda-cdm/kahu/internal/engine/restore"
	"github.com/soda-cdm/kahu/internal/engine/verify"
	"github.com/soda-cdm/kahu/internal/testkit/fakecluster"
)

// Sealed is a world whose location is encrypted.
type Sealed struct {
	*World

	// Signing is the key with which backups are signed, State what the cluster remembers of the keys.
	Signing *seal.SigningKey
	State   keyring.State
	// Comparison is the key with which the cluster compares, where it has one.
	Comparison *seal.Key
}

// NewIdentity returns an identity that nobody else has.
func NewIdentity(t *testing.T) seal.Identity {
	t.Helper()
	secret, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	found, err := seal.ParseIdentities([]byte(secret.String()))
	if err != nil {
		t.Fatal(err)
	}
	return found[0]
}

// NewSealed returns a world whose location the owners of the identities can read.
func NewSealed(t *testing.T, readers ...seal.Identity) *Sealed {
	t.Helper()
	signing, err := seal.NewSigningKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	w := &Sealed{World: New(t), Signing: signing}
	w.Keep(nil, readers...)
	return w
}

func (w *Sealed) keeper() *keyring.Keeper {
	return &keyring.Keeper{Files: w.Plain(), Clock: w.Clock, ClusterID: ClusterID}
}

// Keep lets the owners of the identities read, with some identities at hand.
func (w *Sealed) Keep(held []seal.Identity, readers ...seal.Identity) keyring.Kept {
	w.T.Helper()
	wish := keyring.Wish{State: w.State, Held: held}
	for _, reader := range readers {
		wish.Recipients = append(wish.Recipients, reader.Recipient())
	}
	kept, err := w.keeper().Keep(w.T.Context(), wish)
	if err != nil {
		w.T.Fatal(err)
	}
	w.State = kept.State
	return kept
}

// Keys returns what opens backups, with some identities at hand.
func (w *Sealed) Keys(held ...seal.Identity) *keyring.Ring {
	return &keyring.Ring{Files: w.Plain(), Identities: func(context.Context) ([]seal.Identity, error) { return held, nil }}
}

// Sealing says how backups are encrypted now; the identities open what an earlier attempt wrote.
func (w *Sealed) Sealing(held ...seal.Identity) *backup.Sealing {
	return &backup.Sealing{
		Epoch: w.State.Epoch, Signing: w.Signing, Keys: w.Keys(held...), Comparison: w.Comparison,
		Check: func(ctx context.Context) error { return w.keeper().Check(ctx, w.State) },
	}
}

// SealedBackup makes an encrypted backup of a request that may be changed.
func (w *Sealed) SealedBackup(name string, change func(*backup.Request)) (backup.Result, error) {
	w.T.Helper()
	use := &backup.Runner{Cluster: w.Cluster, Clock: w.Clock, Listers: w.Workers, Packers: w.Workers, Writer: "test"}
	request := backup.Request{
		ID: ID(name), Attempt: "attempt" + name, LocationID: "location", ServerVersion: "v1",
		Object: json.RawMessage(`{"spec":{"includeNamespaces":["shop"]}}`), VolumeData: true, Sealing: w.Sealing(),
		Confirm: func(context.Context) error { return nil }, GiveUp: w.GiveUp,
	}
	if change != nil {
		change(&request)
	}
	return use.Run(w.T.Context(), request, w.Files)
}

// MustBackup makes an encrypted backup.
func (w *Sealed) MustBackup(name string) backup.Result {
	w.T.Helper()
	result, err := w.SealedBackup(name, nil)
	if err != nil {
		w.T.Fatal(err)
	}
	return result
}

// RestoreSealed restores a backup into an empty cluster, with some identities at hand.
func (w *Sealed) RestoreSealed(name string, trust engine.Trust, held ...seal.Identity) (*fakecluster.Cluster, restore.Result, error) {
	w.T.Helper()
	to := fakecluster.New(AllKinds()...)
	use := &restore.Runner{Cluster: to, Clock: w.Clock, Creators: 4, Patience: Patience}
	result, err := use.Run(w.T.Context(), restore.Request{
		Backup: ID(name), ID: RestoreID, Attempt: "attempt1", Keys: w.Keys(held...), Trust: trust, Epoch: w.State.Epoch,
	}, w.Files)
	return to, result, err
}

// Trust trusts the signer of this world, and nobody else.
func (w *Sealed) Trust() engine.Trust {
	return engine.Trust{Required: true, Signers: []seal.Signer{w.Signing.Signer()}}
}

// Verify verifies a backup, with some identities at hand.
func (w *Sealed) Verify(name string, sample damage.Sample, held ...seal.Identity) verify.Result {
	w.T.Helper()
	use := &verify.Runner{Clock: w.Clock, Readers: 2}
	result, err := use.Run(w.T.Context(), verify.Request{Backup: ID(name), Keys: w.Keys(held...), Sample: sample}, w.Plain())
	if err != nil {
		w.T.Fatal(err)
	}
	return result
}

// Reads fails the test unless the owner of the identity can read the backup.
func (w *Sealed) Reads(name string, who seal.Identity) {
	w.T.Helper()
	if found := w.Verify(name, damage.Sample{}, who); found.Sealed != nil || found.DamagedTotal > 0 || found.Objects == 0 {
		w.T.Errorf("%s cannot read %s: %+v", who, name, found)
	}
}

// CannotRead fails the test if the owner of the identity can read the backup.
func (w *Sealed) CannotRead(name string, who seal.Identity) {
	w.T.Helper()
	if found := w.Verify(name, damage.Sample{}, who); found.Sealed == nil {
		w.T.Errorf("%s can read %s: %+v", who, name, found)
	}
}

// SegmentsOf returns the bytes of all segments of a backup.
func (w *Sealed) SegmentsOf(name string) []byte {
	w.T.Helper()
	var all []byte
	for _, file := range w.Names() {
		if strings.HasPrefix(file, archive.SegmentPrefix(ClusterID, "attempt"+name)) {
			all = append(all, w.Content(file)...)
		}
	}
	return all
}
