package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"time"

	"github.com/soda-cdm/kahu/internal/cluster"
	"github.com/soda-cdm/kahu/internal/core/archive"
	"github.com/soda-cdm/kahu/internal/engine/backup"
	"github.com/soda-cdm/kahu/internal/engine/restore"
	"github.com/soda-cdm/kahu/internal/store"
	"github.com/soda-cdm/kahu/providers/filesystem"
)

// use cases run with as much at once as the manager gives them.
const (
	listers  = 4
	packers  = 2
	creators = 16
)

// profiles runs a backup and a restore in this process, over the real adapters and a driver in the process, and writes
// their profiles of CPU and heap.
func (b *bench) profiles(ctx context.Context) error {
	if err := errors.Join(os.MkdirAll(b.profile, 0o700), os.MkdirAll(b.store(), 0o700)); err != nil {
		return err
	}
	source, err := b.prepare(ctx)
	if err != nil {
		return err
	}
	if _, err := source.post(ctx, b.population.spaces()); err != nil {
		return err
	}
	if _, err := source.post(ctx, b.population.all()); err != nil {
		return err
	}
	files := store.New(filesystem.New(filesystem.Options{Root: b.store(), Now: b.clock.Now}), store.Options{})
	id := archive.BackupID{ClusterID: "11111111-2222-3333-4444-555555555555", Name: "profiled", UID: "uid-of-profiled"}
	err = b.profiled(ctx, source, "backup", func(adapter *cluster.Client) (int64, error) {
		use := &backup.Runner{Cluster: adapter, Clock: b.clock, Listers: listers, Packers: packers, Writer: "bench"}
		result, err := use.Run(ctx, backup.Request{
			ID: id, Attempt: "profiled", LocationID: "location", ServerVersion: "v1", Object: json.RawMessage("{}"),
			Confirm: func(context.Context) error { return nil },
		}, files)
		return result.Manifest.Counts.Objects, err
	})
	if err != nil {
		return err
	}
	if err := source.end(); err != nil || b.backupOnly {
		return err
	}
	target, err := b.prepare(ctx)
	if err != nil {
		return err
	}
	return b.profiled(ctx, target, "restore", func(adapter *cluster.Client) (int64, error) {
		use := &restore.Runner{Cluster: adapter, Clock: b.clock, Creators: creators}
		result, err := use.Run(ctx, restore.Request{Backup: id}, files)
		return result.Counts.Created, err
	})
}

// profiled runs a use case with profiles.
func (b *bench) profiled(ctx context.Context, in *place, name string, run func(adapter *cluster.Client) (int64, error)) error {
	if err := in.calm(ctx); err != nil {
		return err
	}
	adapter, err := cluster.New(in.config, cluster.Options{Version: "bench"})
	if err != nil {
		return err
	}
	cpu, err := os.Create(filepath.Join(b.profile, name+"-cpu.prof")) //nolint:gosec // The caller names the folder.
	if err != nil {
		return err
	}
	defer func() { _ = cpu.Close() }() // It was written before.
	if err := pprof.StartCPUProfile(cpu); err != nil {
		return err
	}
	highest := b.watchHeap(name)
	before, began := in.processes.used(), b.clock.Now()
	objects, err := run(adapter)
	took := b.clock.Since(began)
	pprof.StopCPUProfile()
	peak := highest()
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	spent := in.processes.used()
	b.sayf("%s in this process: %d objects in %.2f s, %.0f objects/s; CPU s: bench %.2f, apiserver %.2f; heap in use %d MiB at its highest",
		name, objects, took.Seconds(), float64(objects)/took.Seconds(),
		(spent[itself] - before[itself]).Seconds(), (spent[apiServer] - before[apiServer]).Seconds(), peak>>20)
	return nil
}

// watchHeap writes a heap profile whenever the heap is a good deal larger than ever before, and tells in the end how
// large it was.
func (b *bench) watchHeap(name string) func() uint64 {
	const every, step = 50 * time.Millisecond, 8 << 20
	var highest, written uint64
	ending, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		var now runtime.MemStats
		for {
			select {
			case <-ending:
				return
			case <-b.clock.After(every):
			}
			runtime.ReadMemStats(&now)
			highest = max(highest, now.HeapInuse)
			if now.HeapInuse > written+step {
				written = now.HeapInuse
				b.writeHeap(name)
			}
		}
	}()
	return func() uint64 {
		close(ending)
		<-ended
		return highest
	}
}

func (b *bench) writeHeap(name string) {
	file, err := os.Create(filepath.Join(b.profile, name+"-heap.prof")) //nolint:gosec // The caller names the folder.
	if err != nil {
		b.sayf("no heap profile: %v", err)
		return
	}
	defer func() { _ = file.Close() }() // What is missing shows when it is read.
	if err := pprof.WriteHeapProfile(file); err != nil {
		b.sayf("no heap profile: %v", err)
	}
}
