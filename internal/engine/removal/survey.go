package removal

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/archive"
	"github.com/soda-cdm/kahu/internal/core/collection"
	"github.com/soda-cdm/kahu/internal/engine"
)

const (
	// readers is how many small files are read at once.
	readers = 8
	// maxRemembered is how many manifests a Memory holds at most: a few hundred bytes each.
	maxRemembered = 20_000
)

// Memory remembers what the manifests of a location need, which never changes: without one every deletion reads all of
// them again. It is safe for use by several at once. Its zero value is empty, and so is nil.
type Memory struct {
	mu    sync.Mutex
	needs map[core.FileInfo]collection.Needs
}

func (m *Memory) recall(file core.FileInfo) (collection.Needs, bool) {
	if m == nil || file.Modified.IsZero() {
		return collection.Needs{}, false
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	needs, there := m.needs[file]
	return needs, there
}

func (m *Memory) remember(file core.FileInfo, needs collection.Needs) {
	if m == nil || file.Modified.IsZero() {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.needs == nil || len(m.needs) >= maxRemembered {
		m.needs = map[core.FileInfo]collection.Needs{}
	}
	m.needs[file] = needs
}

// surveyor fills a survey, in the order that package collection asks for.
type surveyor struct {
	files     engine.ListedFiles
	clusterID string
	survey    *collection.Survey
	memory    *Memory
	// wanted tells of which attempts the segments are of interest; without is a backup that counts for nothing.
	wanted  func(attempt string) bool
	without archive.BackupID
}

func (s *surveyor) fill(ctx context.Context) error {
	if err := s.addSegments(ctx); err != nil {
		return fmt.Errorf("listing segments: %w", err)
	}
	if err := s.addManifests(ctx); err != nil {
		return fmt.Errorf("reading what the backups need: %w", err)
	}
	if err := s.addFolders(ctx); err != nil {
		return fmt.Errorf("reading what the runs under way need: %w", err)
	}
	return nil
}

func (s *surveyor) addSegments(ctx context.Context) error {
	return s.files.List(ctx, archive.SegmentsFolder(s.clusterID), func(file core.FileInfo) error {
		if id, is := archive.ParseSegmentName(file.Name); is && s.wanted(id.Attempt) {
			s.survey.Segment(file)
		}
		return nil
	})
}

// addManifests reads the manifests that are there now. One that is gone when it is read needs nothing.
func (s *surveyor) addManifests(ctx context.Context) error {
	var unread []core.FileInfo
	err := s.files.List(ctx, archive.BackupsFolder(s.clusterID), func(file core.FileInfo) error {
		id, is := archive.ParseManifestName(file.Name)
		if !is || id == s.without {
			return nil
		}
		if needs, known := s.memory.recall(file); known {
			s.survey.Manifest(needs)
			return nil
		}
		unread = append(unread, file)
		return nil
	})
	if err != nil {
		return err
	}
	var mu sync.Mutex
	return each(ctx, unread, func(ctx context.Context, file core.FileInfo) error {
		id, _ := archive.ParseManifestName(file.Name)
		manifest, err := engine.ReadManifest(ctx, s.files, id)
		mu.Lock()
		defer mu.Unlock()
		switch {
		case err == nil:
			needs := collection.NeedsOf(manifest)
			s.survey.Manifest(needs)
			s.memory.remember(file, needs)
		case isUnreadable(err):
			s.survey.Unreadable(id)
		case !errors.Is(err, core.ErrNotFound):
			return err
		}
		return nil
	})
}

// addFolders lists the files of all backups, and reads the intents.
func (s *surveyor) addFolders(ctx context.Context) error {
	var intents []core.FileInfo
	err := s.files.List(ctx, archive.BackupsFolder(s.clusterID), func(file core.FileInfo) error {
		id, is := archive.ParseBackupFile(file.Name)
		if !is || id == s.without {
			return nil
		}
		s.survey.File(file)
		if id.IsIntent(file.Name) {
			intents = append(intents, file)
		}
		return nil
	})
	if err != nil {
		return err
	}
	var mu sync.Mutex
	return each(ctx, intents, func(ctx context.Context, file core.FileInfo) error {
		id, _ := archive.ParseBackupFile(file.Name)
		intent, err := decodedIntent(ctx, s.files, file.Name)
		mu.Lock()
		defer mu.Unlock()
		switch {
		case err == nil:
			s.survey.Intent(id, intent)
		case isUnreadable(err) || errors.Is(err, core.ErrNotFound):
			s.survey.UnreadableIntent(id)
		default:
			return err
		}
		return nil
	})
}

// decodedIntent reads an intent.
func decodedIntent(ctx context.Context, files engine.FileReader, name string) (archive.Intent, error) {
	content, err := engine.ReadSmall(ctx, files, name)
	if err != nil {
		return archive.Intent{}, err
	}
	return archive.DecodeIntent(bytes.NewReader(content))
}

// isUnreadable tells that a file says nothing to this release, however often it is read.
func isUnreadable(err error) bool {
	return errors.Is(err, core.ErrCorrupt) || errors.Is(err, core.ErrUnsupported) || errors.Is(err, core.ErrInvalid)
}

// each does something with several files at once.
func each(ctx context.Context, files []core.FileInfo, do func(ctx context.Context, file core.FileInfo) error) error {
	workers, ctx := errgroup.WithContext(ctx)
	workers.SetLimit(readers)
	for _, file := range files {
		workers.Go(func() error { return do(ctx, file) })
	}
	return workers.Wait()
}
