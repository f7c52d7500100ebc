package selection

import "fmt"

// maxHinted is the length in bytes of the longest name that hint compares, and hintDistance the number of changed
// characters that still make a likely slip.
const (
	maxHinted    = 63
	hintDistance = 2
)

// hint returns words that offer the known name nearest to a wrong one, or nothing where none is near.
func hint(wrong string, known []string) string {
	if len(wrong) > maxHinted {
		return ""
	}
	best, distance := "", hintDistance+1
	for _, name := range known {
		if len(name) > maxHinted || len(name) > len(wrong)+hintDistance || len(wrong) > len(name)+hintDistance {
			continue
		}
		// The distance must be small against the name, or any two short names would be near.
		if d := edits(wrong, name); d < distance && 2*d < len(wrong) {
			best, distance = name, d
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf(" (did you mean %q?)", best)
}

// edits returns how many bytes must be added, removed or replaced to make b of a.
func edits(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			replaced := diagonal
			if a[i] != b[j] {
				replaced++
			}
			diagonal = row[j+1]
			row[j+1] = min(replaced, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
