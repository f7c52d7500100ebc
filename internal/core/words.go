package core

import "fmt"

// Count returns a number with its unit, in the plural unless it is one.
func Count(number int64, unit string) string {
	if number == 1 {
		return "1 " + unit
	}
	return fmt.Sprintf("%d %ss", number, unit)
}
