package naming

import (
	"fmt"
	"strings"

	"github.com/soda-cdm/kahu/internal/core"
)

// The longest names: of most objects, and of those whose names become a label, a host name, or a part of other names.
const (
	maxName     = 253
	maxLabel    = 63
	maxRevision = maxLabel - 11 // its pods have a label of the name, a hyphen and a hash of up to ten characters
	maxTimed    = maxLabel - 11 // its jobs are called after it, a hyphen and ten digits
	maxHashed   = maxName - 11  // what it makes is called after it, a hyphen and a hash of up to ten characters
)

// longest returns how long the name of an object can be, and why.
func longest(kind core.Kind) (limit int, why string) {
	switch kind.GroupResource().String() {
	case "services":
		return maxLabel, "it is a host name"
	case "statefulsets.apps":
		return maxRevision, "its pods have it in a label, with a hash behind it"
	case "cronjobs.batch":
		return maxTimed, "its jobs have it in their names, with their time behind it"
	case "jobs.batch":
		return maxLabel, "its pods have it in a label"
	case "deployments.apps", "daemonsets.apps":
		return maxHashed, "what it makes has it in its name, with a hash behind it"
	}
	return maxName, "that is the limit of Kubernetes"
}

// Check returns what is wrong with the name that an object gets, and what to do about it; nothing where it is one that the
// object can have, and no other of the restore gets.
func (n *Names) Check(kind core.Kind, namespace, name string) string {
	next := n.Of(kind, namespace, name)
	if next == name {
		return ""
	}
	if limit, why := longest(kind); len(next) > limit {
		return fmt.Sprintf("%s %s would become %s, of %d characters, and can have %d (%s): choose a prefix that is %s shorter, or "+
			"exclude it", kind, path(namespace, name), next, len(next), limit, why, characters(len(next)-limit))
	}
	if other := n.rival(kind, namespace, name, next); other != "" {
		return fmt.Sprintf("%s %s and %s would both become %s: choose another prefix, or exclude one of them",
			kind, path(namespace, name), path(namespace, other), next)
	}
	return ""
}

// rival returns another object that would get the same name. One can only be where a name is not the prefix and what it
// was before, as that of a claim of a StatefulSet; or where the prefixed name is one that is kept.
func (n *Names) rival(kind core.Kind, namespace, name, next string) string {
	if Keeps(kind, namespace, next, nil) != "" {
		return next
	}
	other, has := strings.CutPrefix(next, n.prefix)
	if has && other != name && n.Of(kind, namespace, other) == next {
		return other
	}
	return ""
}

func path(namespace, name string) string {
	if namespace == "" {
		return name
	}
	return namespace + "/" + name
}

func characters(count int) string {
	if count == 1 {
		return "one character"
	}
	return fmt.Sprintf("%d characters", count)
}
