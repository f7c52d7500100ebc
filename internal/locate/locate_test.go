package locate_test

import (
	"errors"
	"testing"

	"github.com/soda-cdm/kahu/internal/locate"
	"github.com/soda-cdm/kahu/provider"
)

// FuzzName: a location's name comes back from the attributes of a call, and attributes without one are refused.
func FuzzName(f *testing.F) {
	f.Add("main", "kahu.io/backup-location", "other")
	f.Add("", "path", "/")
	f.Fuzz(func(t *testing.T, location, key, value string) {
		attributes := locate.Attributes(location)
		if _, taken := attributes[key]; !taken {
			attributes[key] = value
		}
		name, err := locate.Name(attributes)
		if location == "" && !errors.Is(err, provider.ErrInvalidArgument) || location != "" && (err != nil || name != location) {
			t.Errorf("%q became %q: %v", location, name, err)
		}
	})
}
