package conformance_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/soda-cdm/kahu/provider"
	"github.com/soda-cdm/kahu/provider/conformance"
	"github.com/soda-cdm/kahu/provider/memory"
)

// The drivers of this file are wrong, each in one way. The suite must see what is wrong with each, and nothing else.

func TestWrongDriversFail(t *testing.T) {
	t.Parallel()
	if underRace {
		t.Skip("looking for races in the same checks over and over takes minutes; the right drivers show them")
	}
	for name, test := range map[string]struct {
		driver func(store *memory.Store) provider.Driver
		fails  []string
		may    []string // Checks that see the fault or not, as the scheduler likes.
	}{
		"none: the driver that the others are made from": {
			driver: func(store *memory.Store) provider.Driver { return store },
		},
		"cuts off what is longer than 8 MiB": {
			driver: func(store *memory.Store) provider.Driver { return cutting{store} },
			fails:  []string{"content/large", "overwrite/open-reader"},
		},
		"takes a content that breaks off for a whole one": {
			driver: func(store *memory.Store) provider.Driver { return gullible{store} },
			fails: []string{
				"interrupted/upload", "interrupted/overwrite", "interrupted/create", "context/deadline",
			},
		},
		"takes every error that wraps an end for the end": {
			driver: func(store *memory.Store) provider.Driver { return nearlyGullible{store} },
			fails:  []string{"interrupted/upload", "interrupted/overwrite"},
		},
		"overwrites on create": {
			driver: func(store *memory.Store) provider.Driver { return overwriting{store} },
			fails:  []string{"create/present", "create/race"},
		},
		"looks first and creates then": {
			driver: func(store *memory.Store) provider.Driver { return racing{store} },
			fails:  []string{"create/race"},
		},
		"shows what is half-written under its name": {
			driver: func(store *memory.Store) provider.Driver { return &showing{Store: store} },
			fails:  []string{"interrupted/half-written", "overwrite/atomic", "interrupted/overwrite"},
		},
		"shows what is half-written under another name": {
			driver: func(store *memory.Store) provider.Driver { return &showing{Store: store, apart: true} },
			fails:  []string{"interrupted/half-written"},
		},
		"forgets an object between two pages": {
			driver: func(store *memory.Store) provider.Driver { return &forgetting{Store: store} },
			fails:  []string{"list/pages"},
		},
		"does not list what begins with a dot or an exclamation mark": {
			driver: func(store *memory.Store) provider.Driver { return hiding{store} },
			fails:  []string{"list/complete", "list/pages"},
		},
		"lists in the order of a walk through folders": {
			driver: func(store *memory.Store) provider.Driver { return walking{store} },
			fails:  []string{"list/order"},
		},
		"lists only whole folders": {
			driver: func(store *memory.Store) provider.Driver { return folders{store} },
			fails:  []string{"list/prefix"},
		},
		"gives more than a page": {
			driver: func(store *memory.Store) provider.Driver { return unpaged{store} },
			fails:  []string{"list/pages"},
		},
		"lists what is not there": {
			driver: func(store *memory.Store) provider.Driver { return ghostly{store} },
			fails: []string{
				"interrupted/half-written", "list/complete", "list/pages", "list/prefix", "list/sizes",
			},
		},
		"lists an object on two pages": {
			driver: func(store *memory.Store) provider.Driver { return &repeating{Store: store} },
			fails:  []string{"list/pages"},
		},
		"gives the same token again": {
			driver: func(store *memory.Store) provider.Driver { return endless{store} },
			fails:  []string{"list/pages"},
		},
		"lists without times": {
			driver: func(store *memory.Store) provider.Driver { return timeless{store} },
			fails:  []string{"list/sizes"},
		},
		"lists what was there before": {
			driver: func(store *memory.Store) provider.Driver { return &late{Store: store} },
			fails:  []string{"list/changes"},
		},
		"lists digests of something else": {
			driver: func(store *memory.Store) provider.Driver { return digesting{store} },
			fails:  []string{"list/sizes"},
		},
		"gives wrong sizes in listings": {
			driver: func(store *memory.Store) provider.Driver { return sizing{store} },
			fails:  []string{"list/sizes"},
		},
		"ignores the offset of a range": {
			driver: func(store *memory.Store) provider.Driver { return offsetless{store} },
			fails: []string{
				"range/middle", "range/one-byte", "range/over-end", "range/at-end", "range/beyond-end", "range/huge",
			},
		},
		"fails behind the end of an object": {
			driver: func(store *memory.Store) provider.Driver { return strict{store} },
			fails:  []string{"range/at-end", "range/beyond-end"},
		},
		"follows names out of the store": {
			driver: func(store *memory.Store) provider.Driver { return escaping{store} },
			fails:  []string{"names/escape"},
		},
		"takes upper and lower case for the same": {
			driver: func(store *memory.Store) provider.Driver { return caseless{store} },
			fails:  []string{"names/odd", "list/complete", "list/pages"},
		},
		"keeps the end of what it overwrites": {
			driver: func(store *memory.Store) provider.Driver { return patching{store} },
			fails: []string{
				"overwrite/whole", "overwrite/atomic", "overwrite/open-reader", "stat/size",
			},
			may: []string{"overwrite/writers"},
		},
		"cannot delete twice": {
			driver: func(store *memory.Store) provider.Driver { return deletingOnce{store} },
			fails:  []string{"delete/again"},
		},
		"deletes what is beside": {
			driver: func(store *memory.Store) provider.Driver { return deletingBeside{store} },
			fails:  []string{"delete/gone"},
		},
		"says that folders are objects": {
			driver: func(store *memory.Store) provider.Driver { return folderly{store} },
			fails:  []string{"missing/exists"},
		},
		"has no class for what is missing": {
			driver: func(store *memory.Store) provider.Driver { return classless{store} },
			fails:  []string{"missing/not-found"},
		},
		"has digests of something else": {
			driver: func(store *memory.Store) provider.Driver { return misdigesting{store} },
			fails:  []string{"stat/digest"},
		},
		"names a capability twice and is never ready": {
			driver: func(store *memory.Store) provider.Driver { return confused{store} },
			fails:  []string{"identity/capabilities", "identity/probe", "attributes/unknown"},
		},
		"returns the content of before": {
			driver: func(store *memory.Store) provider.Driver { return &stale{Store: store} },
			fails: []string{
				"content/read-after-write", "overwrite/whole", "overwrite/open-reader",
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			failed := slices.DeleteFunc(failures(t, test.driver(memory.New(memory.Options{}))), func(name string) bool {
				return slices.Contains(test.may, name)
			})
			slices.Sort(test.fails)
			if !slices.Equal(failed, test.fails) {
				t.Errorf("these fail: %q\nwant:       %q", failed, test.fails)
			}
		})
	}
}

// failures returns the sorted names of the checks that a driver does not pass.
func failures(t *testing.T, driver provider.Driver) []string {
	t.Helper()
	var failed []string
	for _, check := range conformance.Checks() {
		result := conformance.Execute(t.Context(), check, conformance.Target{Driver: driver})
		if result.Outcome == conformance.Failed {
			failed = append(failed, check.Name)
			t.Logf("%s: %s", check.Name, strings.Join(result.Messages, "; "))
		}
	}
	slices.Sort(failed)
	return failed
}
