package hook

import "fmt"

// Matches has the fields of the sets that choose a pod, and whether the run is about one of those that each chooses.
type Matches map[string]bool

// Add takes note of the sets that choose a pod, and whether the run is about that.
func (m Matches) Add(sets []string, in bool) {
	for _, field := range sets {
		m[field] = m[field] || in
	}
}

// Unmatched says of each set that is for no pod that nothing runs for it; what is where the pods would have to be. Somebody may have
// mistyped what it chooses.
func (m Matches) Unmatched(sets []Set, what string) []string {
	var said []string
	for _, set := range sets {
		if m[set.Field] || len(set.Pre)+len(set.Post)+len(set.Init) == 0 {
			continue
		}
		why := "see whether its names and labels are right"
		if _, others := m[set.Field]; others {
			why = "the pods that it chooses are not part of it, see whether the filters of the spec are right"
		}
		said = append(said, fmt.Sprintf("%s %q chooses no pod %s, and nothing runs for it: %s", set.Field, set.Name, what, why))
	}
	return said
}
