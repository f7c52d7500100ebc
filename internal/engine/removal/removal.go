package removal

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/archive"
	"github.com/soda-cdm/kahu/internal/core/collection"
	"github.com/soda-cdm/kahu/internal/engine"
)

// Files is what deleting a backup asks of a store.
type Files interface {
	engine.ListedFiles
	engine.FileRemover
}

// Deletion removes backups.
type Deletion struct {
	// Memory may be nil.
	Memory *Memory
	// Owned returns an error unless the place is the one that it should be and this process claimed this cluster's part of it
	// last. It is asked again and again while files are removed: see engine.Remover, of which Window is the bound. Nil asks
	// nobody.
	Owned  func(ctx context.Context) error
	Window time.Duration
}

// Delete removes a backup from a store. The manifest goes first: from then on the backup does not exist, whatever else is
// still there, and the intents go last, so that a deletion that was interrupted finds what remains. Of its segments those
// stay that another manifest names, or that a run under way may come to name: a Collection removes them when nobody does
// any more. That something is gone already is no error. The attempts, where they are known, name files that neither
// manifest nor intents tell of. A manifest of a newer format gives an error and nothing is removed, as only a newer release
// knows what belongs to it, and to whom else.
func (d *Deletion) Delete(ctx context.Context, files Files, id archive.BackupID, attempts ...string) error {
	if err := id.Check(); err != nil {
		return err
	}
	traces, err := findTraces(ctx, files, id, attempts)
	if err != nil {
		return fmt.Errorf("finding the files of backup %s: %w", id, err)
	}
	remover := d.remover(files)
	if _, err := remover.Remove(ctx, []string{id.ManifestName()}); err != nil {
		return err
	}
	// Not before the manifest is gone: until then somebody may begin to build on it.
	free, err := unshared(ctx, files, d.Memory, id, traces)
	switch {
	case err == nil:
		traces.segments = free
	case !errors.Is(err, core.ErrUnsupported): // Where nobody can list nobody shares.
		return fmt.Errorf("finding out who else needs the segments of backup %s: %w", id, err)
	}
	_, err = remover.Remove(ctx, traces.inOrder(id))
	return err
}

func (d *Deletion) remover(files engine.FileRemover) *engine.Remover {
	return &engine.Remover{Files: files, Owned: d.Owned, Window: d.Window}
}

// Delete is what a Deletion does that remembers nothing and asks nobody.
func Delete(ctx context.Context, files Files, id archive.BackupID, attempts ...string) error {
	return (&Deletion{}).Delete(ctx, files, id, attempts...)
}

// Erase removes what the attempts at a backup left that never was whole: nobody can have built on it, and nobody is asked.
// Otherwise it is Delete.
func (d *Deletion) Erase(ctx context.Context, files Files, id archive.BackupID, attempts ...string) error {
	if err := id.Check(); err != nil {
		return err
	}
	traces, err := findTraces(ctx, files, id, attempts)
	if err != nil {
		return fmt.Errorf("finding the files of backup %s: %w", id, err)
	}
	_, err = d.remover(files).Remove(ctx, traces.inOrder(id))
	return err
}

// Erase is what a Deletion does that asks nobody: a run that has failed removes what is its own alone.
func Erase(ctx context.Context, files Files, id archive.BackupID, attempts ...string) error {
	return (&Deletion{}).Erase(ctx, files, id, attempts...)
}

// inOrder returns everything in the order in which it is removed.
func (t *traces) inOrder(id archive.BackupID) []string {
	names := append([]string{id.ManifestName()}, t.segments...)
	// The manifest a second time: a run that does not know yet that it was given up may have written it just now.
	names = append(append(names, t.others...), id.ManifestName())
	return append(names, t.intents...)
}

// Sweep removes what the attempts at a backup left besides the files that its manifest names, which were checked to be
// all that it needs. The intent of the attempt that won stays with the backup.
func Sweep(ctx context.Context, files Files, manifest archive.Manifest, attempts ...string) error {
	traces, err := findTraces(ctx, files, manifest.ID, attempts)
	if err != nil {
		return fmt.Errorf("finding what is left of the attempts at backup %s: %w", manifest.ID, err)
	}
	names := slices.Concat(traces.segments, traces.others, traces.intents)
	return removeAll(ctx, files, withoutNamed(names, manifest))
}

// Discard removes what one attempt at a backup left in a store when its run was over, and nothing of any other, nor
// anything that a manifest names.
func Discard(ctx context.Context, files Files, id archive.BackupID, attempt string) error {
	if err := id.Check(); err != nil {
		return err
	}
	traces := traces{}
	if err := traces.addAttempt(ctx, files, id, attempt); err != nil {
		return fmt.Errorf("finding the files of attempt %s: %w", attempt, err)
	}
	intent, err := readIntent(ctx, files, id.IntentName())
	if err != nil {
		return fmt.Errorf("reading the intent of backup %s: %w", id, err)
	}
	// Without an intent the files of the first attempt are nobody's, whoever has removed it.
	if intent.Attempt == attempt || intent.Attempt == "" {
		traces.others = append(traces.others, id.IndexName(), id.ReportName(), id.DetailsNameOf(""), id.ComparisonNameOf(""))
		traces.intents = append(traces.intents, id.IntentName())
	}
	names := slices.Concat(traces.segments, traces.others, traces.intents)
	manifest, err := engine.ReadManifest(ctx, files, id)
	switch {
	case err == nil:
		names = withoutNamed(names, manifest)
	case !errors.Is(err, core.ErrNotFound) && !errors.Is(err, core.ErrCorrupt):
		return err
	}
	return removeAll(ctx, files, names)
}

// withoutNamed returns the names that do not belong to the backup.
func withoutNamed(names []string, manifest archive.Manifest) []string {
	named := map[string]bool{}
	for _, file := range manifest.Files() {
		named[file.Name] = true
	}
	for _, name := range collection.OwnFiles(manifest) {
		named[name] = true
	}
	return slices.DeleteFunc(names, func(name string) bool { return named[name] })
}

func removeAll(ctx context.Context, files engine.FileRemover, names []string) error {
	_, err := (&engine.Remover{Files: files}).Remove(ctx, names)
	return err
}

// traces are the names of the files that attempts at a backup may have left, but the manifest.
type traces struct {
	// attempts are those that are known.
	attempts []string
	// segments are in the order in which they are removed: the last ones first. What an interruption leaves then begins
	// with number 1, where a store that cannot list is looked through.
	segments []string
	others   []string
	// intents are in the order in which they are removed: the first attempt's last.
	intents []string
}

// findTraces finds what the attempts, and those that intents and manifest tell of, have left.
func findTraces(ctx context.Context, files Files, id archive.BackupID, attempts []string) (traces, error) {
	folder, err := listFolder(ctx, files, id)
	if err != nil {
		return traces{}, err
	}
	known, err := knownAttempts(ctx, files, id, folder, attempts)
	if err != nil {
		return traces{}, err
	}
	found := traces{attempts: known, others: []string{id.IndexName(), id.ReportName(), id.DetailsNameOf(""), id.ComparisonNameOf("")}}
	for _, attempt := range known {
		if err := found.addAttempt(ctx, files, id, attempt); err != nil {
			return traces{}, err
		}
	}
	for _, name := range folder {
		if id.IsIntent(name) {
			found.intents = append(found.intents, name)
		} else if name != id.ManifestName() {
			found.others = append(found.others, name)
		}
	}
	return found.distinct(id), nil
}

// knownAttempts returns the attempts, and those that intents and manifest tell of.
func knownAttempts(
	ctx context.Context, files Files, id archive.BackupID, folder, attempts []string,
) ([]string, error) {
	known := map[string]bool{}
	for _, attempt := range attempts {
		known[attempt] = true
	}
	if err := manifestAttempt(ctx, files, id, known); err != nil {
		return nil, err
	}
	intents := append(slices.Clone(folder), id.IntentName())
	for attempt := range known {
		intents = append(intents, id.IntentNameOf(attempt))
	}
	for _, name := range slices.Compact(slices.Sorted(slices.Values(intents))) {
		if err := intentAttempts(ctx, files, id, name, known); err != nil {
			return nil, err
		}
	}
	delete(known, "")
	return slices.Sorted(maps.Keys(known)), nil
}

// distinct returns each name once.
func (t *traces) distinct(id archive.BackupID) traces {
	intents := slices.DeleteFunc(slices.Compact(slices.Sorted(slices.Values(t.intents))), func(name string) bool {
		return name == id.IntentName()
	})
	return traces{
		attempts: t.attempts,
		segments: t.segments,
		others:   slices.Compact(slices.Sorted(slices.Values(t.others))),
		intents:  append(intents, id.IntentName()),
	}
}

// listFolder returns what is in the backup's folder, and nothing where the store cannot list.
func listFolder(ctx context.Context, files engine.FileLister, id archive.BackupID) ([]string, error) {
	var names []string
	err := files.List(ctx, id.Folder(), func(file core.FileInfo) error {
		names = append(names, file.Name)
		return nil
	})
	if errors.Is(err, core.ErrUnsupported) {
		return nil, nil
	}
	return names, err
}

// addAttempt adds the files that bear the attempt's name.
func (t *traces) addAttempt(ctx context.Context, files Files, id archive.BackupID, attempt string) error {
	segments, err := listSegments(ctx, files, id.ClusterID, attempt)
	if err != nil {
		return err
	}
	slices.Reverse(segments)
	t.segments = append(t.segments, segments...)
	checkpoints, err := engine.FindCheckpoints(ctx, files, id, []string{attempt})
	if err != nil {
		return err
	}
	for _, checkpoint := range checkpoints {
		t.others = append(t.others, checkpoint.Name)
	}
	t.others = append(t.others, id.IndexNameOf(attempt), id.ReportNameOf(attempt), id.DetailsNameOf(attempt), id.ComparisonNameOf(attempt))
	t.intents = append(t.intents, id.IntentNameOf(attempt))
	return nil
}

// listSegments returns the segments of an attempt.
func listSegments(ctx context.Context, files Files, clusterID, attempt string) ([]string, error) {
	var segments []string
	err := files.List(ctx, archive.SegmentPrefix(clusterID, attempt), func(file core.FileInfo) error {
		segments = append(segments, file.Name)
		return nil
	})
	if !errors.Is(err, core.ErrUnsupported) {
		return segments, err
	}
	return engine.Probe(ctx, files, func(number int) string {
		return archive.SegmentID{ClusterID: clusterID, Attempt: attempt, Number: number}.Name()
	})
}

// intentAttempts adds the attempts that an intent names, if the file is one. An intent that cannot be read names none.
func intentAttempts(
	ctx context.Context, files engine.FileReader, id archive.BackupID, name string, attempts map[string]bool,
) error {
	if !id.IsIntent(name) {
		return nil
	}
	intent, err := readIntent(ctx, files, name)
	attempts[intent.Attempt] = true
	for _, earlier := range intent.Earlier {
		attempts[earlier] = true
	}
	return err
}

// readIntent returns an intent, which is empty where there is none, or none that can be read.
func readIntent(ctx context.Context, files engine.FileReader, name string) (archive.Intent, error) {
	content, err := engine.ReadSmall(ctx, files, name)
	if errors.Is(err, core.ErrNotFound) || errors.Is(err, core.ErrCorrupt) {
		return archive.Intent{}, nil
	}
	if err != nil {
		return archive.Intent{}, err
	}
	intent, err := archive.DecodeIntent(bytes.NewReader(content))
	if err != nil {
		return archive.Intent{}, nil //nolint:nilerr // An intent that cannot be read tells of nothing.
	}
	return intent, nil
}

// manifestAttempt adds the attempt that the manifest names. One that is gone or damaged names none.
func manifestAttempt(ctx context.Context, files engine.FileReader, id archive.BackupID, attempts map[string]bool) error {
	manifest, err := engine.ReadManifest(ctx, files, id)
	if errors.Is(err, core.ErrNotFound) || errors.Is(err, core.ErrCorrupt) {
		return nil
	}
	if err != nil {
		return err
	}
	attempts[manifest.Attempt] = true
	return nil
}
