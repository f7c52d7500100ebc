package volumework

import "time"

// Instants returns when the first and the last of the snapshots were cut, of volumes that are backed up; zero times where there
// are none. The times are those that the storage systems tell.
func Instants(outcomes []Outcome) (first, last time.Time) {
	for i := range outcomes {
		cut := outcomes[i].Cut
		if cut.IsZero() || outcomes[i].Reason != "" {
			continue
		}
		if first.IsZero() || cut.Before(first) {
			first = cut
		}
		if cut.After(last) {
			last = cut
		}
	}
	return first, last
}
