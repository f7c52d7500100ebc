package model_test

import (
	"maps"
	"regexp"
	"slices"
)

// The rules of this file are docs/selection.md and docs/restore.md once more, in loops over all things. They know
// nothing of how the product does it, and take their time.

// selects tells whether every filter agrees with the thing.
func (w wish) selects(t thing) bool {
	namespace := t.Namespace
	if t.Kind == "Namespace" {
		namespace = t.Name
	}
	if len(w.In) > 0 && namespace != "" && !slices.Contains(w.In, namespace) {
		return false
	}
	if len(w.In) > 0 && namespace == "" && !w.wantsKind(t.Kind) && (w.Cluster == nil || !*w.Cluster) {
		return false // At cluster scope, where namespaces are asked for.
	}
	if w.refuses(t) {
		return false
	}
	if len(w.Want) > 0 && !slices.ContainsFunc(w.Want, func(e entry) bool { return e.names(t) }) {
		return false
	}
	for key, value := range w.Labels {
		if t.Labels[key] != value {
			return false
		}
	}
	return true
}

func (w wish) wantsKind(kind string) bool {
	return slices.ContainsFunc(w.Want, func(e entry) bool { return e.Kind == kind })
}

// refuses tells whether the thing is excluded, whoever needs it.
func (w wish) refuses(t thing) bool {
	if t.Namespace != "" && slices.Contains(w.Out, t.Namespace) || t.Kind == "Namespace" && slices.Contains(w.Out, t.Name) {
		return true
	}
	if w.Cluster != nil && !*w.Cluster && t.Namespace == "" && t.Kind != "Namespace" {
		return true
	}
	return slices.ContainsFunc(w.Refuse, func(e entry) bool { return e.names(t) })
}

func (e entry) names(t thing) bool {
	switch {
	case e.Kind != t.Kind:
		return false
	case e.Name == "" || e.Name == "*":
		return true
	case e.Regex:
		return regexp.MustCompile(e.Name).MatchString(t.Name)
	}
	return e.Name == t.Name
}

// brings returns the keys of what comes with a thing.
func brings(t thing) []string {
	var keys []string
	if t.Namespace != "" {
		keys = append(keys, keyOf("Namespace", "", t.Namespace))
	}
	if t.Kind == "Widget" {
		keys = append(keys, keyOf("CustomResourceDefinition", "", "widgets.example.com"))
	}
	makesPods := t.Kind == "Pod" || t.Kind == "Deployment" || t.Kind == "ReplicaSet"
	hasAccount := false
	for _, each := range t.Refers {
		switch each.Form {
		case "env", "volume":
			keys = append(keys, keyOf("ConfigMap", t.Namespace, each.Name))
		case "envSecret", "pull", "secret":
			keys = append(keys, keyOf("Secret", t.Namespace, each.Name))
		case "claim":
			keys = append(keys, keyOf("PersistentVolumeClaim", t.Namespace, each.Name))
		case "volumeName":
			keys = append(keys, keyOf("PersistentVolume", "", each.Name))
		case "class":
			keys = append(keys, keyOf("StorageClass", "", each.Name))
		case "account", "token":
			hasAccount = true
			keys = append(keys, keyOf("ServiceAccount", t.Namespace, each.Name))
		}
	}
	if makesPods && !hasAccount {
		keys = append(keys, keyOf("ServiceAccount", t.Namespace, "default"))
	}
	return keys
}

// chosen is what a wish takes of some things: true for what is selected, false for what these need.
func (w wish) chosen(from []thing) map[string]bool {
	byKey := map[string]thing{}
	for _, each := range from {
		byKey[each.key()] = each
	}
	taken := map[string]bool{}
	for _, each := range from {
		if !each.Dying && w.selects(each) {
			taken[each.key()] = true
		}
	}
	for grown := true; grown; {
		grown = false
		for _, key := range slices.Collect(maps.Keys(taken)) {
			for _, need := range brings(byKey[key]) {
				other, there := byKey[need]
				if _, known := taken[need]; known || !there || other.Dying || w.refuses(other) {
					continue
				}
				taken[need], grown = false, true
			}
		}
	}
	return taken
}

// wrongIn tells whether the filters are to be refused because of a namespace that is not there.
func (w wish) wrongIn(from []thing) bool {
	for _, name := range w.In {
		if !hasNamespace(from, name) {
			return true
		}
	}
	return false
}

func hasNamespace(things []thing, name string) bool {
	return slices.ContainsFunc(things, func(t thing) bool {
		return t.Namespace == name || t.Kind == "Namespace" && t.Name == name
	})
}

// restored is what a restore makes of a cluster.
type restored struct {
	refused    bool // Nothing is done at all.
	things     map[string]made
	created    int
	existing   int
	controlled int
	failed     int
}

// made is a thing in the cluster after a restore.
type made struct {
	thing

	// isNew tells that the restore created it, mapped that its namespace had another name in the backup.
	isNew  bool
	mapped bool
	// living are the owners that are kept.
	living []owner
}

// restore says what becomes of a cluster in which some things are when all that is chosen of a backup is restored into
// it, under the names of a mapping.
func restore(backup []thing, asked wish, mapping map[string]string, cluster []thing) restored {
	result := restored{things: map[string]made{}}
	for _, each := range cluster {
		result.things[each.key()] = made{thing: each, living: each.Owners}
	}
	chosen := asked.chosen(backup)
	var create []thing
	for _, each := range backup {
		if _, in := chosen[each.key()]; !in {
			continue
		}
		if isMadeAgain(each, chosen) {
			result.controlled++
			continue
		}
		create = append(create, each)
	}
	if asked.wrongIn(backup) || wrongMapping(mapping, backup, create) {
		return restored{refused: true, things: result.things}
	}
	to := func(name string) string {
		if other, mapped := mapping[name]; mapped {
			return other
		}
		return name
	}
	// Owners are before what they own in the backup; namespaces and definitions go first.
	slices.SortStableFunc(create, func(a, b thing) int { return rank(a) - rank(b) })
	for _, each := range create {
		result.create(each, to)
	}
	return result
}

func rank(t thing) int {
	if t.Kind == "Namespace" || t.Kind == "CustomResourceDefinition" {
		return 0
	}
	return 1
}

func (r *restored) create(each thing, to func(string) string) {
	now := made{thing: each, isNew: true}
	now.Namespace = to(each.Namespace)
	now.mapped = now.Namespace != each.Namespace
	if each.Kind == "Namespace" {
		now.Name = to(each.Name)
	}
	if _, there := r.things[now.key()]; there {
		r.existing++
		return
	}
	if _, there := r.things[keyOf("Namespace", "", now.Namespace)]; now.Namespace != "" && !there {
		r.failed++
		return
	}
	for _, owner := range each.Owners {
		if _, there := r.things[keyOf(owner.Kind, now.Namespace, owner.Name)]; there {
			now.living = append(now.living, owner)
		}
	}
	r.things[now.key()] = now
	r.created++
}

// isMadeAgain tells whether a restored controller makes the thing again. An owner is known by its identity: one that
// was gone before the backup is none.
func isMadeAgain(t thing, chosen map[string]bool) bool {
	for _, each := range t.Owners {
		_, restored := chosen[keyOf(each.Kind, t.Namespace, each.Name)]
		pair := t.Kind + " of " + each.Kind
		if each.Controller && restored && (pair == "ReplicaSet of Deployment" || pair == "Pod of ReplicaSet") {
			return true
		}
	}
	return false
}

// wrongMapping tells whether a mapping names a namespace that is not in the backup, or makes one of two.
func wrongMapping(mapping map[string]string, backup, create []thing) bool {
	for name := range mapping {
		if !hasNamespace(backup, name) {
			return true
		}
	}
	origins := map[string]string{}
	for _, each := range create {
		origin := each.Namespace
		if each.Kind == "Namespace" {
			origin = each.Name
		}
		if origin == "" {
			continue
		}
		name := origin
		if other, mapped := mapping[origin]; mapped {
			name = other
		}
		if other, taken := origins[name]; taken && other != origin {
			return true
		}
		origins[name] = origin
	}
	return false
}

// after is a new thing's content as the restore is to make it.
func (m made) after(mapping map[string]string) map[string]any {
	if !m.isNew {
		return m.content(func(owner) string { return "any" })
	}
	kept := m.thing
	kept.Owners = m.living
	content := kept.content(func(owner) string { return "living" })
	delete(content, "status")
	metadata := content["metadata"].(map[string]any)
	annotations, _ := metadata["annotations"].(map[string]any)
	spec, _ := content["spec"].(map[string]any)
	switch m.Kind {
	case "Pod":
		delete(spec, "nodeName")
	case "PersistentVolumeClaim":
		delete(annotations, "pv.kubernetes.io/bind-completed")
		if m.mapped {
			delete(spec, "volumeName")
		}
	case "PersistentVolume":
		reference := spec["claimRef"].(map[string]any)
		delete(reference, "uid")
		delete(reference, "resourceVersion")
		if other, mapped := mapping[reference["namespace"].(string)]; mapped {
			reference["namespace"] = other
		}
	}
	if len(annotations) == 0 {
		delete(metadata, "annotations")
	}
	return content
}
