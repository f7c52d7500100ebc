package increment

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/archive"
)

// Mode is what a backup is compared with.
type Mode string

// The modes. Auto is one of the others, from run to run.
const (
	Full         Mode = "Full"
	Incremental  Mode = archive.ModeIncremental
	Differential Mode = archive.ModeDifferential
	Auto         Mode = "Auto"
)

// Reason is a word in camel case for why a run is full, or a kind is read in full, although a base was wished for.
type Reason string

// The reasons why a run is full.
const (
	// NoBase: there is no backup of this cluster at the location that could be one.
	NoBase Reason = "NoBase"
	// FullDue: in the mode Auto, the last full backup is too old, or has too many after it.
	FullDue Reason = "FullDue"
	// BaseGone: the base is not at the location any more.
	BaseGone Reason = "BaseGone"
	// BaseUnreadable: the base is damaged, or of a format that this program does not read.
	BaseUnreadable Reason = "BaseUnreadable"
	// BaseDamaged: what could be the base was read back and is damaged, or builds on what is.
	BaseDamaged Reason = "BaseDamaged"
	// BaseAdopted: the manifest of the base was found, and not written, by the attempt that is on record, so that nothing
	// proves of which state of the cluster it is.
	BaseAdopted Reason = "BaseAdopted"
	// KeyChanged: the base is encrypted with another key, or the other of the two is encrypted.
	KeyChanged Reason = "KeyChanged"
	// KeyNeeded: this cluster cannot read what it writes, and has no key to compare with.
	KeyNeeded Reason = "KeyNeeded"
	// ComparisonMissing: this cluster cannot read the base, and there is no file to compare with.
	ComparisonMissing Reason = "ComparisonMissing"
	// ComparisonKeyChanged: the file to compare with is encrypted to a key that this cluster does not have any more.
	ComparisonKeyChanged Reason = "ComparisonKeyChanged"
	// ComparisonDamaged: the file to compare with is not as it was written.
	ComparisonDamaged Reason = "ComparisonDamaged"
	// SignerChanged: the base is signed by somebody else.
	SignerChanged Reason = "SignerChanged"
	// OwnerChanged: somebody else has written in this cluster's name.
	OwnerChanged Reason = "OwnerChanged"
	// Unlistable: the driver of the location cannot list files, so that nobody who removes segments could tell who needs them.
	Unlistable Reason = "ListingUnsupported"
	// TooManySegments: the base refers to so many segments that another backup on top of it would not end well.
	TooManySegments Reason = "TooManySegments"
)

// Wish is what a backup asks for.
type Wish struct {
	// Mode is the mode, Full where it is empty.
	Mode Mode
	// Every says how often Auto is full.
	Every Every
	// Damaged are those that would be candidates if they, or what they build on, had not been found damaged.
	Damaged []Candidate
	// Now is the time of the run.
	Now time.Time
}

// Every says how often a backup is full. What comes first counts.
type Every struct {
	// Backups is the number of backups of which one is full; 0 means no bound.
	Backups int
	// Age is the age at which the last full backup is too old to build on; 0 means no bound.
	Age time.Duration
}

// Candidate is a backup that could be a base: one that the API server itself says to be Completed. An API server that was
// set back to an earlier state does not know of a backup that it has not seen.
type Candidate struct {
	ID archive.BackupID
	// Mode is what it is: Full, Incremental or Differential.
	Mode Mode
	// Attempt is the attempt on record, and Started when the first one began.
	Attempt string
	Started time.Time
	// Base is the backup that it builds on; the zero value: none.
	Base archive.BackupID
	// Alike tells that it was made with the same filters.
	Alike bool
}

// Choice is what a run does.
type Choice struct {
	// Mode is Full, Incremental or Differential.
	Mode Mode
	// Bases are those that may be the base, the best first; none of a full run.
	Bases []Candidate
	// Reason and Message say why a run is full that was not to be.
	Reason  Reason
	Message string
}

// Refuse returns the choice of a run that is full for a reason.
func Refuse(reason Reason, format string, args ...any) Choice {
	return Choice{Mode: Full, Reason: reason, Message: fmt.Sprintf(format, args...)}
}

// maxBases bounds the candidates that are tried, as each costs a look into the store.
const maxBases = 3

// Choose says how a run goes about it. Backups with the same filters are preferred: of another one there may be little to
// take over.
func Choose(wish Wish, candidates []Candidate) Choice {
	if wish.Mode == "" || wish.Mode == Full {
		return Choice{Mode: Full}
	}
	candidates = ordered(candidates)
	if len(candidates) == 0 {
		return noBase(wish.Damaged, "there is no earlier backup of this cluster at the location")
	}
	fulls := slices.DeleteFunc(slices.Clone(candidates), func(c Candidate) bool { return c.Mode != Full })
	switch {
	case wish.Mode != Incremental && len(fulls) == 0:
		return wish.noFull()
	case wish.Mode == Differential:
		return Choice{Mode: Differential, Bases: first(fulls)}
	case wish.Mode == Auto:
		if due := wish.due(candidates, fulls); due != "" {
			return Refuse(FullDue, "%s", due)
		}
	}
	return Choice{Mode: Incremental, Bases: first(candidates)}
}

// noBase returns the choice where none is left: because of those that are damaged, if there are any.
func noBase(damaged []Candidate, message string) Choice {
	if len(damaged) == 0 {
		return Refuse(NoBase, "%s", message)
	}
	return Refuse(BaseDamaged, "backup %s was read back and is damaged, or builds on one that is, and there is no other", ordered(damaged)[0].ID.Name)
}

// noFull returns the choice where no full one is left.
func (w Wish) noFull() Choice {
	const message = "there is no earlier full backup of this cluster at the location"
	damaged := slices.DeleteFunc(slices.Clone(w.Damaged), func(c Candidate) bool { return c.Mode != Full })
	if w.Mode == Auto && len(damaged) == 0 {
		return Refuse(FullDue, message)
	}
	return noBase(damaged, message)
}

// due says why Auto is full, and nothing where it is not.
func (w Wish) due(candidates, fulls []Candidate) string {
	last := fulls[0]
	after := slices.IndexFunc(candidates, func(c Candidate) bool { return c.ID == last.ID })
	switch {
	case w.Every.Backups > 0 && after+1 >= w.Every.Backups:
		return fmt.Sprintf("%s been made since the last full one, %s", have(after), last.ID.Name)
	case w.Every.Age > 0 && w.Now.Sub(last.Started) >= w.Every.Age:
		return fmt.Sprintf("the last full backup, %s, is of %s", last.ID.Name, last.Started.UTC().Format(time.RFC3339))
	}
	return ""
}

func have(backups int) string {
	if backups == 1 {
		return "1 backup has"
	}
	return core.Count(int64(backups), "backup") + " have"
}

// ordered returns the candidates, the youngest first: only those with the same filters, where there are any.
func ordered(candidates []Candidate) []Candidate {
	sorted := slices.Clone(candidates)
	if slices.ContainsFunc(sorted, func(c Candidate) bool { return c.Alike }) {
		sorted = slices.DeleteFunc(sorted, func(c Candidate) bool { return !c.Alike })
	}
	slices.SortFunc(sorted, func(a, b Candidate) int {
		return cmp.Or(b.Started.Compare(a.Started), cmp.Compare(b.ID.Name, a.ID.Name), cmp.Compare(b.ID.UID, a.ID.UID))
	})
	return sorted
}

// Sound divides candidates into those that may be a base, and those that build on one that is known to be damaged, however
// many are between: whoever takes an object over from them does not read it, and would have the damage with it.
func Sound(candidates, damaged []Candidate) (sound, unsound []Candidate) {
	bad := map[archive.BackupID]bool{}
	for _, each := range damaged {
		bad[each.ID] = true
	}
	sound = slices.Clone(candidates)
	for {
		before := len(sound)
		sound = slices.DeleteFunc(sound, func(c Candidate) bool {
			if bad[c.Base] {
				bad[c.ID] = true
				unsound = append(unsound, c)
			}
			return bad[c.Base]
		})
		if len(sound) == before {
			return sound, unsound
		}
	}
}

func first(candidates []Candidate) []Candidate { return candidates[:min(len(candidates), maxBases)] }
