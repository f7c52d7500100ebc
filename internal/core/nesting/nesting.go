// Package nesting decides whether the place of one location lies in that of another one.
//
// Two locations in one another hold files for each other: what is looked for below the outer one finds those of the inner one,
// and who empties the folder of the one loses the other. Places are compared by how they are configured, in which all providers
// that come with Kahu name their folders alike.
package nesting

import (
	"maps"
	"slices"
	"strings"
)

// Place is where a location is, in the words of its configuration.
type Place struct {
	Provider string
	Config   map[string]string
}

// folderKeys are the keys of a configuration that name a folder of the store; absent means all of the store.
func folderKeys() []string { return []string{"path", "prefix"} }

// Nested tells whether one of two places lies in the other, as far as their configurations tell: they differ in nothing but the
// folder. The same place twice is not nested.
func Nested(a, b Place) bool {
	if a.Provider != b.Provider {
		return false
	}
	var different []string
	keys := slices.AppendSeq(slices.Collect(maps.Keys(a.Config)), maps.Keys(b.Config))
	for _, key := range slices.Compact(slices.Sorted(slices.Values(keys))) {
		if !slices.Equal(elements(a.Config[key]), elements(b.Config[key])) || !isFolder(key) && a.Config[key] != b.Config[key] {
			different = append(different, key)
		}
	}
	return len(different) == 1 && isFolder(different[0]) && inside(a.Config[different[0]], b.Config[different[0]])
}

func isFolder(key string) bool { return slices.Contains(folderKeys(), key) }

// inside tells whether one of two folders begins with all of the other.
func inside(a, b string) bool {
	outer, inner := elements(a), elements(b)
	if len(outer) > len(inner) {
		outer, inner = inner, outer
	}
	return slices.Equal(outer, inner[:len(outer)])
}

// elements are the names on the way to a folder.
func elements(folder string) []string {
	return slices.DeleteFunc(strings.Split(folder, "/"), func(name string) bool { return name == "" })
}
