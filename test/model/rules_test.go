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
		case "role":
			keys = append(keys, keyOf("Role", t.Namespace, each.Name))
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

// pointers returns the keys of what points to a thing, and so comes with it.
func pointers(t thing, from []thing) []string {
	var keys []string
	pods := t.Pods
	if t.Kind == "Pod" {
		pods = t.Labels
	}
	for _, each := range from {
		if each.Namespace != t.Namespace {
			continue
		}
		switch {
		case each.Kind == "Service" && (t.Kind == "Pod" || t.Kind == "Deployment" || t.Kind == "ReplicaSet"):
			if each.selects(pods) {
				keys = append(keys, each.key())
			}
		case each.Kind == "RoleBinding" && t.Kind == "ServiceAccount":
			if slices.ContainsFunc(each.Refers, func(r reference) bool {
				return r.Form == "subject" && r.Name == t.Name && r.Namespace == t.Namespace
			}) {
				keys = append(keys, each.key())
			}
		}
	}
	return keys
}

func (t thing) selects(pods map[string]string) bool {
	for key, value := range t.Selects {
		if pods[key] != value {
			return false
		}
	}
	return true
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
			for _, need := range append(brings(byKey[key]), pointers(byKey[key], from)...) {
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
