package collection_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/archive"
	"github.com/soda-cdm/kahu/internal/core/collection"
)

const (
	clusterID = "c1"
	grace     = time.Minute
)

// faults are rules that a simulation breaks on purpose: each must be found out.
type faults struct {
	noIntents    bool // collectors do not see intents
	noSecondLook bool // runs do not look at their base again
	segmentsLast bool // collectors list the segments after the rest
}

// simulation is a store and those who work on it, step by step, in an order that a seed gives.
type simulation struct {
	faults

	random    *rand.Rand
	now       time.Time
	files     map[string]time.Time
	manifests map[archive.BackupID]archive.Manifest
	intents   map[string]archive.Intent
	living    map[archive.BackupID]bool // that a Backup object knows
	actors    []func() bool             // each makes a step, and tells whether it goes on
	next      int
	collected int // how many collections removed something
	built     int // how many manifests name segments of others
	journal   []string
}

func newSimulation(seed uint64, broken faults) *simulation {
	return &simulation{
		faults: broken, random: rand.New(rand.NewPCG(seed, 7)), now: time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC),
		files: map[string]time.Time{}, manifests: map[archive.BackupID]archive.Manifest{}, intents: map[string]archive.Intent{},
		living: map[archive.BackupID]bool{},
	}
}

// run makes steps of whoever comes, and returns what is wrong.
func (s *simulation) run(steps int) string {
	for range steps {
		s.now = s.now.Add(time.Duration(s.random.IntN(4000)) * time.Millisecond)
		if len(s.actors) < 5 && s.random.IntN(3) == 0 {
			s.begin()
		}
		if len(s.actors) == 0 {
			continue
		}
		at := s.random.IntN(len(s.actors))
		if !s.actors[at]() || s.random.IntN(60) == 0 { // It ends, or dies.
			s.actors = slices.Delete(s.actors, at, at+1)
		}
		if wrong := s.wrong(); wrong != "" {
			return wrong
		}
	}
	return ""
}

func (s *simulation) begin() {
	switch dice := s.random.IntN(6); {
	case dice < 3:
		s.actors = append(s.actors, s.backup())
	case dice < 4:
		s.actors = append(s.actors, s.deletion())
	default:
		s.actors = append(s.actors, s.collection([]int{0, 0, 0, 0, 100}[s.random.IntN(5)]))
	}
}

// wrong tells of a manifest that names a segment that is not there.
func (s *simulation) wrong() string {
	for id, manifest := range s.manifests {
		for _, segment := range manifest.Segments {
			if _, there := s.files[segment.Name]; !there {
				return fmt.Sprintf("%s names %s, which is gone; after\n%s", id.Name, segment.Name, strings.Join(s.journal, "\n"))
			}
		}
	}
	return ""
}

func (s *simulation) notef(format string, args ...any) {
	s.journal = append(s.journal, fmt.Sprintf(format, args...))
	if len(s.journal) > 60 {
		s.journal = s.journal[1:]
	}
}

func (s *simulation) write(name string) { s.files[name] = s.now }

// pick returns one of the keys, at random and the same for the same seed.
func pick[V any](random *rand.Rand, from map[archive.BackupID]V) (archive.BackupID, bool) {
	ids := slices.SortedFunc(maps.Keys(from), func(a, b archive.BackupID) int { return strings.Compare(a.Name, b.Name) })
	if len(ids) == 0 {
		return archive.BackupID{}, false
	}
	return ids[random.IntN(len(ids))], true
}

// backup is a run, which keeps the rules of the package.
func (s *simulation) backup() func() bool {
	s.next++
	attempt := fmt.Sprintf("a%d", s.next)
	id := archive.BackupID{ClusterID: clusterID, Name: fmt.Sprintf("b%d", s.next), UID: "u"}
	s.living[id] = true
	intent := archive.Intent{Backup: id, Attempt: attempt}
	var used []archive.File
	if base, there := pick(s.random, s.manifests); there && s.random.IntN(3) > 0 {
		manifest := s.manifests[base]
		intent.Base, intent.Uses = &base, manifest.Attempts()
		used = manifest.Segments
	}
	own, step := 1+s.random.IntN(3), 0
	manifest := archive.Manifest{ID: id, Attempt: attempt, Index: archive.File{Name: id.IndexName()}, Intent: archive.File{Name: id.IntentName()}}
	return func() bool {
		step++
		switch {
		case step == 1:
			s.notef("%s: intent on %v", id.Name, intent.Base)
			s.write(id.IntentName())
			s.intents[id.IntentName()] = intent
		case step == 2:
			if intent.Base == nil {
				return true
			}
			if _, there := s.manifests[*intent.Base]; !there && !s.noSecondLook {
				used = nil
			}
			for _, segment := range used {
				if s.random.IntN(2) == 0 {
					manifest.Segments = append(manifest.Segments, segment)
				}
			}
		case step <= 2+own:
			name := archive.SegmentID{ClusterID: clusterID, Attempt: attempt, Number: step - 2}.Name()
			s.write(name)
			manifest.Segments = append(manifest.Segments, archive.File{Name: name})
		case step == 3+own:
			s.write(id.IndexName())
			for _, segment := range manifest.Segments { // The check before the manifest.
				if _, there := s.files[segment.Name]; !there {
					s.notef("%s: gives up, %s is gone", id.Name, segment.Name)
					delete(s.living, id)
					return false
				}
			}
		default:
			return s.finish(manifest, used)
		}
		return true
	}
}

// finish makes a run's manifest real, while its intent is there.
func (s *simulation) finish(manifest archive.Manifest, used []archive.File) bool {
	if _, there := s.files[manifest.ID.IntentName()]; !there {
		s.notef("%s: gives up, its intent is gone", manifest.ID.Name)
		return false
	}
	s.notef("%s: manifest of %d segments", manifest.ID.Name, len(manifest.Segments))
	s.write(manifest.ID.ManifestName())
	s.manifests[manifest.ID] = manifest
	delete(s.living, manifest.ID)
	if len(used) > 0 {
		s.built++
	}
	return false
}

// deletion deletes a backup: the manifest first, and the segments that nobody else refers to.
func (s *simulation) deletion() func() bool {
	id, there := pick(s.random, s.manifests)
	if !there {
		return func() bool { return false }
	}
	manifest, step := s.manifests[id], 0
	var survey func(removing *[]string) bool
	var removing []string
	return func() bool {
		step++
		switch {
		case step == 1:
			s.notef("deletion of %s", id.Name)
			delete(s.files, id.ManifestName())
			delete(s.manifests, id)
			survey = s.survey(func(name string) bool { return name == manifest.Attempt }, id, collection.Terms{
				Running: func(archive.BackupID) bool { return true },
			})
		case survey != nil:
			if !survey(&removing) {
				survey = nil
			}
		case len(removing) > 0:
			delete(s.files, removing[0])
			removing = removing[1:]
		default:
			for _, name := range []string{id.IndexName(), id.IntentName()} {
				delete(s.files, name)
				delete(s.intents, name)
			}
			return false
		}
		return true
	}
}

// collection collects, and sleeps for some steps between decision and removal.
func (s *simulation) collection(sleep int) func() bool {
	var removing []string
	running := maps.Clone(s.living)
	survey := s.survey(func(string) bool { return true }, archive.BackupID{}, collection.Terms{
		Now: s.now, Grace: grace, Running: func(id archive.BackupID) bool { return running[id] },
	})
	deciding := true
	return func() bool {
		if deciding {
			deciding = survey(&removing)
			if !deciding && len(removing) > 0 {
				s.collected++
				s.notef("collection of %v", removing)
			}
			return deciding || len(removing) > 0
		}
		if sleep--; sleep > 0 {
			return true
		}
		delete(s.files, removing[0])
		delete(s.intents, removing[0])
		removing = removing[1:]
		return len(removing) > 0
	}
}

// survey is a survey, step by step, and what it comes to.
func (s *simulation) survey(wanted func(attempt string) bool, without archive.BackupID, terms collection.Terms) func(removing *[]string) bool {
	survey := collection.NewSurvey(clusterID, terms)
	segments := func() {
		for _, name := range slices.Sorted(maps.Keys(s.files)) {
			if id, is := archive.ParseSegmentName(name); is && wanted(id.Attempt) {
				survey.Segment(core.FileInfo{Name: name, Modified: s.files[name]})
			}
		}
	}
	var manifests []archive.BackupID
	list := func() {
		for id := range s.manifests {
			manifests = append(manifests, id)
		}
		slices.SortFunc(manifests, func(a, b archive.BackupID) int { return strings.Compare(a.Name, b.Name) })
	}
	read := func() bool {
		if len(manifests) == 0 {
			return false
		}
		if manifest, there := s.manifests[manifests[0]]; there {
			survey.Manifest(collection.NeedsOf(manifest))
		}
		manifests = manifests[1:]
		return true
	}
	var intents []string
	folders := func() {
		for _, name := range slices.Sorted(maps.Keys(s.files)) {
			if id, is := archive.ParseBackupFile(name); is && id != without {
				survey.File(core.FileInfo{Name: name, Modified: s.files[name]})
				if id.IsIntent(name) && !s.noIntents {
					intents = append(intents, name)
				}
			}
		}
	}
	ask := func() bool {
		if len(intents) == 0 {
			return false
		}
		id, _ := archive.ParseBackupFile(intents[0])
		if intent, there := s.intents[intents[0]]; there {
			survey.Intent(id, intent)
		} else {
			survey.UnreadableIntent(id)
		}
		intents = intents[1:]
		return true
	}
	once := func(do func()) func() bool {
		done := false
		return func() bool {
			if !done {
				do()
			}
			done = true
			return false
		}
	}
	steps := []func() bool{once(segments), once(list), read, once(folders), ask}
	if s.segmentsLast {
		steps = []func() bool{once(list), read, once(folders), ask, once(segments)}
	}
	return func(removing *[]string) bool {
		if len(steps) > 0 {
			if !steps[0]() {
				steps = steps[1:]
			}
			return true
		}
		*removing = s.removals(survey.Decide())
		return false
	}
}

func (s *simulation) removals(verdict collection.Verdict) []string {
	var names []string
	for _, id := range verdict.Folders {
		var there []string
		for _, name := range slices.Sorted(maps.Keys(s.files)) {
			if of, is := archive.ParseBackupFile(name); is && of == id {
				there = append(there, name)
			}
		}
		var made *archive.Manifest
		if manifest, is := s.manifests[id]; is {
			made = &manifest
		}
		names = append(names, collection.Leftovers(id, there, made)...)
	}
	for _, garbage := range verdict.Garbage {
		names = slices.AppendSeq(names, garbage.Names())
	}
	return names
}
