package engine_test

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
	"github.com/soda-cdm/kahu/internal/testkit/fakecluster"
)

// sealedWorld is a world whose location is encrypted.
type sealedWorld struct {
	*world

	signing *seal.SigningKey
	state   engine.KeyState
}

func newIdentity(t *testing.T) seal.Identity {
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

func newSealedWorld(t *testing.T, readers ...seal.Identity) *sealedWorld {
	t.Helper()
	signing, err := seal.NewSigningKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	w := &sealedWorld{world: newWorld(t), signing: signing}
	w.keep(nil, readers...)
	return w
}

func (w *sealedWorld) keeper() *engine.KeyKeeper {
	return &engine.KeyKeeper{Files: w.plain(), Clock: w.clock, ClusterID: clusterID}
}

// keep lets the owners of the identities read, with some identities at hand.
func (w *sealedWorld) keep(held []seal.Identity, readers ...seal.Identity) engine.KeysKept {
	w.t.Helper()
	wish := engine.KeyWish{State: w.state, Held: held}
	for _, reader := range readers {
		wish.Recipients = append(wish.Recipients, reader.Recipient())
	}
	kept, err := w.keeper().Keep(w.t.Context(), wish)
	if err != nil {
		w.t.Fatal(err)
	}
	w.state = kept.State
	return kept
}

func (w *sealedWorld) keys(held ...seal.Identity) *engine.Keyring {
	return &engine.Keyring{Files: w.plain(), Identities: func(context.Context) ([]seal.Identity, error) { return held, nil }}
}

func (w *sealedWorld) sealing(held ...seal.Identity) *engine.Sealing {
	return &engine.Sealing{
		Epoch: w.state.Epoch, Signing: w.signing, Keys: w.keys(held...),
		Check: func(ctx context.Context) error { return w.keeper().Check(ctx, w.state) },
	}
}

func (w *sealedWorld) sealedBackup(name string, change func(*engine.BackupRequest)) (engine.BackupResult, error) {
	w.t.Helper()
	use := &engine.Backup{Cluster: w.cluster, Clock: w.clock, Listers: w.workers, Packers: w.workers, Writer: "test"}
	request := engine.BackupRequest{
		ID: id(name), Attempt: "attempt" + name, LocationID: "location", ServerVersion: "v1",
		Object: json.RawMessage(`{"spec":{"includeNamespaces":["shop"]}}`), VolumeData: true, Sealing: w.sealing(),
		Confirm: func(context.Context) error { return nil }, GiveUp: w.giveUp,
	}
	if change != nil {
		change(&request)
	}
	return use.Run(w.t.Context(), request, w.files)
}

func (w *sealedWorld) mustBackup(name string) engine.BackupResult {
	w.t.Helper()
	result, err := w.sealedBackup(name, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	return result
}

func (w *sealedWorld) restoreSealed(name string, trust engine.Trust, held ...seal.Identity) (*fakecluster.Cluster, engine.RestoreResult, error) {
	w.t.Helper()
	to := fakecluster.New(allKinds()...)
	use := &engine.Restore{Cluster: to, Clock: w.clock, Creators: 4, Patience: patience}
	result, err := use.Run(w.t.Context(), engine.RestoreRequest{
		Backup: id(name), ID: restoreID, Attempt: "attempt1", Keys: w.keys(held...), Trust: trust, Epoch: w.state.Epoch,
	}, w.files)
	return to, result, err
}

func (w *sealedWorld) trust() engine.Trust {
	return engine.Trust{Required: true, Signers: []seal.Signer{w.signing.Signer()}}
}

func (w *sealedWorld) verify(name string, sample damage.Sample, held ...seal.Identity) engine.VerifyResult {
	w.t.Helper()
	use := &engine.Verify{Clock: w.clock, Readers: 2}
	result, err := use.Run(w.t.Context(), engine.VerifyRequest{Backup: id(name), Keys: w.keys(held...), Sample: sample}, w.plain())
	if err != nil {
		w.t.Fatal(err)
	}
	return result
}

func (w *sealedWorld) reads(name string, who seal.Identity) {
	w.t.Helper()
	if found := w.verify(name, damage.Sample{}, who); found.Sealed != nil || found.DamagedTotal > 0 || found.Objects == 0 {
		w.t.Errorf("%s cannot read %s: %+v", who, name, found)
	}
}

func (w *sealedWorld) cannotRead(name string, who seal.Identity) {
	w.t.Helper()
	if found := w.verify(name, damage.Sample{}, who); found.Sealed == nil {
		w.t.Errorf("%s can read %s: %+v", who, name, found)
	}
}

func (w *sealedWorld) segmentsOf(name string) []byte {
	w.t.Helper()
	var all []byte
	for _, file := range w.names() {
		if strings.HasPrefix(file, archive.SegmentPrefix(clusterID, "attempt"+name)) {
			all = append(all, w.content(file)...)
		}
	}
	return all
}
