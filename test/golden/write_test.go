package golden_test

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/archive"
	"github.com/soda-cdm/kahu/internal/engine/backup"
	"github.com/soda-cdm/kahu/internal/store"
)

var write = flag.String("write", "", "write a new generation of golden locations, of this name")

const (
	generations    = "testdata"
	expectedFile   = "expected.json"
	identityFile   = "identity.txt"
	signingFile    = "signing.pem"
	locationFolder = "location"
)

// goldenCase writes a location.
type goldenCase struct {
	name  string
	write func(t *testing.T) *world
}

// written are the generations, each with the locations in it.
func written() map[string][]string {
	return map[string][]string{
		"first":   {"plain", "balanced", "smallest", "incomplete", "sealed", "interrupted", "interrupted-sealed", "resumed"},
		"chains":  {"chain", "chain-sealed", "copied", "copied-sealed"},
		"blind":   {"chain-blind"},
		"volumes": {"volumes", "volumes-sealed"},
	}
}

// cases are what can be written.
func cases() []goldenCase {
	return []goldenCase{
		{"plain", writePlain},
		{"balanced", func(t *testing.T) *world { t.Helper(); return writeCompressed(t, archive.Balanced) }},
		{"smallest", func(t *testing.T) *world { t.Helper(); return writeCompressed(t, archive.Smallest) }},
		{"incomplete", writeIncomplete},
		{"sealed", writeSealed},
		{"interrupted", func(t *testing.T) *world { t.Helper(); return writeInterrupted(newLocation(t)) }},
		{"interrupted-sealed", func(t *testing.T) *world {
			t.Helper()
			return writeInterrupted(sealed(t))
		}},
		{"resumed", writeResumed},
		{"chain", func(t *testing.T) *world { t.Helper(); return writeChain(newLocation(t)) }},
		{"chain-sealed", func(t *testing.T) *world { t.Helper(); return writeChain(sealed(t)) }},
		{"chain-blind", func(t *testing.T) *world { t.Helper(); return writeChain(blind(t)) }},
		{"volumes", func(t *testing.T) *world { t.Helper(); return writeVolumes(newLocation(t)) }},
		{"volumes-sealed", func(t *testing.T) *world { t.Helper(); return writeVolumes(sealed(t)) }},
		{"copied", func(t *testing.T) *world { t.Helper(); return writeCopied(newLocation(t)) }},
		{"copied-sealed", func(t *testing.T) *world { t.Helper(); return writeCopied(sealed(t)) }},
	}
}

// newLocation is a world whose location has its marker, and the file of its owner.
func newLocation(t *testing.T) *world {
	t.Helper()
	w := newWorld(t)
	w.open()
	return w
}

// open makes the place a location, in which the cluster owns its part.
func (w *world) open() {
	w.t.Helper()
	_, err := w.location().Open(w.t.Context(), "")
	check(w.t, err)
	check(w.t, w.location().TakeOwner(w.t.Context(), clusterID, nonce))
}

// writePlain writes two backups, the second one of a cluster that has changed.
func writePlain(t *testing.T) *world {
	t.Helper()
	w := newLocation(t)
	w.mustBackup("nightly", archive.Fastest)
	w.cluster.Put(t, configMaps, "shop", "settings", `{"data":{"greeting":"haere mai"}}`)
	w.cluster.Remove(configMaps, "shop-data", "part-3")
	w.mustBackup("later", archive.Fastest)
	w.restore(backupID("later"), "written", nil)
	return w
}

func writeCompressed(t *testing.T, level archive.Compression) *world {
	t.Helper()
	w := newLocation(t)
	w.mustBackup("nightly", level)
	return w
}

// writeIncomplete writes a backup from which the data of a volume is missing, with a report that says so.
func writeIncomplete(t *testing.T) *world {
	t.Helper()
	w := newLocation(t)
	w.claim()
	w.mustBackup("nightly", archive.Fastest)
	return w
}

// writeSealed writes an encrypted backup for two recipients, of which one is post-quantum, from which something is missing.
func writeSealed(t *testing.T) *world {
	t.Helper()
	w := sealed(t)
	w.claim()
	w.mustBackup("nightly", archive.Fastest)
	return w
}

// writeInterrupted leaves a backup that was killed when it had copied some kinds.
func writeInterrupted(w *world) *world {
	w.t.Helper()
	ctx, kill := context.WithCancel(w.t.Context())
	defer kill()
	files := &killing{Store: w.files, kill: kill}
	use, request := w.backup("nightly", archive.Fastest)
	use.CheckpointEvery = -1
	if _, err := use.Run(ctx, request, files); !errors.Is(err, errKilled) && ctx.Err() == nil {
		w.t.Fatalf("it was not killed: %v", err)
	}
	return w
}

// writeResumed writes a backup of two attempts.
func writeResumed(t *testing.T) *world {
	t.Helper()
	w := writeInterrupted(newLocation(t))
	w.resume("nightly")
	return w
}

var errKilled = errors.New("killed")

// killing is a store whose user is killed when it writes its fourth checkpoint.
type killing struct {
	*store.Store

	kill   func()
	points int
	dead   bool
}

func (k *killing) Create(ctx context.Context, name string) (core.FileWriter, error) {
	if strings.Contains(name, "/checkpoint-") {
		k.points++
	}
	if k.points > 3 || k.dead {
		k.dead = true
		k.kill()
		return nil, errKilled
	}
	return k.Store.Create(ctx, name)
}

func (k *killing) Remove(ctx context.Context, name string) error {
	if k.dead {
		return errKilled
	}
	return k.Store.Remove(ctx, name)
}

// mustBackup makes a backup.
func (w *world) mustBackup(name string, level archive.Compression) {
	w.t.Helper()
	use, request := w.backup(name, level)
	_, err := use.Run(w.t.Context(), request, w.files)
	check(w.t, err)
}

// resume goes on with a backup that was interrupted.
func (w *world) resume(name string) backup.Result {
	w.t.Helper()
	use, request := w.backup(name, archive.Fastest)
	request.Earlier, request.Attempt = []string{request.Attempt}, "second"+name
	result, err := use.Run(w.t.Context(), request, w.files)
	check(w.t, err)
	return result
}

// TestWriteGeneration writes a new generation, and never over one that is there.
func TestWriteGeneration(t *testing.T) {
	if *write == "" {
		t.Skip("writes a new generation, with -write NAME only")
	}
	folder := filepath.Join(generations, *write)
	if err := os.Mkdir(folder, 0o750); err != nil {
		t.Fatalf("a generation is written once: %v", err)
	}
	for _, golden := range cases() {
		t.Run(golden.name, func(t *testing.T) {
			golden.write(t).save(filepath.Join(folder, golden.name))
			t.Logf("%s: add %q to written()", *write, golden.name)
		})
	}
}

// save writes a location into a folder, with its keys and with what is to be read from it.
func (w *world) save(folder string) {
	w.t.Helper()
	for _, name := range w.names() {
		w.saveFile(filepath.Join(folder, locationFolder, filepath.FromSlash(name)), w.content(name))
	}
	if w.signing != nil {
		key, err := w.signing.Encode()
		check(w.t, err)
		w.saveFile(filepath.Join(folder, signingFile), key)
		w.saveFile(filepath.Join(folder, identityFile), []byte(strings.Join(w.secretTexts, "\n")+"\n"))
	}
	content, err := json.MarshalIndent(load(w.t, folder).read(), "", " ")
	check(w.t, err)
	w.saveFile(filepath.Join(folder, expectedFile), append(content, '\n'))
}

func (w *world) saveFile(path string, content []byte) {
	w.t.Helper()
	check(w.t, os.MkdirAll(filepath.Dir(path), 0o750))
	check(w.t, os.WriteFile(path, content, 0o600))
}
