package backup

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/archive"
	"github.com/soda-cdm/kahu/internal/core/increment"
	"github.com/soda-cdm/kahu/internal/engine"
)

// Increment says on what a backup may build. The zero value makes a full one.
type Increment struct {
	// Wish is what is asked for, Candidates are the backups that may be the base.
	Wish       increment.Wish
	Candidates []increment.Candidate
	// Owned tells whether this cluster's part of the location was last claimed by this cluster. It must be there where
	// there are candidates.
	Owned func(ctx context.Context) (bool, error)
}

// base is the backup on which a run builds.
type base struct {
	manifest archive.Manifest
	kinds    map[schema.GroupResource]archive.IndexedKind
	segments map[string]archive.File
	contents *engine.Contents // nil where this cluster cannot read the base, and compares all the same
	past     past             // set by holdBase

	mu       sync.Mutex
	referred map[string]archive.File // the segments to which records point; guarded by mu
}

// chooseBase decides what the run builds on, by what the store says of the candidates. A run that is gone on with keeps
// its base, or has none.
func (r *run) chooseBase(ctx context.Context) error {
	wish := r.request.Increment
	r.choice = increment.Choose(wish.Wish, wish.Candidates)
	if wish.Wish.Mode == "" || wish.Wish.Mode == increment.Full {
		return nil
	}
	earlier, uses, err := r.earlierBase(ctx)
	if err != nil {
		return err
	}
	r.uses = uses
	if earlier != nil {
		r.choice = keepBase(r.choice, wish, *earlier)
		r.intentBase = earlier
	}
	if len(r.choice.Bases) == 0 {
		return nil
	}
	if refused, err := r.refusesBases(ctx); err != nil || refused {
		return err
	}
	return r.tryBases(ctx)
}

// tryBases makes the first candidate that can be the base the base. Where there is none, the run is full, because of what is
// the matter with the best one.
func (r *run) tryBases(ctx context.Context) error {
	var first increment.Choice
	for _, candidate := range r.choice.Bases {
		refusal, err := r.tryBase(ctx, candidate)
		if err != nil {
			return fmt.Errorf("reading the manifest of backup %s: %w", candidate.ID.Name, err)
		}
		if refusal.Reason == "" {
			return nil
		}
		r.Note(core.Key{}, "NoBase", refusal.Message)
		if first.Reason == "" {
			first = refusal
		}
	}
	r.choice = first
	return nil
}

// keepBase returns the choice of a run that an earlier attempt began with a base.
func keepBase(choice increment.Choice, wish Increment, earlier archive.BackupID) increment.Choice {
	for _, candidate := range wish.Candidates {
		if candidate.ID != earlier {
			continue
		}
		mode := increment.Incremental
		if wish.Wish.Mode == increment.Differential {
			mode = increment.Differential
		}
		return increment.Choice{Mode: mode, Bases: []increment.Candidate{candidate}}
	}
	if len(choice.Bases) == 0 {
		return choice
	}
	return increment.Refuse(increment.BaseGone, "backup %s, on which the interrupted attempt built, is no base any more", earlier.Name)
}

// earlierBase returns the base of the interrupted attempts, and the attempts whose segments they use.
func (r *run) earlierBase(ctx context.Context) (*archive.BackupID, []string, error) {
	var found *archive.BackupID
	uses := map[string]bool{}
	for i, attempt := range r.request.Earlier {
		if i == 0 {
			attempt = ""
		}
		intent, err := r.readIntent(ctx, r.request.ID.IntentNameOf(attempt))
		if err != nil {
			return nil, nil, fmt.Errorf("reading the intent of an earlier attempt: %w", err)
		}
		if intent.Base != nil {
			found = intent.Base
		}
		for _, use := range intent.Uses {
			uses[use] = true
		}
	}
	return found, slices.Sorted(maps.Keys(uses)), nil
}

// readIntent returns an intent, an empty one where there is none that can be read.
func (r *run) readIntent(ctx context.Context, name string) (archive.Intent, error) {
	content, err := engine.ReadSmall(ctx, r.files, name)
	if err == nil {
		var intent archive.Intent
		if intent, err = archive.DecodeIntent(bytes.NewReader(content)); err == nil {
			return intent, nil
		}
	}
	if errors.Is(err, core.ErrNotFound) || errors.Is(err, core.ErrCorrupt) {
		err = nil
	}
	return archive.Intent{}, err
}

// refusesBases tells whether nothing at the location can be a base.
func (r *run) refusesBases(ctx context.Context) (bool, error) {
	owned, err := r.request.Increment.Owned(ctx)
	if err != nil {
		return false, fmt.Errorf("looking for the owner: %w", err)
	}
	if !owned {
		r.choice = increment.Refuse(increment.OwnerChanged, "somebody else has written at the location in the name of this cluster")
		return true, nil
	}
	// What others need is found by listing: where that cannot be done, the segments of a base are not safe.
	err = r.files.List(ctx, r.request.ID.Folder(), func(core.FileInfo) error { return nil })
	if errors.Is(err, core.ErrUnsupported) {
		r.choice = increment.Refuse(increment.Unlistable, "the location's driver cannot list files, which keeps the segments of a base safe")
		return true, nil
	}
	return false, err
}

// tryBase makes a candidate the base of the run, or says why it cannot be.
func (r *run) tryBase(ctx context.Context, candidate increment.Candidate) (increment.Choice, error) {
	manifest, err := engine.ReadManifest(ctx, r.files, candidate.ID)
	if err != nil {
		return unreadable(candidate.ID, err)
	}
	if reason, message := increment.Judge(r.identity(), candidate, &manifest); reason != "" {
		return increment.Refuse(reason, "%s", message), nil
	}
	uses, refusal := r.usesWith(&manifest)
	if refusal.Reason != "" {
		return refusal, nil
	}
	contents, err := r.baseContents(ctx, &manifest)
	if isKeyNeeded(err) {
		if refusal := r.refuseComparison(&manifest, err); refusal.Reason != "" {
			return refusal, nil
		}
	} else if err != nil {
		return unreadable(candidate.ID, err)
	}
	made := &base{
		manifest: manifest, contents: contents, kinds: map[schema.GroupResource]archive.IndexedKind{},
		segments: map[string]archive.File{}, referred: map[string]archive.File{},
	}
	for _, kind := range manifest.Kinds {
		made.kinds[kind.Kind.GroupResource()] = kind
	}
	for _, segment := range manifest.Segments {
		made.segments[segment.Name] = segment
	}
	r.base, r.intentBase = made, &made.manifest.ID
	r.uses = uses
	return increment.Choice{}, nil
}

// usesWith returns the attempts of whose segments the run may name some when the base is this one, or why they are too many for
// an intent.
func (r *run) usesWith(manifest *archive.Manifest) ([]string, increment.Choice) {
	uses := slices.Compact(slices.Sorted(slices.Values(append(slices.Clone(r.uses), manifest.Attempts()...))))
	if len(uses) > archive.MaxUses {
		return nil, increment.Refuse(increment.TooManySegments, "backup %s refers to segments of %s, with those of the attempts that were interrupted",
			manifest.ID.Name, core.Count(int64(len(uses)), "attempt"))
	}
	return uses, increment.Choice{}
}

func (r *run) identity() increment.Run {
	identity := increment.Run{ID: r.request.ID, LocationID: r.request.LocationID, Signer: r.signer()}
	if r.request.Sealing != nil {
		identity.Epoch = r.request.Sealing.Epoch.ID()
	}
	return identity
}

// baseContents reads the files of the base.
func (r *run) baseContents(ctx context.Context, manifest *archive.Manifest) (*engine.Contents, error) {
	if r.request.Sealing == nil {
		return engine.ContentsOf(ctx, r.files, nil, manifest)
	}
	return engine.ContentsOf(ctx, r.files, r.request.Sealing.Keys, manifest)
}

// unreadable says what it means that a candidate cannot be read; what may pass is an error.
func unreadable(id archive.BackupID, err error) (increment.Choice, error) {
	switch {
	case errors.Is(err, core.ErrNotFound):
		return increment.Refuse(increment.BaseGone, "backup %s is not at the location any more", id.Name), nil
	case errors.Is(err, core.ErrCorrupt), errors.Is(err, core.ErrUnsupported):
		return increment.Refuse(increment.BaseUnreadable, "backup %s cannot be read: %v", id.Name, err), nil
	}
	return increment.Choice{}, err
}

// holdBase reads what the base has, now that the intent keeps its segments from being removed: when its manifest is
// still there, nobody has begun to remove them before.
func (r *run) holdBase(ctx context.Context) error {
	if r.base == nil {
		return nil
	}
	refusal, err := r.readBase(ctx)
	if err != nil {
		return err
	}
	if refusal.Reason == "" {
		return nil
	}
	if refusal.Reason == increment.BaseUnreadable || refusal.Reason == increment.ComparisonDamaged {
		r.Warn(core.Key{}, "the backup is full, as its base is damaged: "+refusal.Message)
	}
	r.base, r.choice = nil, refusal
	return nil
}

func (r *run) readBase(ctx context.Context) (increment.Choice, error) {
	id := r.base.manifest.ID
	manifest, err := engine.ReadManifest(ctx, r.files, id)
	if err != nil {
		return unreadable(id, err)
	}
	if manifest.Attempt != r.base.manifest.Attempt || manifest.Index != r.base.manifest.Index || manifest.Encryption != r.base.manifest.Encryption {
		return increment.Refuse(increment.BaseGone, "backup %s is not the one any more that it was", id.Name), nil
	}
	missing, err := engine.MissingSegments(ctx, r.files, manifest.Segments)
	if err != nil {
		return increment.Choice{}, err
	}
	if len(missing) > 0 {
		return increment.Refuse(increment.BaseUnreadable, "backup %s lacks %s, the first is %s",
			id.Name, core.Count(int64(len(missing)), "segment"), missing[0]), nil
	}
	return r.holdPast(ctx)
}

// refer notes to which segments of earlier backups records point.
func (b *base) refer(records []archive.Record) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for i := range records {
		name := records[i].Frame.Segment
		if _, known := b.referred[name]; !known {
			b.referred[name] = b.segments[name]
		}
	}
}

// earlierFiles returns the segments of other attempts to which records point, by name.
func (r *run) earlierFiles() map[string]archive.File {
	files := maps.Clone(r.keptFiles)
	for _, file := range r.referredFiles() {
		files[file.Name] = file
	}
	return files
}

// referredFiles returns the segments of earlier backups to which records point.
func (r *run) referredFiles() []archive.File {
	if r.base == nil {
		return nil
	}
	r.base.mu.Lock()
	defer r.base.mu.Unlock()
	return slices.Collect(maps.Values(r.base.referred))
}

// increment returns what was taken over, for the manifest, once everything is written.
func (r *run) increment() archive.Increment {
	if r.base == nil {
		return archive.Increment{}
	}
	all := objects(r.indexed)
	unchanged := min(r.counts.unchanged.Load(), all)
	read := all - unchanged
	made := archive.Increment{
		Mode: string(r.choice.Mode), Base: r.base.manifest.ID,
		Unchanged: unchanged, Read: read, Written: read - min(r.counts.same.Load(), read),
	}
	for _, file := range r.written {
		if id, ok := archive.ParseSegmentName(file.Name); ok && (id.Attempt == r.request.Attempt || slices.Contains(r.request.Earlier, id.Attempt)) {
			made.WrittenBytes += file.Size
		}
	}
	return made
}
