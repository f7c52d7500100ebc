package volumeplan

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/soda-cdm/kahu/internal/core"
)

// Annotation is the annotation of a claim that says how it is backed up.
const Annotation = "kahu.io/volume-backup"

// Plan decides about every claim, in the order of their namespaces and names.
//
// A claim's own annotation is asked first, then the rules. What they leave open is chosen so: of the locations that the
// Backup names, else of all providers that are there; those that offload before those that take snapshots before those that
// read volumes; in the order in which the Backup names the locations, else in that of the providers' names.
//
// What an earlier attempt at the run has begun is gone on with as it was decided, whatever has become since of the claim, the
// provider, the classes and the rules.
func Plan(facts Facts, settings Settings) []Decision {
	planner := &planner{facts: facts, settings: settings, providers: ordered(facts, settings), wishes: map[core.Key]wish{}}
	decisions := make([]Decision, 0, len(facts.Claims))
	begun := begunOf(facts)
	for _, claim := range facts.Claims {
		if _, is := begun[claim.Key()]; is {
			continue
		}
		decided := planner.decide(&claim)
		decided.Claim = claim
		decisions = append(decisions, decided)
	}
	planner.group(decisions)
	decisions = slices.AppendSeq(decisions, maps.Values(begun))
	slices.SortFunc(decisions, func(a, b Decision) int {
		return cmp.Or(strings.Compare(a.Claim.Namespace, b.Claim.Namespace), strings.Compare(a.Claim.Name, b.Claim.Name))
	})
	return decisions
}

type planner struct {
	facts     Facts
	settings  Settings
	providers []candidate
	wishes    map[core.Key]wish // what is wished of each claim
}

// candidate is a provider, with the location that it would be given.
type candidate struct {
	Provider

	location  string
	ambiguous []string // several locations that it could be given
}

// ordered returns the providers that may be used, the preferred ones first.
func ordered(facts Facts, settings Settings) []candidate {
	byName := map[string]Provider{}
	for _, provider := range facts.Providers {
		byName[provider.Name] = provider
	}
	var candidates []candidate
	for _, name := range settings.Locations {
		at := slices.IndexFunc(facts.Locations, func(location Location) bool { return location.Name == name })
		if at < 0 {
			continue // Whoever accepted the Backup has said so.
		}
		if provider, known := byName[facts.Locations[at].Provider]; known {
			candidates = append(candidates, candidate{Provider: provider, location: name})
		}
	}
	if len(settings.Locations) > 0 {
		return candidates
	}
	for _, provider := range facts.Providers {
		candidates = append(candidates, withLocation(provider, facts.Locations))
	}
	slices.SortFunc(candidates, func(a, b candidate) int { return strings.Compare(a.Name, b.Name) })
	return candidates
}

// withLocation gives a provider the one location that it has. Where there are several, somebody must choose, unless the data
// stays in the storage system.
func withLocation(provider Provider, locations []Location) candidate {
	var own []string
	for _, location := range locations {
		if location.Provider == provider.Name {
			own = append(own, location.Name)
		}
	}
	slices.Sort(own)
	switch {
	case len(own) == 1:
		return candidate{Provider: provider, location: own[0]}
	case len(own) > 1 && !provider.KeepsSnapshot:
		return candidate{Provider: provider, ambiguous: own}
	}
	return candidate{Provider: provider}
}

// wish is what annotation and rules say of a claim.
type wish struct {
	way                     Way
	wayBy                   string // what asks for the way: the annotation, or a field
	rule                    string // the rule that matches, by its field
	provider, snapshotClass string
	together                Together
	groupClass              string
}

func (p *planner) decide(claim *Claim) Decision {
	if decision, over := judge(claim); over {
		return decision
	}
	wanted, decision, over := p.wishOf(claim)
	if over {
		return decision
	}
	p.wishes[claim.Key()] = wanted
	return p.choose(claim, wanted)
}

// judge decides about a claim that has no data which could be backed up.
func judge(claim *Claim) (Decision, bool) {
	switch {
	case claim.Unreadable != "":
		return impossible(ReasonUnreadable, "%s; make another backup when it can be read", claim.Unreadable), true
	case claim.Gone:
		return Decision{Verdict: Skipped, Reason: ReasonGone, Message: "the claim was deleted while the backup ran"}, true
	case claim.Volume == "":
		return Decision{Verdict: Skipped, Reason: ReasonNotBound, Message: "the claim is not bound to a volume: there is no data"}, true
	}
	return Decision{}, false
}

func impossible(reason, format string, args ...any) Decision {
	return Decision{Verdict: Impossible, Reason: reason, Message: fmt.Sprintf(format, args...)}
}

// wishOf asks the annotation of the claim, and then the rules.
func (p *planner) wishOf(claim *Claim) (wish, Decision, bool) {
	way, decision, over := annotated(claim)
	if over {
		return wish{}, decision, true
	}
	wanted := wish{way: way}
	if way != "" {
		wanted.wayBy = "its annotation " + Annotation
	}
	for number := range p.settings.Rules {
		rule := &p.settings.Rules[number]
		if !rule.matches(claim) {
			continue
		}
		if rule.Action == Skip && wanted.way == "" {
			return wish{}, Decision{
				Verdict: Skipped, Reason: ReasonSkippedByRule, Message: ruleField(number) + " leaves its data out",
			}, true
		}
		if wanted.rule = ruleField(number); rule.Way != "" {
			wanted.way, wanted.wayBy = cmp.Or(wanted.way, rule.Way), cmp.Or(wanted.wayBy, wanted.rule+".way")
		}
		wanted.provider, wanted.snapshotClass = rule.Provider, rule.SnapshotClass
		wanted.together, wanted.groupClass = rule.Together, rule.GroupClass
		if wanted.way == "" && rule.cuts() {
			wanted.way, wanted.wayBy = Snapshot, wanted.rule
		}
		break
	}
	return wanted, Decision{}, false
}

func ruleField(number int) string { return fmt.Sprintf("spec.volumeRules[%d]", number) }

// byWay says which way is asked for, and by what; nothing where any will do.
func (w *wish) byWay() string {
	if w.way == "" {
		return ""
	}
	return fmt.Sprintf(" in the way %s, for which %s asks", w.way, w.wayBy)
}

// annotated returns the way that the claim itself asks for, or what it decides.
func annotated(claim *Claim) (Way, Decision, bool) {
	said := claim.Annotations[Annotation]
	switch strings.ToLower(said) {
	case "":
		return "", Decision{}, false
	case "skip":
		return "", Decision{
			Verdict: Skipped, Reason: ReasonSkippedByAnnotation, Message: "the claim is annotated " + Annotation + "=skip",
		}, true
	case "offload":
		return Offload, Decision{}, false
	case "snapshot":
		return Snapshot, Decision{}, false
	case "volume":
		return Volume, Decision{}, false
	}
	return "", impossible(ReasonUnknownWay,
		"the claim is annotated %s=%.63q: write skip, offload, snapshot or volume, or remove the annotation", Annotation, said), true
}

// choose takes the first provider that can do it in the best way that is wished. Of those that cannot, the one that comes
// closest says why.
func (p *planner) choose(claim *Claim, wanted wish) Decision {
	ways := []Way{Offload, Snapshot, Volume}
	switch {
	case wanted.way != "":
		ways = []Way{wanted.way}
	case wanted.snapshotClass != "":
		ways = []Way{Snapshot, Volume} // Who takes the volume itself has no use for a class.
	}
	closest, best := p.nobody(claim, wanted), 0
	for _, way := range ways {
		for i := range p.providers {
			candidate := &p.providers[i]
			if wanted.provider != "" && wanted.provider != candidate.Name || !candidate.works(way, claim) {
				continue
			}
			decision, near := p.try(claim, candidate, way, wanted)
			if decision.Verdict == Chosen {
				return decision
			}
			if near > best {
				closest, best = decision, near
			}
		}
	}
	return closest
}

// works tells whether a provider can back up volumes like this one in this way.
func (c *candidate) works(way Way, claim *Claim) bool {
	if len(c.Drivers) > 0 && !slices.Contains(c.Drivers, claim.Driver) {
		return false
	}
	switch way {
	case Offload:
		return c.Offloads
	case Snapshot:
		return c.NeedsSnapshot && claim.Driver != "" // No other volumes have snapshots.
	case Volume:
		return c.NeedsVolume
	}
	return false
}

// nobody is the decision where no provider could deal with such a volume.
func (p *planner) nobody(claim *Claim, wanted wish) Decision {
	what := "no volume provider can back up its volume " + claim.Volume + " (" + kindOf(claim) + ")"
	switch {
	case wanted.provider != "" && !slices.ContainsFunc(p.facts.Providers, func(each Provider) bool { return each.Name == wanted.provider }):
		what = fmt.Sprintf("there is no volume provider %s, which %s.providerName names, for its volume %s (%s)",
			wanted.provider, wanted.rule, claim.Volume, kindOf(claim))
	case wanted.provider != "":
		what = fmt.Sprintf("provider %s, which %s.providerName names, cannot back up its volume %s (%s)%s",
			wanted.provider, wanted.rule, claim.Volume, kindOf(claim), wanted.byWay())
	case wanted.way != "":
		what = fmt.Sprintf("no volume provider can back up its volume %s (%s)%s", claim.Volume, kindOf(claim), wanted.byWay())
	case len(p.settings.Locations) > 0:
		what = fmt.Sprintf("no provider of spec.volumeBackupLocations can back up its volume %s (%s)", claim.Volume, kindOf(claim))
	}
	return impossible(ReasonWithoutProvider, "%s: register a provider that can, leave the claim out with a rule of "+
		"spec.volumeRules, or set spec.enableVolumeBackup to false to back up objects only", what)
}

// kindOf says what kind of volume it is.
func kindOf(claim *Claim) string {
	if claim.Driver != "" {
		return "CSI driver " + claim.Driver
	}
	return cmp.Or(claim.Source, "of an unknown kind")
}

// How near a provider that cannot do it came.
const (
	nearUnavailable = iota + 1
	nearLocation
	nearClass
)

// try has one provider back up the volume in one way, or says why it cannot and how near it came.
func (p *planner) try(claim *Claim, by *candidate, way Way, wanted wish) (Decision, int) {
	if by.Unavailable != "" {
		return impossible(ReasonProviderUnavailable, "provider %s, which could back up its volume %s, is not available: %s",
			by.Name, claim.Volume, by.Unavailable), nearUnavailable
	}
	if len(by.ambiguous) > 0 {
		return impossible(ReasonNoLocation, "provider %s has several locations (%s): name one of them in spec.volumeBackupLocations",
			by.Name, strings.Join(by.ambiguous, ", ")), nearLocation
	}
	made := Decision{Verdict: Chosen, Way: way, Provider: by.Name, Location: by.location, KeepsSnapshot: by.KeepsSnapshot && way == Snapshot}
	if way == Offload {
		made.Reason, made.Message = ReasonOffload, "provider "+by.Name+" takes the volume itself"
		return made, 0
	}
	return p.cut(made, claim, wanted)
}

// cut has a snapshot cut for a provider that is given that, or a volume that is made from it.
func (p *planner) cut(made Decision, claim *Claim, wanted wish) (Decision, int) {
	by, way := made.Provider, made.Way
	class, refused := p.classOf(claim, wanted)
	switch {
	case refused != nil && (way == Snapshot || p.cutsSnapshots(claim)):
		return *refused, nearClass // The volume in use is not what somebody wants who could have a snapshot of it.
	case refused != nil:
		made.Reason = ReasonLive
		made.Message = fmt.Sprintf("provider %s reads the volume while it is in use, and the backup is crash-consistent at best: %s",
			by, refused.Message)
	case way == Volume:
		made.SnapshotClass, made.Reason = class, ReasonExposed
		made.Message = fmt.Sprintf("provider %s reads a volume that is made from a snapshot of class %s", by, class)
	default:
		made.SnapshotClass, made.Reason = class, ReasonSnapshot
		made.Message = fmt.Sprintf("provider %s gets a snapshot of class %s", by, class)
	}
	return made, 0
}

// cutsSnapshots tells whether there are snapshots of volumes like this one, though it may not be clear of which class.
func (p *planner) cutsSnapshots(claim *Claim) bool {
	all, _ := classesOf(p.facts.Classes, claim.Driver)
	return p.facts.NoSnapshots == "" && claim.Driver != "" && len(all) > 0
}

// classOf returns the class with which a snapshot of the volume is cut: the one that is wished, else the default one of its
// driver, else its only one.
func (p *planner) classOf(claim *Claim, wanted wish) (string, *Decision) {
	refuse := func(format string, args ...any) (string, *Decision) {
		decision := impossible(ReasonNoSnapshotClass, format, args...)
		return "", &decision
	}
	if p.facts.NoSnapshots != "" {
		return refuse("no snapshot of its volume %s can be taken: %s", claim.Volume, p.facts.NoSnapshots)
	}
	if claim.Driver == "" {
		return refuse("no snapshot of its volume %s can be taken, as it is no CSI volume (%s)", claim.Volume, kindOf(claim))
	}
	all, defaults := classesOf(p.facts.Classes, claim.Driver)
	switch {
	case wanted.snapshotClass != "" && !slices.Contains(all, wanted.snapshotClass):
		return refuse("there is no VolumeSnapshotClass %s, which %s.snapshotClass names, of its CSI driver %s",
			wanted.snapshotClass, wanted.rule, claim.Driver)
	case wanted.snapshotClass != "":
		return wanted.snapshotClass, nil
	case len(defaults) == 1:
		return defaults[0], nil
	case len(all) == 1:
		return all[0], nil
	case len(all) == 0:
		return refuse("there is no VolumeSnapshotClass of its CSI driver %s: create one", claim.Driver)
	}
	return refuse("there are several VolumeSnapshotClasses of its CSI driver %s (%s): make one of them the default with the annotation "+
		"snapshot.storage.kubernetes.io/is-default-class=true, or name one in spec.volumeRules", claim.Driver, strings.Join(all, ", "))
}

// classesOf returns the classes of a driver, in order, and those of them that are its default.
func classesOf(classes []Class, driver string) (all, defaults []string) {
	for _, class := range classes {
		if class.Driver != driver {
			continue
		}
		if all = append(all, class.Name); class.Default {
			defaults = append(defaults, class.Name)
		}
	}
	slices.Sort(all)
	return all, defaults
}
