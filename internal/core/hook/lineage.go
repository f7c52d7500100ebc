package hook

import (
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/soda-cdm/kahu/internal/core"
)

// maxOwners bounds the chain of what owns an object.
const maxOwners = 8

// hashLabel is the label of a ReplicaSet, and of its pods, whose value is the last part of its name after that of its Deployment.
const hashLabel = "pod-template-hash"

// cronDigits is how many digits at least follow the name of a CronJob in the names of its Jobs: the minute for which they are.
const cronDigits = 8

// Lineage knows what controlled objects in the cluster that was backed up, where these are restored without it: a pod without
// its ReplicaSet is still one of its Deployment. It is not safe for concurrent use while it is told something.
type Lineage struct {
	kinds  []core.Kind
	asked  map[core.Key]descendant
	known  map[types.UID]ancestor
	pass   int
	wanted map[types.UID]int // since which pass, or absent
}

// absent stands for an owner that was looked for in a whole pass and is not in the backup.
const absent = -1

// descendant is an object whose owners are asked for.
type descendant struct {
	controller core.Owner
	hash       string
}

// ancestor is an owner that is in the backup.
type ancestor struct {
	Owner

	controller core.Owner // its UID is empty where there is none
}

// NewLineage returns one that is asked about these objects, in a cluster of these kinds. It is to See all objects of the backup
// as long as there is a Next pass.
func NewLineage(kinds []core.Kind, of []core.Key) *Lineage {
	made := &Lineage{kinds: kinds, asked: map[core.Key]descendant{}, known: map[types.UID]ancestor{}, wanted: map[types.UID]int{}}
	for _, key := range of {
		made.asked[key] = descendant{}
	}
	return made
}

// Next begins a pass, and tells whether one is needed.
func (l *Lineage) Next() bool {
	needed := l.pass == 0 && len(l.asked) > 0
	for uid, since := range l.wanted {
		switch {
		case since == l.pass:
			needed = true // It may have come before it was wanted.
		case since < l.pass:
			l.wanted[uid] = absent
		}
	}
	l.pass++
	return needed
}

// See is told of an object of the backup; its content does not matter.
func (l *Lineage) See(object core.Object) {
	key := object.Key()
	controller := controllerOf(object.Owners)
	if _, asked := l.asked[key]; asked {
		l.asked[key] = descendant{controller: controller, hash: object.Labels[hashLabel]}
		l.want(controller)
	}
	if since, wanted := l.wanted[object.UID]; !wanted || since == absent {
		return
	}
	delete(l.wanted, object.UID)
	l.known[object.UID] = ancestor{Owner: Owner{Kind: object.Kind, Name: object.Name, Labels: object.Labels}, controller: controller}
	l.want(controller)
}

func controllerOf(owners []core.Owner) core.Owner {
	at := slices.IndexFunc(owners, func(owner core.Owner) bool { return owner.Controller })
	if at < 0 {
		return core.Owner{}
	}
	return owners[at]
}

func (l *Lineage) want(owner core.Owner) {
	_, known := l.known[owner.UID]
	if _, wanted := l.wanted[owner.UID]; owner.UID != "" && !known && !wanted {
		l.wanted[owner.UID] = l.pass
	}
}

// Owners returns what controlled an object, what controlled that, and so on, by their names in the backup and without UIDs: they
// are nobody's in the cluster. One that is not in the backup has no labels, and what controlled it follows from its name where it
// is a ReplicaSet or a Job.
func (l *Lineage) Owners(key core.Key) []Owner {
	if l == nil {
		return nil
	}
	found := l.asked[key]
	var chain []Owner
	controller := found.controller
	for range maxOwners {
		if controller.UID == "" {
			return chain
		}
		next, known := l.known[controller.UID]
		if !known {
			return append(chain, l.byName(controller, found.hash)...)
		}
		chain = append(chain, next.Owner)
		controller = next.controller
	}
	return chain
}

// byName returns an owner that is not in the backup, and what its name says of its own owner.
func (l *Lineage) byName(owner core.Owner, hash string) []Owner {
	version, err := schema.ParseGroupVersion(owner.APIVersion)
	kind, is := l.kind(version.Group, owner.Kind)
	if err != nil || !is {
		return nil
	}
	chain := []Owner{{Kind: kind, Name: owner.Name}}
	parent, name := parentOf(kind, owner.Name, hash)
	if above, is := l.kind(kind.Group, parent); is {
		chain = append(chain, Owner{Kind: above, Name: name})
	}
	return chain
}

// parentOf returns the kind and the name of what controls a ReplicaSet or a Job, as far as its own name says that.
func parentOf(kind core.Kind, owner, hash string) (parent, name string) {
	switch kind.GroupResource().String() {
	case "replicasets.apps":
		if own, has := strings.CutSuffix(owner, "-"+hash); has && hash != "" {
			return "Deployment", own
		}
	case "jobs.batch":
		at := strings.LastIndexByte(owner, '-')
		if minute := owner[at+1:]; at > 0 && len(minute) >= cronDigits && strings.Trim(minute, "0123456789") == "" {
			return "CronJob", owner[:at]
		}
	}
	return "", ""
}

func (l *Lineage) kind(group, name string) (core.Kind, bool) {
	at := slices.IndexFunc(l.kinds, func(kind core.Kind) bool { return kind.Group == group && kind.Name == name })
	if at < 0 {
		return core.Kind{}, false
	}
	return l.kinds[at], true
}
