package provider

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Attributes are the configuration and the credentials of a backup location. They come with every call. A driver keeps
// nothing of them after the call, never logs a value, and does best to refuse keys that it does not know: see
// [Attributes.Check].
type Attributes map[string]string

// Check returns an ErrInvalidArgument where there are attributes that are not among the known ones, and names both. A driver
// that ignores what it does not know ignores a misspelled folder too, and stores beside the place that was meant. No value is
// in the error, as it may be a secret.
func (a Attributes) Check(known ...string) error {
	var unknown []string
	for key := range a {
		if !slices.Contains(known, key) {
			unknown = append(unknown, strconv.Quote(key))
		}
	}
	if len(unknown) == 0 {
		return nil
	}
	slices.Sort(unknown)
	subject := "the attribute " + unknown[0] + " is"
	if len(unknown) > 1 {
		subject = "the attributes " + strings.Join(unknown, ", ") + " are"
	}
	return fmt.Errorf("%s not known; those that are: %s: %w", subject, strings.Join(known, ", "), ErrInvalidArgument)
}
