package volumeplan

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/soda-cdm/kahu/internal/core"
)

// GroupAnnotation is the annotation of a claim that names the claims of its namespace with which its snapshot is cut.
const GroupAnnotation = "kahu.io/volume-group"

// alone is what the annotation says of a claim whose snapshot is cut by itself.
const alone = "none"

// MaxGroup is how many snapshots a group has at most.
const MaxGroup = 32

// Together says whether snapshots are cut together, at one instant.
type Together string

// What rules say of that. Where they say nothing, it is Preferred.
const (
	// Preferred has them cut together where that can be done, and else one by one.
	Preferred Together = "Preferred"
	// Required has them cut together or not at all.
	Required Together = "Required"
	// Never has them cut one by one.
	Never Together = "Never"
)

// Group says with which others a snapshot is cut.
type Group struct {
	// Name tells the groups of a backup apart; empty where the snapshot is cut by itself.
	Name string
	// Class is the VolumeGroupSnapshotClass.
	Class string
	// Required tells that the snapshot is cut with the others or not at all, and Rule which rule demands it, by its field.
	Required bool
	Rule     string
}

// groupKey is what the claims of a group have in common.
type groupKey struct{ namespace, driver, provider, name, class string }

// group forms the groups. All claims of a namespace whose snapshots the same CSI driver cuts for the same provider are one, so
// that an application with several volumes is backed up as it was at one instant; annotations divide them, and rules.
func (p *planner) group(decisions []Decision) {
	members := map[groupKey][]*Decision{}
	for i := range decisions {
		each := &decisions[i]
		wanted := p.wishes[each.Claim.Key()]
		name := each.Claim.Annotations[GroupAnnotation]
		if each.Way != Snapshot || each.Claim.Handle == "" || name == alone || wanted.together == Never {
			continue
		}
		key := groupKey{each.Claim.Namespace, each.Claim.Driver, each.Provider, name, wanted.groupClass}
		members[key] = append(members[key], each)
	}
	for key, together := range members {
		if len(together) > 1 {
			p.form(key, together)
		}
	}
	p.demand(decisions)
	for i := range decisions {
		p.unused(&decisions[i])
	}
}

// demand has claims missing that a rule wants cut at one instant, and that did not become one group: as they are of several CSI
// drivers, or backed up by several providers. A claim whose own annotation says otherwise is not among them.
func (p *planner) demand(decisions []Decision) {
	type of struct{ namespace, rule, name string }
	members := map[of][]*Decision{}
	for i := range decisions {
		each := &decisions[i]
		wanted, name := p.wishes[each.Claim.Key()], each.Claim.Annotations[GroupAnnotation]
		switch {
		case wanted.together != Required || each.Verdict != Chosen:
		case each.Way != Snapshot || name == alone:
			each.Advice = fmt.Sprintf("%s.groupSnapshot demands that it is cut with others: %s", wanted.rule, p.whyAlone(each, &wanted))
		default:
			key := of{each.Claim.Namespace, wanted.rule, name}
			members[key] = append(members[key], each)
		}
	}
	for key, together := range members {
		if len(together) > 1 && !areOne(together) {
			p.refuse(together, key.rule)
		}
	}
}

// areOne tells whether claims are in one group.
func areOne(claims []*Decision) bool {
	name := claims[0].Group.Name
	return name != "" && !slices.ContainsFunc(claims, func(each *Decision) bool { return each.Group.Name != name })
}

// refuse has claims missing that are to be cut at one instant, and cannot.
func (*planner) refuse(claims []*Decision, rule string) {
	why := severally(claims)
	for _, each := range claims {
		claim := each.Claim
		*each = impossible(ReasonNoGroup, "its snapshot cannot be cut at one instant with others, as %s.groupSnapshot demands: %s", rule, why)
		each.Claim = claim
	}
}

// severally tells what claims do not have in common that are to be cut at one instant.
func severally(claims []*Decision) string {
	drivers, providers, handles := map[string]bool{}, map[string]bool{}, true
	for _, each := range claims {
		drivers[each.Claim.Driver], providers[each.Provider] = true, true
		handles = handles && each.Claim.Handle != ""
	}
	switch {
	case len(drivers) > 1:
		return "they are of the CSI drivers " + strings.Join(slices.Sorted(maps.Keys(drivers)), ", ")
	case len(providers) > 1:
		return "they are backed up by the providers " + strings.Join(slices.Sorted(maps.Keys(providers)), ", ")
	case !handles:
		return "not every volume says what the CSI driver knows it by"
	}
	return "they are of several groups"
}

// unused advises where a rule names a class for a snapshot that is not cut with others.
func (p *planner) unused(decision *Decision) {
	wanted := p.wishes[decision.Claim.Key()]
	if wanted.groupClass == "" || decision.Verdict != Chosen || decision.Group.Name != "" {
		return
	}
	decision.Advice = fmt.Sprintf("%s.groupSnapshotClass %s is not used: %s", wanted.rule, wanted.groupClass, p.whyAlone(decision, &wanted))
}

// whyAlone tells why a snapshot is not cut with others, or none is cut.
func (p *planner) whyAlone(decision *Decision, wanted *wish) string {
	_, why := p.groupClassOf(groupKey{driver: decision.Claim.Driver, class: wanted.groupClass}, wanted.rule)
	switch {
	case decision.Way != Snapshot:
		return fmt.Sprintf("its way is %s, for which %s asks", decision.Way, wanted.wayBy)
	case decision.Claim.Annotations[GroupAnnotation] == alone:
		return "its annotation " + GroupAnnotation + " has its snapshot cut by itself"
	case wanted.together == Never:
		return wanted.rule + ".groupSnapshot has its snapshot cut by itself"
	case decision.Claim.Handle == "":
		return "its snapshot is cut by itself, as its volume does not say what the CSI driver knows it by"
	case why == "":
		return "its snapshot is cut by itself, as there is no other claim with which it could be, or there are too many"
	}
	return "its snapshot is cut by itself, as " + why
}

// form makes claims a group, or says why they are none.
func (p *planner) form(key groupKey, members []*Decision) {
	rule := p.wishes[members[0].Claim.Key()].rule // Who names a class is with those for which a rule names that.
	class, why := p.groupClassOf(key, rule)
	required := slices.IndexFunc(members, func(member *Decision) bool { return p.wishes[member.Claim.Key()].together == Required })
	demand := ""
	if required >= 0 {
		demand = p.wishes[members[required].Claim.Key()].rule + ".groupSnapshot"
	}
	if len(members) > MaxGroup {
		why = fmt.Sprintf("there are %d claims of CSI driver %s in namespace %s, and a group has at most %d: divide them with the annotation %s",
			len(members), key.driver, key.namespace, MaxGroup, GroupAnnotation)
	}
	for _, member := range members {
		switch {
		case why == "":
			member.Group = Group{Name: key.String(), Class: class, Required: demand != "", Rule: demand}
			member.Message += ", cut at one instant with " + core.Count(int64(len(members)-1), "other")
		case demand != "":
			claim := member.Claim
			*member = impossible(ReasonNoGroup, "its snapshot cannot be cut at one instant with others, as %s demands: %s", demand, why)
			member.Claim = claim
		case len(p.facts.GroupClasses) > 0:
			member.Message += ", by itself: " + why
		}
	}
}

// String names the group.
func (k groupKey) String() string {
	words := []string{k.namespace, k.driver, k.provider}
	if k.name != "" || k.class != "" {
		words = append(words, k.name)
	}
	if k.class != "" {
		words = append(words, k.class)
	}
	return strings.Join(words, "/")
}

// groupClassOf returns the class with which a group is cut, by the rules for the class of a snapshot, or why there is none.
func (p *planner) groupClassOf(key groupKey, rule string) (class, why string) {
	all, defaults := classesOf(p.facts.GroupClasses, key.driver)
	switch {
	case p.facts.NoGroups != "":
		return "", p.facts.NoGroups
	case key.class != "" && !slices.Contains(all, key.class):
		return "", fmt.Sprintf("there is no VolumeGroupSnapshotClass %s, which %s.groupSnapshotClass names, of CSI driver %s", key.class, rule, key.driver)
	case key.class != "":
		return key.class, ""
	case len(defaults) == 1:
		return defaults[0], ""
	case len(all) == 1:
		return all[0], ""
	case len(all) == 0:
		return "", "there is no VolumeGroupSnapshotClass of CSI driver " + cmp.Or(key.driver, "(none)")
	}
	return "", fmt.Sprintf("there are several VolumeGroupSnapshotClasses of CSI driver %s (%s), and not one is the default: annotate one with "+
		"groupsnapshot.storage.kubernetes.io/is-default-class=true, or name it in spec.volumeRules", key.driver, strings.Join(all, ", "))
}

// Alone has a snapshot cut by itself after all, and says why.
func (d *Decision) Alone(why string) {
	d.Group = Group{}
	d.Message = fmt.Sprintf("provider %s gets a snapshot of class %s, by itself: %s", d.Provider, d.SnapshotClass, why)
}
