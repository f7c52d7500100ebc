package collection_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"time"

	"k8s.io/utils/clock"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/archive"
	"github.com/soda-cdm/kahu/internal/engine"
	"github.com/soda-cdm/kahu/internal/engine/removal"
	"github.com/soda-cdm/kahu/internal/store"
	"github.com/soda-cdm/kahu/providers/filesystem"
)

const (
	clusterID = "11111111-2222-3333-4444-555555555555"
	// atLeast and atMost are how many backups are on record at a place.
	atLeast, atMost = 5, 25
	// takeOnce: once in so many times an attempt is taken over that lives.
	takeOnce = 20
	// idleTime is how long a worker waits that finds nothing to do.
	idleTime = 5 * time.Millisecond
	// manifestTime is how long an attempt may still write its manifest after it asked whether it is wanted.
	manifestTime = 300 * time.Millisecond
)

// The places: backups are made at the first one, and copied to the other.
const (
	mainPlace = "main"
	offsite   = "offsite"
)

// orders are what a worker is told.
type orders struct {
	Seed    uint64        `json:"seed"`
	Cluster uint64        `json:"cluster"` // the seed of its objects
	Folder  string        `json:"folder"`  // with the stores and the records of the places
	Grace   time.Duration `json:"grace"`
	// Last: collect once, and end.
	Last bool `json:"last"`
	// WithoutIntents: deletions and collections do not see intents, and nothing is copied.
	WithoutIntents bool `json:"withoutIntents"`
	// Nap is the longest of many sleeps, Doubt that between the question whether a manifest is wanted and its writing.
	Nap   time.Duration `json:"nap"`
	Doubt time.Duration `json:"doubt"`
}

// site is a place, and what is on record of what is there.
type site struct {
	name    string
	records records
	files   *files
	memory  removal.Memory
}

func siteAt(folder, name string, its *fate) *site {
	driver := filesystem.New(filesystem.Options{Root: filepath.Join(folder, name), Now: clock.RealClock{}.Now})
	return &site{
		name: name, records: records{folder: filepath.Join(folder, name+"-records")},
		files: &files{Store: store.New(driver, store.Options{Attempts: 1}), fate: its},
	}
}

// worker does one thing after the other at random.
type worker struct {
	orders

	fate    *fate
	main    *site
	offsite *site
	cluster *living
}

// work works until the worker dies.
func work(ctx context.Context, its orders) error {
	random := rand.New(rand.NewPCG(its.Seed, 3))
	w := &worker{orders: its, fate: &fate{random: random, nap: its.Nap, long: 2 * its.Grace, left: 30 + random.IntN(700)}}
	if its.Last {
		w.fate.left, w.fate.long = -1, 0
	}
	w.main, w.offsite = siteAt(its.Folder, mainPlace, w.fate), siteAt(its.Folder, offsite, w.fate)
	if its.Last {
		return errors.Join(w.collect(ctx, w.main), w.collect(ctx, w.offsite))
	}
	for {
		if err := w.one(ctx); err != nil {
			return err
		}
	}
}

// one does one thing.
func (w *worker) one(ctx context.Context) error {
	at := w.main
	if w.fate.number(3) == 0 && !w.WithoutIntents {
		at = w.offsite
	}
	all, err := at.records.all()
	if err != nil {
		return err
	}
	var chosen record
	if len(all) > 0 {
		chosen = all[w.fate.number(len(all))]
	}
	if len(all) > 0 && chosen.State == completed && w.fate.number(2) == 0 {
		chosen = slices.MaxFunc(all, func(a, b record) int { return a.Started.Compare(b.Started) }) // What others build on.
	}
	switch dice := w.fate.number(20); {
	case dice < 8 && len(all) < atMost:
		return w.begin(ctx, at)
	case dice < 11:
		return w.collect(ctx, at)
	case dice == 11 && chosen.State == processing && w.fate.number(3) == 0:
		return w.lose(at, chosen)
	case chosen.State == completed && len(all) > atLeast:
		return w.remove(ctx, at, chosen)
	case chosen.State == processing:
		return w.takeOver(ctx, at, chosen)
	case chosen.State == deleting:
		return w.finishRemoval(ctx, at, chosen)
	}
	return w.idle()
}

// idle waits a moment: there was nothing to do.
func (w *worker) idle() error {
	time.Sleep(idleTime) //nolint:forbidigo // What others do is not told.
	return nil
}

// lose loses the record of a run, as a Backup object is lost whose finalizers somebody removes. Who makes a backup is not asked;
// copies are lost when nobody makes them.
func (w *worker) lose(at *site, its record) error {
	if w.isAlive(at, its) && at == w.offsite {
		return w.idle()
	}
	at.records.tell("lost")
	return at.records.lose(its.ID.Name)
}

// isAlive tells whether somebody makes the attempt.
func (w *worker) isAlive(at *site, its record) bool {
	letGo, dead := at.records.hold(its.Attempt)
	if dead {
		letGo()
	}
	return !dead
}

func (w *worker) begin(ctx context.Context, at *site) error {
	if at == w.main {
		return w.beginBackup(ctx)
	}
	return w.beginCopy(ctx)
}

// name returns a name that nothing else has.
func (w *worker) name(prefix string) string {
	return fmt.Sprintf("%s%08x%06x", prefix, w.Seed, w.fate.number(1<<24))
}

// take begins an attempt that is on record by now.
func (w *worker) take(ctx context.Context, at *site, its record) error {
	letGo, ok := at.records.hold(its.Attempt)
	if !ok {
		return fmt.Errorf("attempt %s is somebody else's", its.Attempt)
	}
	defer letGo()
	if at == w.main {
		return w.backup(ctx, its)
	}
	return w.copy(ctx, its)
}

// takeOver goes on with what a worker that died had begun, or, now and then, one that lives. Of that one nobody knows whether it
// is about to write its manifest.
func (w *worker) takeOver(ctx context.Context, at *site, its record) error {
	alive, attempt := w.isAlive(at, its), w.name("a")
	if alive && (at == w.offsite || w.fate.number(takeOnce) > 0) {
		return w.idle()
	}
	err := at.records.change(its.ID.Name, func(record *record) error {
		if record.State != processing || record.Attempt != its.Attempt {
			return errOthers
		}
		record.Earlier, record.Attempt = append(record.Earlier, record.Attempt), attempt
		if alive {
			record.Fence = clock.RealClock{}.Now().Add(2 * manifestTime)
		}
		its = *record
		return nil
	})
	if errors.Is(err, errOthers) {
		return nil
	}
	if err != nil {
		return err
	}
	return w.take(ctx, at, its)
}

// remove deletes a backup, or forgets it and leaves it in the store.
func (w *worker) remove(ctx context.Context, at *site, its record) error {
	forgotten := w.fate.number(40) == 0
	err := at.records.change(its.ID.Name, func(record *record) error {
		if record.State != completed {
			return errOthers
		}
		record.State = deleting
		if forgotten {
			record.State = ""
		}
		its = *record
		return nil
	})
	if errors.Is(err, errOthers) || forgotten {
		return nil
	}
	if err != nil {
		return err
	}
	return w.finishRemoval(ctx, at, its)
}

// finishRemoval removes what is there of a backup, and its record.
func (w *worker) finishRemoval(ctx context.Context, at *site, its record) error {
	letGo, ok := at.records.hold(its.ID.Name)
	if !ok {
		return nil
	}
	defer letGo()
	leave, free := at.records.remove()
	if !free {
		return w.idle() // A copy may need what would be removed.
	}
	defer leave()
	if (clock.RealClock{}).Now().Before(its.Fence) {
		return w.idle()
	}
	err := w.erase(ctx, at, its)
	if errors.Is(err, errWhole) {
		return at.records.change(its.ID.Name, func(record *record) error {
			record.State, record.Finished = completed, true
			return nil
		})
	}
	if err != nil {
		return err
	}
	at.records.tell("deletion")
	return at.records.lose(its.ID.Name)
}

var errWhole = errors.New("it has its manifest")

func (w *worker) erase(ctx context.Context, at *site, its record) error {
	deletion := &removal.Deletion{Memory: &at.memory}
	if its.Finished {
		return deletion.Delete(ctx, w.seen(at), its.ID, its.attempts()...)
	}
	_, err := engine.ReadManifest(ctx, at.files, its.ID)
	if !errors.Is(err, core.ErrNotFound) {
		return errors.Join(err, errWhole)
	}
	return removal.Erase(ctx, w.seen(at), its.ID, its.attempts()...)
}

// collect collects once.
func (w *worker) collect(ctx context.Context, at *site) error {
	leave, free := at.records.remove()
	if !free {
		return w.idle() // A copy may need what would be removed.
	}
	defer leave()
	collection := &removal.Collection{
		ClusterID: clusterID, Grace: w.Grace, Memory: &at.memory, Owned: func(context.Context) error { return nil },
		Running: func(context.Context) (func(id archive.BackupID) bool, error) {
			all, err := at.records.all()
			running := slices.DeleteFunc(all, func(each record) bool { return each.State == completed })
			return func(id archive.BackupID) bool {
				return slices.ContainsFunc(running, func(each record) bool { return each.ID == id })
			}, err
		},
	}
	collected, err := collection.Run(ctx, w.seen(at))
	if collected.Segments+collected.Others > 0 {
		at.records.tell("collection")
	}
	if len(collected.Unknown) > 0 {
		at.records.tell("unknown")
	}
	return err
}

// seen returns the files as deletions and collections see them.
func (w *worker) seen(at *site) removal.CollectionFiles { //nolint:ireturn // What a worker is told to see.
	if w.WithoutIntents {
		return blind{at.files}
	}
	return at.files
}

// doubt sleeps between the question and the manifest.
func (w *worker) doubt() {
	if w.Doubt > 0 && w.fate.number(3) == 0 {
		time.Sleep(time.Duration(w.fate.number(int(w.Doubt)))) //nolint:forbidigo // So that others come in between.
	}
}
