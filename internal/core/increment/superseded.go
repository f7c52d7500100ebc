package increment

import "slices"

// maxSuperseded bounds the backups that Superseded names, as each costs calls to the store. What was superseded earlier was
// named then.
const maxSuperseded = 5

// Superseded returns those with the same filters on which nobody builds any more once a backup of that mode is made: the next
// incremental one builds on that, and a differential one on the last full one. Should the new one be deleted or damaged, a full
// one follows where nothing is left to compare with.
func Superseded(mode Mode, candidates []Candidate) []Candidate {
	alike := slices.DeleteFunc(ordered(candidates), func(c Candidate) bool { return !c.Alike })
	keepsFull := mode != Full
	var found []Candidate
	for _, candidate := range alike {
		if candidate.Mode == Full && keepsFull {
			keepsFull = false
			continue
		}
		if found = append(found, candidate); len(found) == maxSuperseded {
			break
		}
	}
	return found
}
