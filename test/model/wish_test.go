package model_test

import (
	"slices"

	"k8s.io/apimachinery/pkg/labels"

	"github.com/soda-cdm/kahu/internal/core/selection"
)

// wish are the filters of a Backup or a Restore, as a person writes them.
type wish struct {
	In      []string          `json:"includeNamespaces,omitempty"`
	Out     []string          `json:"excludeNamespaces,omitempty"`
	Want    []entry           `json:"includeResources,omitempty"`
	Refuse  []entry           `json:"excludeResources,omitempty"`
	Labels  map[string]string `json:"labels,omitempty"`
	Cluster *bool             `json:"includeClusterResource,omitempty"`
}

// entry is one of the resources.
type entry struct {
	Kind  string `json:"kind"`
	Name  string `json:"name,omitempty"`
	Regex bool   `json:"isRegex,omitempty"`
	// word is how the kind is written.
	Word string `json:"word"`
}

func (w wish) filters() selection.Filters {
	made := selection.Filters{IncludeNamespaces: w.In, ExcludeNamespaces: w.Out, ClusterResources: w.Cluster}
	for _, each := range w.Want {
		made.IncludeResources = append(made.IncludeResources, each.filter())
	}
	for _, each := range w.Refuse {
		made.ExcludeResources = append(made.ExcludeResources, each.filter())
	}
	if len(w.Labels) > 0 {
		made.Labels = labels.SelectorFromSet(w.Labels)
	}
	return made
}

func (e entry) filter() selection.ResourceFilter {
	return selection.ResourceFilter{Kind: e.Word, Name: e.Name, IsRegex: e.Regex}
}

// wish makes filters of a backup. They say nothing about cluster scope.
func (m maker) wish(things []thing) wish {
	made := wish{}
	if m.chance(15) {
		return made
	}
	if m.chance(50) {
		made.In = m.some(60, namespacesOf(things)...)
		if m.chance(4) {
			made.In = append(made.In, m.pick("a", "b", "c", "d"))
		}
	}
	if m.chance(25) {
		made.Out = m.some(30, "a", "b", "c", "d")
	}
	if m.chance(50) {
		made.Want = m.entries(things)
	}
	if m.chance(35) {
		made.Refuse = m.entries(things)
	}
	if m.chance(25) {
		made.Labels = map[string]string{m.pick("app", "tier"): m.pick("x", "y")}
	}
	return made
}

// restoreWish makes filters of a restore.
func (m maker) restoreWish(things []thing) wish {
	made := m.wish(things)
	if m.chance(30) {
		made.Cluster = new(m.chance(50))
	}
	return made
}

// namespacesOf returns the namespaces that there are.
func namespacesOf(things []thing) []string {
	var found []string
	for _, name := range names {
		if hasNamespace(things, name) {
			found = append(found, name)
		}
	}
	return found
}

// entries makes one to three entries about kinds of which there are things.
func (m maker) entries(things []thing) []entry {
	var made []entry
	for range 1 + m.IntN(3) {
		about := "ConfigMap"
		if len(things) > 0 {
			about = things[m.IntN(len(things))].Kind
		}
		made = append(made, m.entry(about))
	}
	return made
}

func (m maker) entry(about string) entry {
	made := entry{Kind: about, Word: m.spelling(about)}
	switch m.IntN(6) {
	case 0:
		made.Name = m.pick("c0", "c1", "s0", "d0", "w1", "a", "default")
	case 1:
		made.Name = "*"
	case 2:
		made.Regex, made.Name = true, m.pick("^c", "0$", "^[a-r]1$", "c0|s1", "^a$", "")
	}
	return made
}

// spelling is one of the ways in which a kind can be written.
func (m maker) spelling(name string) string {
	kind := kinds[name]
	ways := []string{kind.Name, kind.Resource, kind.GroupResource().String()}
	return m.pick(slices.Concat(ways, kind.ShortNames)...)
}
