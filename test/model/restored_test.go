package model_test

import (
	"cmp"
	"encoding/json"
	"maps"
	"reflect"
	"slices"

	"k8s.io/apimachinery/pkg/labels"

	"github.com/soda-cdm/kahu/internal/core/restoreplan"
	"github.com/soda-cdm/kahu/internal/core/selection"
	"github.com/soda-cdm/kahu/internal/core/transform"
	"github.com/soda-cdm/kahu/internal/core/transformset"
)

// restoreWish is all that a Restore says.
type restoreWish struct {
	wish

	Mapping map[string]string `json:"namespaceMapping,omitempty"`
	// Policy says what is done about what is there already.
	Policy restoreplan.Policy `json:"existingResourcePolicy"`
	// Prefix is put before the names of what is restored.
	Prefix string `json:"resourcePrefix,omitempty"`
	// Addresses and Ports of services are preserved.
	Addresses bool `json:"preserveAddresses,omitempty"`
	Ports     bool `json:"preservePorts,omitempty"`
	// Classes are the storageClassMapping.
	Classes map[string]string `json:"storageClassMapping,omitempty"`
	// Marks is a transform that gives a label; nil for none.
	Marks *marking `json:"marks,omitempty"`
}

// marking is a transform that labels the things of a kind, of some namespaces of the backup, and with a label.
type marking struct {
	Kind   string            `json:"kind"`
	In     []string          `json:"namespaces,omitempty"`
	Labels map[string]string `json:"labels,omitempty"`
}

func (m *marking) marks(t thing) bool {
	if m == nil || t.Kind != m.Kind || len(m.In) > 0 && !slices.Contains(m.In, t.Namespace) {
		return false
	}
	for key, value := range m.Labels {
		if t.Labels[key] != value {
			return false
		}
	}
	return true
}

// options is the wish in the words of the product.
func (w restoreWish) options() transform.Options {
	return transform.Options{NamespaceMapping: w.Mapping, PreserveNodePorts: w.Ports, PreserveClusterIPs: w.Addresses}
}

func (w restoreWish) transforms() []transformset.Set {
	set := transformset.Set{StorageClassMapping: w.Classes}
	if w.Marks != nil {
		made := transformset.Transform{
			Match: transformset.Match{
				Resources: []selection.ResourceFilter{{Kind: w.Marks.Kind}}, Namespaces: w.Marks.In,
			},
			MergePatch: json.RawMessage(`{"metadata": {"labels": {"marked": "yes"}}}`),
		}
		if len(w.Marks.Labels) > 0 {
			made.Match.Labels = labels.SelectorFromSet(w.Marks.Labels)
		}
		set.Transforms = []transformset.Transform{made}
	}
	return []transformset.Set{set}
}

// restored is what a restore makes of a cluster.
type restored struct {
	refused    bool // Nothing is done at all.
	things     map[string]made
	created    int
	updated    int
	existing   int
	controlled int
	failed     int
	inTheWay   int // Things that are there, where the wish is to fail then: nothing is done.
	unclaimed  int // Of those that are created, those of which nobody can say later that the cluster did not make them.

	asked  restoreWish
	chosen map[string]bool
	own    map[string]bool // the namespaces that the restore made
	ids    int
}

// made is a thing in the cluster after a restore.
type made struct {
	thing

	id int
	// isNew tells that it is as the restore created it; mapped that it, or its namespace, had another name in the backup; given
	// that the cluster, or the restore for it, made it without any content.
	isNew  bool
	mapped bool
	given  bool
	// written tells that it was there, and has the content of the backup.
	written bool
	// body is its content without owners; holders are the things that it names as its owners.
	body    map[string]any
	holders []holder
}

// holder is an owner, and which of the things of its name; 0 is one that is not there.
type holder struct {
	owner

	id int
}

// restore says what becomes of a cluster in which some things are when all that is chosen of a backup is restored into
// it.
func restore(backup []thing, asked restoreWish, cluster []thing) restored {
	result := restored{things: map[string]made{}, asked: asked, own: map[string]bool{}}
	for _, each := range cluster {
		result.set(made{thing: each, body: bodyOf(each), holders: result.holders(each, each.Namespace)})
	}
	chosen := asked.chosen(backup)
	result.chosen = chosen
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
	kept := slices.DeleteFunc(slices.Clone(create), func(each thing) bool { return result.leavesVolume(each, create) })
	result.controlled += len(create) - len(kept)
	create = kept
	if asked.wrongIn(backup) || wrongMapping(asked.Mapping, backup, create) || result.lacksClass(create) {
		result.refused = true
		return result
	}
	if asked.Policy == restoreplan.Fail {
		for _, each := range create {
			if _, there := result.things[result.renamed(each).key()]; there && !isClusterMade(each) && !result.keeps(each) {
				result.inTheWay++
			}
		}
		if result.inTheWay > 0 {
			return result
		}
	}
	result.makeHomes(create)
	// Owners are before what they own in the backup; namespaces and definitions go first.
	slices.SortStableFunc(create, func(a, b thing) int { return rank(a) - rank(b) })
	for _, each := range create {
		result.create(each)
	}
	return result
}

func rank(t thing) int {
	if t.Kind == "Namespace" || t.Kind == "CustomResourceDefinition" {
		return 0
	}
	return 1
}

func bodyOf(t thing) map[string]any {
	t.Owners = nil
	return t.content(nil)
}

func (w restoreWish) namespace(name string) string { return cmp.Or(w.Mapping[name], name) }

// called returns the name in the cluster of what has the kind, namespace and name in the backup: with a prefix another one,
// where it is restored, and is neither at cluster scope nor what the cluster makes itself.
func (r *restored) called(kind, namespace, name string) string {
	_, in := r.chosen[keyOf(kind, namespace, name)]
	if !in || !kinds[kind].Namespaced || isClusterMade(thing{Kind: kind, Name: name}) {
		return name
	}
	return r.asked.Prefix + name
}

// keeps tells whether a thing is shared with the originals of what a restore with a prefix makes.
func (r *restored) keeps(t thing) bool {
	return r.asked.Prefix != "" && r.called(t.Kind, t.Namespace, t.Name) == t.Name
}

// renamed returns the thing as it is called in the cluster, and as it calls others there.
func (r *restored) renamed(t thing) thing {
	from := t.Namespace
	t.Name = r.called(t.Kind, from, t.Name)
	t.Namespace = r.asked.namespace(from)
	if t.Kind == "Namespace" {
		t.Name = r.asked.namespace(t.Name)
	}
	t.Refers = slices.Clone(t.Refers)
	for i, each := range t.Refers {
		if each.Form == "subject" {
			t.Refers[i].Name = r.called("ServiceAccount", each.Namespace, each.Name)
			t.Refers[i].Namespace = r.asked.namespace(each.Namespace)
			continue
		}
		t.Refers[i].Name = r.called(kindOfForm(each.Form), from, each.Name)
	}
	t.Owners = slices.Clone(t.Owners)
	for i, each := range t.Owners {
		t.Owners[i].Name = r.called(each.Kind, from, each.Name)
	}
	return t
}

// kindOfForm is the kind of what a field names.
func kindOfForm(form string) string {
	switch form {
	case "env", "volume":
		return "ConfigMap"
	case "envSecret", "pull", "secret":
		return "Secret"
	case "claim":
		return "PersistentVolumeClaim"
	case "role":
		return "Role"
	case "account", "token":
		return "ServiceAccount"
	}
	return "StorageClass" // or a volume: neither gets another name.
}

// set puts a thing into the cluster, as one that was not there before.
func (r *restored) set(now made) {
	r.ids++
	now.id = r.ids
	r.things[now.key()] = now
}

// holders returns the owners of a thing in the cluster, also those that are not there.
func (r *restored) holders(t thing, namespace string) []holder {
	var found []holder
	for _, each := range t.Owners {
		found = append(found, holder{each, r.things[keyOf(each.Kind, namespace, each.Name)].id})
	}
	return found
}

// makeHomes makes the namespaces that neither are in the restore nor in the cluster.
func (r *restored) makeHomes(create []thing) {
	for _, each := range create {
		home := thing{Kind: "Namespace", Name: each.Namespace}
		_, there := r.things[r.renamed(home).key()]
		if each.Namespace == "" || there || slices.ContainsFunc(create, func(t thing) bool { return t.key() == home.key() }) {
			continue
		}
		r.makeNamespace(made{
			thing: r.renamed(home), isNew: true, given: true, body: map[string]any{"metadata": map[string]any{}},
		})
	}
}

// makeNamespace makes a namespace, in which the cluster makes an account.
func (r *restored) makeNamespace(now made) {
	r.set(now)
	r.own[now.Name] = true
	r.set(made{
		thing: thing{Kind: "ServiceAccount", Namespace: now.Name, Name: "default"}, given: true,
		body: map[string]any{"metadata": map[string]any{}},
	})
}

func (r *restored) create(each thing) {
	now := made{thing: r.renamed(each), isNew: true}
	now.mapped = now.Namespace != each.Namespace || now.Name != each.Name
	now.body = r.fresh(each, now)
	for _, holder := range r.holders(now.thing, now.Namespace) {
		if holder.id > 0 {
			now.holders = append(now.holders, holder)
		}
	}
	before, there := r.things[now.key()]
	switch {
	case there && isClusterMade(each) && r.own[now.Namespace]:
		now.id = before.id
		r.things[now.key()] = now
		r.updated++
	case there && r.keeps(each):
		r.existing++
	case there:
		r.meet(now, before)
	case each.Kind == "Namespace":
		r.makeNamespace(now)
		r.created++
	default:
		r.set(now)
		r.created++
		if isClusterMade(each) && !hasContent(now.body) {
			r.unclaimed++
		}
	}
}

// meet is what becomes of a thing that is there already.
func (r *restored) meet(now, before made) {
	if r.asked.Policy == restoreplan.Skip {
		r.existing++
		return
	}
	if r.asked.Policy == restoreplan.Fail {
		r.failed++
		return
	}
	over := now
	over.id, over.isNew, over.written = before.id, false, true
	over.body = merged(now, before)
	if len(over.holders) == 0 {
		over.holders = before.holders
	}
	switch {
	case reflect.DeepEqual(shape(over.body), shape(before.body)) && slices.Equal(over.holders, before.holders):
		r.existing++
	case r.asked.Policy == restoreplan.Update:
		r.things[now.key()] = over
		r.updated++
	case canBeDeleted(now.Kind):
		r.set(now)
		r.updated++
	default:
		r.failed++
	}
}

// canBeDeleted tells whether nothing is lost with a thing of the kind that would not be made again.
func canBeDeleted(kind string) bool {
	switch kind {
	case "Pod", "ReplicaSet", "Deployment", "ConfigMap", "Secret", "Service", "Role", "RoleBinding", "StorageClass":
		return true
	}
	return false
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
		name := cmp.Or(mapping[origin], origin)
		if other, taken := origins[name]; taken && other != origin {
			return true
		}
		origins[name] = origin
	}
	return false
}

// leavesVolume tells of a volume that is there, and not restored, as it is that of the original of a claim. Every volume is
// reserved for the same claim.
func (r *restored) leavesVolume(volume thing, create []thing) bool {
	_, there := r.things[volume.key()]
	return volume.Kind == "PersistentVolume" && there && slices.ContainsFunc(create, func(each thing) bool {
		return each.key() == keyOf("PersistentVolumeClaim", "a", "c0") && each.refersTo("volumeName") == volume.Name &&
			r.renamed(each).key() != each.key()
	})
}

// refersTo returns what the thing names in a form; empty for nothing.
func (t thing) refersTo(form string) string {
	for _, each := range t.Refers {
		if each.Form == form {
			return each.Name
		}
	}
	return ""
}

// lacksClass tells whether claims that are not there are given a class that is neither there nor restored, and that no volume
// has.
func (r *restored) lacksClass(create []thing) bool {
	lacks := false
	for from, to := range r.asked.Classes {
		used, needed, known := false, false, false
		for _, each := range create {
			class := each.refersTo("class")
			_, there := r.things[r.renamed(each).key()]
			gets := cmp.Or(r.asked.Classes[class], class)
			used = used || each.Kind == "PersistentVolumeClaim" && class == from
			needed = needed || each.Kind == "PersistentVolumeClaim" && gets == to && !there
			known = known || each.Kind == "PersistentVolume" && gets == to || each.key() == keyOf("StorageClass", "", to)
		}
		for _, each := range r.things {
			known = known || each.Kind == "PersistentVolume" && each.refersTo("class") == to
		}
		_, there := r.things[keyOf("StorageClass", "", to)]
		lacks = lacks || used && needed && !known && !there
	}
	return lacks
}

// contents are all things of the cluster, by key, with a word about each owner.
func (r *restored) contents() map[string]any {
	found := map[string]any{}
	for key, each := range maps.All(r.things) {
		content := shape(each.body)
		var owners []any
		for _, holder := range each.holders {
			word := "dead"
			if at := r.things[keyOf(holder.Kind, each.Namespace, holder.Name)].id; at > 0 && at == holder.id {
				word = "living"
			}
			owners = append(owners, map[string]any{"kind": holder.Kind, "name": holder.Name, "uid": word})
		}
		if owners != nil {
			content["owners"] = owners
		}
		found[key] = content
	}
	return found
}
