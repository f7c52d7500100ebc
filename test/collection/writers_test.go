package collection_test

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"k8s.io/utils/clock"

	"github.com/soda-cdm/kahu/internal/core/archive"
	"github.com/soda-cdm/kahu/internal/core/copyplan"
	"github.com/soda-cdm/kahu/internal/core/increment"
	"github.com/soda-cdm/kahu/internal/engine/backup"
	"github.com/soda-cdm/kahu/internal/engine/copies"
)

// about is what a backup says of its Backup object.
type about struct {
	Age int `json:"age"`
}

// beginBackup makes a new backup.
func (w *worker) beginBackup(ctx context.Context) error {
	name, modes := w.name("b"), []increment.Mode{increment.Full, increment.Incremental, increment.Incremental, increment.Differential, increment.Auto}
	age, err := w.main.records.older()
	if err != nil {
		return err
	}
	its := record{
		ID:    archive.BackupID{ClusterID: clusterID, Name: name, UID: "uid-of-" + name},
		State: processing, Attempt: w.name("a"), Age: age, Wish: modes[w.fate.number(len(modes))], Started: clock.RealClock{}.Now(),
	}
	if err := w.main.records.change(name, func(record *record) error { *record = its; return nil }); err != nil {
		return err
	}
	return w.take(ctx, w.main, its)
}

// backup is an attempt at a backup.
func (w *worker) backup(ctx context.Context, its record) error {
	request, err := w.request(its)
	if err != nil {
		return err
	}
	if w.cluster == nil || w.cluster.age > its.Age {
		if w.cluster, err = clusterAt(ctx, w.Cluster, its.Age); err != nil {
			return err
		}
	}
	if err := w.cluster.until(ctx, its.Age); err != nil {
		return err
	}
	runner := &backup.Runner{
		Cluster: w.cluster, Clock: clock.RealClock{}, Listers: 1 + w.fate.number(3), Packers: 1 + w.fate.number(3), Writer: "test",
		CheckpointEvery: []time.Duration{-1, -1, time.Hour}[w.fate.number(3)], ManifestTime: manifestTime,
	}
	result, err := runner.Run(ctx, request, w.main.files)
	if err != nil {
		return w.failed(ctx, its, err)
	}
	w.main.records.tell("backup")
	if result.Choice.Mode != increment.Full {
		w.main.records.tell("increment")
	}
	if result.Adopted {
		w.main.records.tell("adopted")
	}
	err = w.main.records.change(its.ID.Name, func(record *record) error {
		if record.State != processing || record.Attempt != its.Attempt {
			return errOthers
		}
		record.State, record.Finished = completed, true
		record.Mode, record.Base = result.Choice.Mode, result.Manifest.Increment.Base
		return nil
	})
	if errors.Is(err, errOthers) {
		return nil // Whoever has it on record finds the manifest.
	}
	return err
}

// request is what a controller asks for.
func (w *worker) request(its record) (backup.Request, error) {
	object, err := json.Marshal(about{Age: its.Age})
	if err != nil {
		return backup.Request{}, err
	}
	candidates, err := w.candidates(its)
	if err != nil {
		return backup.Request{}, err
	}
	return backup.Request{
		ID: its.ID, Attempt: its.Attempt, Earlier: its.Earlier, Started: its.Started, LocationID: mainPlace, ServerVersion: "v1",
		Object: object, Increment: backup.Increment{
			Wish:       increment.Wish{Mode: its.Wish, Now: clock.RealClock{}.Now(), Every: increment.Every{Backups: 6}},
			Candidates: candidates, Owned: func(context.Context) (bool, error) { return true, nil },
		},
		Confirm: func(context.Context) error {
			found, err := w.main.records.read(its.ID.Name)
			if err != nil || found.State != processing || found.Attempt != its.Attempt {
				return errors.Join(err, errOthers)
			}
			w.doubt()
			return nil
		},
		GiveUp: func(context.Context, error) error {
			return w.main.records.change(its.ID.Name, func(record *record) error {
				switch {
				case record.State != processing:
					return backup.ErrOver
				case record.Attempt != its.Attempt:
					return backup.ErrSuperseded
				}
				record.State = deleting
				return nil
			})
		},
	}, nil
}

// candidates are some of the backups that can be the base.
func (w *worker) candidates(its record) ([]increment.Candidate, error) {
	all, err := w.main.records.all()
	var found []increment.Candidate
	for _, each := range all {
		if each.State != completed || each.ID == its.ID || w.fate.number(3) == 0 {
			continue
		}
		found = append(found, increment.Candidate{
			ID: each.ID, Mode: each.Mode, Attempt: each.Attempt, Started: each.Started, Base: each.Base, Alike: true,
		})
	}
	return found, err
}

// failed puts away what is on record as failed.
func (w *worker) failed(ctx context.Context, its record, cause error) error {
	w.main.records.tell("failed " + cause.Error())
	now, err := w.main.records.read(its.ID.Name)
	if err != nil || now.State != deleting {
		return err
	}
	return w.finishRemoval(ctx, w.main, now)
}

// beginCopy has a backup copied that is not copied yet.
func (w *worker) beginCopy(ctx context.Context) error {
	all, err := w.main.records.all()
	all = slices.DeleteFunc(all, func(each record) bool { return each.State != completed })
	if err != nil || len(all) == 0 {
		return err
	}
	its := record{ID: all[w.fate.number(len(all))].ID, State: processing, Attempt: w.name("c")}
	err = w.offsite.records.change(its.ID.Name, func(record *record) error {
		if record.State != "" {
			return errOthers
		}
		*record = its
		return nil
	})
	if errors.Is(err, errOthers) {
		return nil
	}
	if err != nil {
		return err
	}
	return w.take(ctx, w.offsite, its)
}

// copy is an attempt at a copy.
func (w *worker) copy(ctx context.Context, its record) error {
	leave, free := w.offsite.records.use()
	if !free {
		return nil // Somebody removes what it might count on.
	}
	defer leave()
	use := &copies.Copy{Clock: clock.RealClock{}, Senders: 1 + w.fate.number(3), ManifestTime: manifestTime}
	_, err := use.Run(ctx, copies.Request{
		Backup: its.ID, Attempt: its.Attempt, From: copyplan.Place{Name: mainPlace, ID: mainPlace}, To: copyplan.Place{Name: offsite, ID: offsite},
		Confirm: func(context.Context) error {
			found, err := w.offsite.records.read(its.ID.Name)
			if err != nil || found.State != processing || found.Attempt != its.Attempt || w.unwanted(its) {
				return errors.Join(err, errOthers)
			}
			w.doubt()
			return nil
		},
		Unwanted: func(context.Context) bool { return w.unwanted(its) },
	}, w.main.files, w.offsite.files)
	if err != nil {
		w.offsite.records.tell("failed " + err.Error())
		if !w.unwanted(its) {
			return nil // It is tried again.
		}
		return w.abandon(ctx, its)
	}
	w.offsite.records.tell("copy")
	err = w.offsite.records.change(its.ID.Name, func(record *record) error {
		if record.State != processing || record.Attempt != its.Attempt {
			return errOthers
		}
		record.State, record.Finished = completed, true
		return nil
	})
	if errors.Is(err, errOthers) {
		return nil
	}
	return err
}

// unwanted tells whether the backup is being deleted, so that nobody wants a copy of it.
func (w *worker) unwanted(its record) bool {
	found, err := w.main.records.read(its.ID.Name)
	return err == nil && found.State != completed
}

// abandon removes what attempts at a copy have sent.
func (w *worker) abandon(ctx context.Context, its record) error {
	use := &copies.Copy{ManifestTime: manifestTime}
	if err := use.Abandon(ctx, copies.Leaving{Backup: its.ID, Attempts: its.attempts()}, w.offsite.files); err != nil {
		return err
	}
	return w.offsite.records.change(its.ID.Name, func(record *record) error {
		if record.Attempt == its.Attempt {
			record.State = ""
		}
		return nil
	})
}
