package collection_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"k8s.io/utils/clock"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/archive"
	"github.com/soda-cdm/kahu/internal/engine/removal"
	"github.com/soda-cdm/kahu/internal/store"
	"github.com/soda-cdm/kahu/providers/filesystem"
)

const (
	clusterID  = "11111111-2222-3333-4444-555555555555"
	locationID = "location"
)

// orders are what a worker is told.
type orders struct {
	Seed    uint64        `json:"seed"`
	Store   string        `json:"store"`
	Records string        `json:"records"`
	Grace   time.Duration `json:"grace"`
	// Last: collect once, and end.
	Last bool `json:"last"`
	// WithoutIntents: deletions and collections do not see intents.
	WithoutIntents bool `json:"withoutIntents"`
	// LongestPause is before a call to the store, LongestDoubt before a manifest is made real.
	LongestPause time.Duration `json:"longestPause"`
	LongestDoubt time.Duration `json:"longestDoubt"`
}

// worker does one thing after the other at random.
type worker struct {
	orders

	random  *rand.Rand
	records records
	files   *files
	memory  removal.Memory
}

func work(its orders) error {
	random := rand.New(rand.NewPCG(its.Seed, 3))
	driver := filesystem.New(filesystem.Options{Root: its.Store, Now: clock.RealClock{}.Now})
	w := &worker{
		orders: its, random: random, records: records{folder: its.Records},
		files: &files{Store: store.New(driver, store.Options{}), random: random, longest: its.LongestPause},
	}
	ctx := context.Background() //nolint:forbidigo // It is a main.
	if its.Last {
		return w.collect(ctx)
	}
	for {
		if err := w.one(ctx); err != nil {
			return err
		}
	}
}

// one does one thing.
func (w *worker) one(ctx context.Context) error {
	all, err := w.records.all()
	if err != nil {
		return err
	}
	var at record
	if len(all) > 0 {
		at = all[w.random.IntN(len(all))]
	}
	switch dice := w.random.IntN(10); {
	case dice < 3 && len(all) < 30:
		return w.begin(ctx)
	case dice < 5:
		return w.collect(ctx)
	case at.State == completed && dice < 8:
		return w.remove(ctx, at)
	case at.State != completed && at.State != "":
		return w.recover(ctx, at)
	}
	return nil
}

// begin makes a new backup.
func (w *worker) begin(ctx context.Context) error {
	name := fmt.Sprintf("b%08x", w.random.Uint32())
	made := record{
		ID: archive.BackupID{ClusterID: clusterID, Name: name, UID: "u-" + name}, State: processing, Attempt: w.attempt(),
	}
	letGo, ok := w.records.hold(name)
	if !ok {
		return nil
	}
	defer letGo()
	if err := w.records.change(name, func(record *record) error { *record = made; return nil }); err != nil {
		return err
	}
	return w.run(ctx, made)
}

func (w *worker) attempt() string { return fmt.Sprintf("a%016x", w.random.Uint64()) }

// run makes a backup real, or gives it up.
func (w *worker) run(ctx context.Context, its record) error {
	run := &run{worker: w, record: its}
	err := run.do(ctx)
	if err == nil {
		w.records.tell("backup")
		return nil
	}
	w.records.tell("failed " + err.Error())
	err = w.records.change(its.ID.Name, func(record *record) error {
		if record.State != processing || record.Attempt != its.Attempt {
			return errOthers
		}
		record.State = deleting
		return nil
	})
	if errors.Is(err, errOthers) {
		return removal.Discard(ctx, w.seen(), its.ID, its.Attempt)
	}
	if err != nil {
		return err
	}
	return w.finishRemoval(ctx, its)
}

// remove deletes a backup, or forgets it and leaves it in the store.
func (w *worker) remove(ctx context.Context, its record) error {
	letGo, ok := w.records.hold(its.ID.Name)
	if !ok {
		return nil
	}
	defer letGo()
	forgotten := w.random.IntN(20) == 0
	err := w.records.change(its.ID.Name, func(record *record) error {
		if record.State != completed {
			return errOthers
		}
		record.State = deleting
		if forgotten {
			record.State = ""
		}
		return nil
	})
	if errors.Is(err, errOthers) || forgotten {
		return nil
	}
	if err != nil {
		return err
	}
	return w.finishRemoval(ctx, its)
}

func (w *worker) finishRemoval(ctx context.Context, its record) error {
	var err error
	if its.Finished {
		err = (&removal.Deletion{Memory: &w.memory}).Delete(ctx, w.seen(), its.ID, its.attempts()...)
	} else {
		err = removal.Erase(ctx, w.seen(), its.ID, its.attempts()...)
	}
	if err != nil {
		return err
	}
	w.records.tell("deletion")
	return w.records.change(its.ID.Name, func(record *record) error { record.State = ""; return nil })
}

// recover goes on with what a worker that died had begun, or loses its record.
func (w *worker) recover(ctx context.Context, its record) error {
	letGo, ok := w.records.hold(its.ID.Name)
	if !ok {
		return nil
	}
	defer letGo()
	now, err := w.records.read(its.ID.Name)
	if err != nil || now.State == "" || now.State == completed {
		return err
	}
	lost := w.random.IntN(4) == 0
	err = w.records.change(now.ID.Name, func(record *record) error {
		switch {
		case lost:
			record.State = ""
		case record.State == processing:
			record.Earlier, record.Attempt = append(record.Earlier, record.Attempt), w.attempt()
		}
		now = *record
		return nil
	})
	if err != nil || lost {
		return err
	}
	if now.State == deleting {
		return w.finishRemoval(ctx, now)
	}
	return w.run(ctx, now)
}

// collect collects once.
func (w *worker) collect(ctx context.Context) error {
	collection := &removal.Collection{
		ClusterID: clusterID, Grace: w.Grace, Memory: &w.memory,
		Running: func(context.Context) (func(id archive.BackupID) bool, error) {
			all, err := w.records.all()
			if err != nil {
				return nil, err
			}
			running := map[archive.BackupID]bool{}
			for _, each := range all {
				running[each.ID] = each.State != completed
			}
			return func(id archive.BackupID) bool { return running[id] }, nil
		},
		Owned: func(context.Context) error { return nil },
	}
	collected, err := collection.Run(ctx, w.seen())
	if collected.Segments+collected.Others > 0 {
		w.records.tell("collection")
	}
	if len(collected.Unknown) > 0 {
		w.records.tell("unknown")
	}
	return err
}

// seen returns the files as deletions and collections see them.
func (w *worker) seen() removal.CollectionFiles { //nolint:ireturn // What a worker is told to see.
	if w.WithoutIntents {
		return blind{w.files}
	}
	return w.files
}

// files are a store that is slow now and then.
type files struct {
	*store.Store

	random  *rand.Rand
	longest time.Duration
}

// pause waits now and then: so that others come in between.
func (f *files) pause() {
	if f.longest > 0 && f.random.IntN(4) == 0 {
		time.Sleep(time.Duration(f.random.Int64N(int64(f.longest)))) //nolint:forbidigo // To sleep is what it is for.
	}
}

func (f *files) List(ctx context.Context, prefix string, visit func(file core.FileInfo) error) error {
	f.pause()
	return f.Store.List(ctx, prefix, visit)
}

func (f *files) Remove(ctx context.Context, name string) error {
	f.pause()
	return f.Store.Remove(ctx, name)
}

func (f *files) Create(ctx context.Context, name string) (core.FileWriter, error) {
	f.pause()
	return f.Store.Create(ctx, name)
}

// blind does not see intents.
type blind struct{ *files }

func (b blind) List(ctx context.Context, prefix string, visit func(file core.FileInfo) error) error {
	return b.files.List(ctx, prefix, func(file core.FileInfo) error {
		if id, is := archive.ParseBackupFile(file.Name); is && id.IsIntent(file.Name) {
			return nil
		}
		return visit(file)
	})
}
