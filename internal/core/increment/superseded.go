package increment

import "slices"

const (
	// maxSuperseded bounds the backups that Superseded names, as each costs calls to the store.
	maxSuperseded = 50
	// maxLately is how many of them are the youngest. Where nothing fails, what is older was named when it was young.
	maxLately = 10
)

// Superseded returns those with the same filters on which nobody builds any more once a backup of that mode is made: the next
// incremental one builds on that, and a differential one on the last full one. Should the new one be deleted or damaged, a full
// one follows where nothing is left to compare with. Of many it returns the youngest and one group of the others, another one
// with another turn, so that all are named in time if turns are as they come.
func Superseded(mode Mode, candidates []Candidate, turn uint32) []Candidate {
	alike := slices.DeleteFunc(ordered(candidates), func(c Candidate) bool { return !c.Alike })
	keepsFull := mode != Full
	var found []Candidate
	for _, candidate := range alike {
		if candidate.Mode == Full && keepsFull {
			keepsFull = false
			continue
		}
		found = append(found, candidate)
	}
	if len(found) <= maxSuperseded {
		return found
	}
	groups := slices.Collect(slices.Chunk(found[maxLately:], maxSuperseded-maxLately))
	return slices.Concat(found[:maxLately], groups[int64(turn)%int64(len(groups))])
}
