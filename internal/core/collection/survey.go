package collection

import (
	"time"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/archive"
)

// Survey is what was found in a cluster's part of a location: first the segments, then what the manifests name, and then,
// from a listing that begins after the last manifest was read, the files of the backups and what the intents name. It
// holds a few hundred bytes for each attempt and backup, and a bit for each segment.
type Survey struct {
	clusterID string
	terms     Terms
	attempts  map[string]*attempt
	backups   map[archive.BackupID]*backup
}

// attempt is what is known of the segments of an attempt.
type attempt struct {
	there  numbers // in the store
	named  numbers // by manifests
	newest time.Time
}

// backup is what is known of one backup, or of attempts at one.
type backup struct {
	manifest  knowledge
	own       int // how many files of its folder the manifest names, itself among them
	files     int // how many there are
	newest    time.Time
	undated   bool
	attempts  []string // that intents name
	reckless  bool     // an intent says nothing of what its run uses
	attempted []string // that the intents name as the run's own
}

// knowledge is what is known of a manifest.
type knowledge int

const (
	absent knowledge = iota
	read
	unreadable
)

// Terms are what a survey is judged by. They are what they were before anything was listed: a run that begins, goes on or
// ends meanwhile must not seem to be older, or over for longer, than what was seen of it.
type Terms struct {
	// Now is the time by the store's own clock; the zero value where it is not known.
	Now time.Time
	// Grace is for how long something must not have been touched before it is removed. 0 removes at once.
	Grace time.Duration
	// Running tells whether an attempt at the backup could still make it real, as far as the cluster knew after Now.
	Running func(id archive.BackupID) bool
}

// NewSurvey returns a survey of the part of a cluster in which nothing was found yet.
func NewSurvey(clusterID string, terms Terms) *Survey {
	return &Survey{clusterID: clusterID, terms: terms, attempts: map[string]*attempt{}, backups: map[archive.BackupID]*backup{}}
}

// Segment adds a file of the folder of segments. One whose name is not that of a segment is passed over, and so is never
// removed.
func (s *Survey) Segment(file core.FileInfo) {
	id, ok := archive.ParseSegmentName(file.Name)
	if !ok || id.ClusterID != s.clusterID {
		return
	}
	of := s.attempt(id.Attempt)
	if of.there.count() == 0 || file.Modified.After(of.newest) {
		of.newest = file.Modified
	}
	of.there = of.there.with(id.Number)
}

// Attempt tells whether segments of the attempt were found.
func (s *Survey) Attempt(name string) bool { return s.attempts[name] != nil }

func (s *Survey) attempt(name string) *attempt {
	if s.attempts[name] == nil {
		s.attempts[name] = &attempt{}
	}
	return s.attempts[name]
}

func (s *Survey) backup(id archive.BackupID) *backup {
	if s.backups[id] == nil {
		s.backups[id] = &backup{}
	}
	return s.backups[id]
}

// Needs are what a manifest says of the files that its backup needs: little enough to be remembered for thousands.
type Needs struct {
	id       archive.BackupID
	own      int
	segments []needed
}

// needed are segments of one attempt.
type needed struct {
	attempt string
	numbers numbers
}

// NeedsOf returns what a manifest says.
func NeedsOf(manifest archive.Manifest) Needs {
	needs := Needs{id: manifest.ID, own: len(OwnFiles(manifest))}
	at := map[string]int{}
	for _, file := range manifest.Segments {
		id, _ := archive.ParseSegmentName(file.Name) // A manifest that was read has no other names.
		of, there := at[id.Attempt]
		if !there {
			of = len(needs.segments)
			at[id.Attempt] = of
			needs.segments = append(needs.segments, needed{attempt: id.Attempt})
		}
		needs.segments[of].numbers = needs.segments[of].numbers.with(id.Number)
	}
	return needs
}

// Manifest adds a manifest: the segments that it names, and no others, are needed by its backup.
func (s *Survey) Manifest(needs Needs) {
	of := s.backup(needs.id)
	of.manifest, of.own = read, needs.own
	for _, needed := range needs.segments {
		if found := s.attempts[needed.attempt]; found != nil {
			found.named = found.named.union(needed.numbers)
		}
	}
}

// Unreadable adds a manifest of which nobody can say what it names: damaged, or of a newer format. Its intents do.
func (s *Survey) Unreadable(id archive.BackupID) { s.backup(id).manifest = unreadable }

// File adds a file of a backup's folder. A name that does not lie in one is passed over.
func (s *Survey) File(file core.FileInfo) (id archive.BackupID, ok bool) {
	id, ok = archive.ParseBackupFile(file.Name)
	if !ok || id.ClusterID != s.clusterID {
		return archive.BackupID{}, false
	}
	of := s.backup(id)
	if of.manifest == absent && file.Name == id.ManifestName() {
		of.manifest = unreadable // It has come since the manifests were read.
	}
	of.files++
	of.undated = of.undated || file.Modified.IsZero()
	if file.Modified.After(of.newest) {
		of.newest = file.Modified
	}
	return id, true
}

// Intent adds an intent of an attempt at the backup.
func (s *Survey) Intent(id archive.BackupID, intent archive.Intent) {
	of := s.backup(id)
	of.attempts = append(of.attempts, intent.Attempts()...)
	of.attempted = append(append(of.attempted, intent.Attempt), intent.Earlier...)
	if intent.Base != nil && *intent.Base == id {
		of.attempted = append(of.attempted, intent.Uses...) // A copy sends them itself, and little else for long.
	}
}

// UnreadableIntent adds an intent of which nobody can say what its run uses, or one that went while it was looked at.
func (s *Survey) UnreadableIntent(id archive.BackupID) { s.backup(id).reckless = true }
