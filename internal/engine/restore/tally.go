package restore

import (
	"cmp"
	"slices"

	"github.com/soda-cdm/kahu/internal/core"
)

// tallies are the counts of each kind.
type tallies map[kindName]*KindCounts

type kindName struct{ apiVersion, kind string }

// of returns the counts of a kind, to be changed.
func (t tallies) of(kind core.Kind) *KindCounts {
	name := kindName{kind.APIVersion(), kind.Name}
	if t[name] == nil {
		t[name] = &KindCounts{APIVersion: name.apiVersion, Kind: name.kind}
	}
	return t[name]
}

// sorted returns the counts, those of the most frequent kinds first.
func (t tallies) sorted() []KindCounts {
	all := make([]KindCounts, 0, len(t))
	for _, each := range t {
		all = append(all, *each)
	}
	slices.SortFunc(all, func(a, b KindCounts) int {
		return cmp.Or(cmp.Compare(b.sum(), a.sum()), cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.APIVersion, b.APIVersion))
	})
	return all
}

func (c *KindCounts) sum() int64 {
	return c.Created + c.Updated + c.Existing + c.Controlled + c.Finished + c.Failed
}
