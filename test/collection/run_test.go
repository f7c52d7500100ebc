package collection_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"k8s.io/utils/clock"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/archive"
	"github.com/soda-cdm/kahu/internal/engine"
)

// run is an attempt at a backup. What it copies is of no interest here, and so it writes files of nonsense; their names,
// and the order in which it writes and looks, are those of the product.
type run struct {
	*worker
	record

	intent   archive.Intent
	manifest archive.Manifest
	base     []archive.File
}

var errGone = errors.New("gone")

func (r *run) do(ctx context.Context) error {
	steps := []func(ctx context.Context) error{
		r.look, r.choose, r.begin, r.lookAgain, r.copy, r.describe, r.check, r.finish,
	}
	for _, step := range steps {
		if err := step(ctx); err != nil {
			return err
		}
		if r.manifest.Complete {
			break // An earlier attempt had finished.
		}
	}
	return r.records.change(r.ID.Name, func(record *record) error {
		if record.State != processing || record.Attempt != r.Attempt {
			return errOthers
		}
		record.State, record.Finished = completed, true
		return nil
	})
}

// own returns the attempt where the names of its files bear it.
func (r *run) own() string {
	if len(r.Earlier) == 0 {
		return ""
	}
	return r.Attempt
}

// look finds out whether an earlier attempt had finished.
func (r *run) look(ctx context.Context) error {
	made, err := engine.ReadManifest(ctx, r.files, r.ID)
	if errors.Is(err, core.ErrNotFound) {
		return nil
	}
	r.manifest = made
	return err
}

// choose takes a backup that is there as the base.
func (r *run) choose(ctx context.Context) error {
	r.intent = archive.Intent{Backup: r.ID, Attempt: r.Attempt, Earlier: r.Earlier, Started: clock.RealClock{}.Now()}
	all, err := r.records.all()
	if err != nil || r.random.IntN(4) == 0 {
		return err
	}
	all = slices.DeleteFunc(all, func(each record) bool { return each.State != completed })
	if len(all) == 0 {
		return nil
	}
	base := all[r.random.IntN(len(all))].ID
	manifest, err := engine.ReadManifest(ctx, r.files, base)
	if errors.Is(err, core.ErrNotFound) {
		return nil
	}
	if err != nil || len(manifest.Attempts()) > archive.MaxUses {
		return err
	}
	r.intent.Base, r.intent.Uses, r.base = &base, manifest.Attempts(), manifest.Segments
	return nil
}

func (r *run) begin(ctx context.Context) error {
	content, err := archive.EncodeIntent(r.intent)
	if err != nil {
		return err
	}
	name := r.ID.IntentNameOf(r.own())
	r.manifest.Intent = fileOf(name, content)
	return r.write(ctx, name, content)
}

// lookAgain leaves the base where it is gone.
func (r *run) lookAgain(ctx context.Context) error {
	if r.intent.Base == nil {
		return nil
	}
	_, err := engine.ReadManifest(ctx, r.files, *r.intent.Base)
	if errors.Is(err, core.ErrNotFound) {
		r.base = nil
		return nil
	}
	return err
}

// copy writes segments, and takes over some of the base and of earlier attempts.
func (r *run) copy(ctx context.Context) error {
	for _, file := range r.base {
		if r.random.IntN(3) > 0 {
			r.manifest.Segments = append(r.manifest.Segments, file)
		}
	}
	for _, earlier := range r.Earlier {
		err := r.files.List(ctx, archive.SegmentPrefix(clusterID, earlier), func(file core.FileInfo) error {
			content, err := engine.ReadSmall(ctx, r.files, file.Name)
			r.manifest.Segments = append(r.manifest.Segments, fileOf(file.Name, content))
			return err
		})
		if err != nil {
			return err
		}
	}
	for number := range 1 + r.random.IntN(4) {
		content := fmt.Appendf(nil, "segment %d of attempt %s", number, r.Attempt)
		name := archive.SegmentID{ClusterID: clusterID, Attempt: r.Attempt, Number: number + 1}.Name()
		if err := r.write(ctx, name, content); err != nil {
			return err
		}
		r.manifest.Segments = append(r.manifest.Segments, fileOf(name, content))
	}
	return nil
}

// describe writes what stands for index and report.
func (r *run) describe(ctx context.Context) error {
	index, report := r.ID.IndexNameOf(r.own()), r.ID.ReportNameOf(r.own())
	r.manifest.Index, r.manifest.Report = fileOf(index, []byte("index")), fileOf(report, []byte("report"))
	return errors.Join(r.write(ctx, index, []byte("index")), r.write(ctx, report, []byte("report")))
}

// check looks whether all segments are there.
func (r *run) check(ctx context.Context) error {
	there := map[string]bool{}
	err := r.files.List(ctx, archive.SegmentsFolder(clusterID), func(file core.FileInfo) error {
		there[file.Name] = true
		return nil
	})
	for _, file := range r.manifest.Segments {
		if !there[file.Name] {
			err = errors.Join(err, fmt.Errorf("segment %s: %w", file.Name, errGone))
		}
	}
	return err
}

// manifestTime is how long an attempt may still write its manifest after it asked whether it is wanted.
const manifestTime = 300 * time.Millisecond

func (r *run) finish(ctx context.Context) error {
	r.manifest.ID, r.manifest.Attempt, r.manifest.LocationID = r.ID, r.Attempt, locationID
	r.manifest.Started, r.manifest.Completed, r.manifest.Complete = r.intent.Started, clock.RealClock{}.Now(), true
	r.manifest.Backup = []byte("{}")
	for _, file := range r.manifest.Segments {
		r.manifest.Sizes.Segments += file.Size
	}
	content, err := archive.EncodeManifest(r.manifest)
	if err != nil {
		return err
	}
	if r.LongestDoubt > 0 {
		time.Sleep(time.Duration(r.random.Int64N(int64(r.LongestDoubt)))) //nolint:forbidigo // So that others come in between.
	}
	ctx, cancel := context.WithTimeout(ctx, manifestTime)
	defer cancel()
	found, err := r.records.read(r.ID.Name)
	if err != nil || found.State != processing || found.Attempt != r.Attempt {
		return errors.Join(err, errOthers)
	}
	if _, err := engine.ReadSmall(ctx, r.files, r.manifest.Intent.Name); err != nil {
		return err
	}
	return r.write(ctx, r.ID.ManifestName(), content)
}

func (r *run) write(ctx context.Context, name string, content []byte) error {
	writer, err := r.files.Create(ctx, name)
	if err != nil {
		return err
	}
	defer writer.Abort()
	if _, err := bytes.NewReader(content).WriteTo(writer); err != nil {
		return err
	}
	return writer.Commit()
}

func fileOf(name string, content []byte) archive.File {
	return archive.File{Name: name, Size: int64(len(content)), Digest: archive.DigestOf(content)}
}
