package restoreplan

import (
	"cmp"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/archive"
)

// Planner collects the objects that a restore is about. It is not safe for concurrent use, and makes one Plan.
type Planner struct {
	order      order
	rules      controlRules
	items      chunks[Item]
	references chunks[reference]
	kinds      map[schema.GroupResource]*kindInfo
	frames     map[archive.FrameRef]*archive.FrameRef
	names      map[string]string // namespaces, each once in memory
}

// reference is an owner reference, or stands for one that Kubernetes does not write.
type reference struct {
	item       *Item
	owner      ID
	controller bool
	service    bool // the owner is the Service with the item's name
}

// serviceID stands for a Service by its name, and differs from all that stand for UIDs, which have no spaces.
func serviceID(namespace, name string) ID {
	return IDOf(types.UID("Service " + namespace + "/" + name))
}

// MaxObjects is the largest number of objects in a plan.
const MaxObjects = 1 << 27

// NewPlanner returns a planner that knows no object.
func NewPlanner() *Planner {
	return &Planner{
		order:  newOrder(),
		rules:  newControlRules(),
		kinds:  map[schema.GroupResource]*kindInfo{},
		frames: map[archive.FrameRef]*archive.FrameRef{},
		names:  map[string]string{},
	}
}

// Add takes the record of an object that was selected; it holds on to the name and to nothing else. Records can come
// in any order, each object once. A record without a digest that can be compared gives core.ErrInvalid.
func (p *Planner) Add(record *archive.Record) error {
	item, err := p.newItem(record)
	if err != nil {
		return fmt.Errorf("planning %s: %w", record.Key(), err)
	}
	kind := item.info.name
	if reason := p.rules.always(kind, record); reason != "" {
		item.skip(reason)
	}
	if namedAfterService(kind, record) {
		p.references.add(reference{item: item, owner: serviceID(item.Namespace, item.Name), service: true})
	}
	for _, owner := range record.Owners {
		if owner.UID == "" {
			continue
		}
		p.references.add(reference{item: item, owner: IDOf(owner.UID), controller: owner.Controller})
	}
	return nil
}

// Plan returns what happens to the objects. The planner is of no use afterwards. An object that was added twice gives
// core.ErrInvalid.
func (p *Planner) Plan() (*Plan, error) {
	items := make([]*Item, 0, p.items.length())
	p.items.each(func(item *Item) { items = append(items, item) })
	slices.SortFunc(items, compareKeys)
	for i := 1; i < len(items); i++ {
		if compareKeys(items[i-1], items[i]) == 0 {
			return nil, fmt.Errorf("planning %s twice: %w", items[i].Key(), core.ErrInvalid)
		}
	}
	p.graph(items).sort()
	return p.cut(items), nil
}

func (p *Planner) newItem(record *archive.Record) (*Item, error) {
	digits, _ := strings.CutPrefix(string(record.Digest), digestPrefix)
	digest, err := hex.DecodeString(digits)
	if err != nil || len(digest) != len(Item{}.digest) {
		return nil, fmt.Errorf("digest of %d bytes: %w", len(digest), core.ErrInvalid)
	}
	if p.items.length() >= MaxObjects {
		return nil, fmt.Errorf("more than %d objects: %w", MaxObjects, core.ErrInvalid)
	}
	info := p.kind(record.Kind)
	item := p.items.add(Item{
		Kind: &info.Kind, info: info, Namespace: p.namespace(record.Namespace), Name: record.Name, ID: IDOf(record.UID),
		Action: Create, frame: p.frame(record.Frame), offset: record.Offset, length: record.Length,
		digest: [len(Item{}.digest)]byte(digest),
	})
	item.ClusterMade = clusterMade(info.name, item.Name)
	return item, nil
}

func (i *Item) skip(reason string) {
	i.Action, i.Reason = SkipControlled, reason
}

func (p *Planner) kind(kind core.Kind) *kindInfo {
	known, found := p.kinds[kind.GroupResource()]
	if !found {
		name := kind.GroupResource().String()
		known = &kindInfo{Kind: kind, name: name, row: p.order.of(name)}
		p.kinds[kind.GroupResource()] = known
	}
	return known
}

func (p *Planner) frame(frame archive.FrameRef) *archive.FrameRef {
	known, found := p.frames[frame]
	if !found {
		known = &frame
		p.frames[frame] = known
	}
	return known
}

func (p *Planner) namespace(name string) string {
	known, found := p.names[name]
	if !found {
		known = name
		p.names[name] = known
	}
	return known
}

// cut makes waves of the items, which are in the order of their keys and have their places.
func (p *Planner) cut(items []*Item) *Plan {
	plan := &Plan{}
	created := make([]*Item, 0, len(items))
	awaited := map[string]bool{} // all namespaces, and whether they must be there
	for _, item := range items {
		if item.Action != Create {
			plan.Skipped = append(plan.Skipped, item)
			continue
		}
		created = append(created, item)
		if item.Namespace != "" {
			awaited[item.Namespace] = true
		}
	}
	for _, item := range created {
		if item.info.name == namespaceKind {
			awaited[item.Name] = false
		}
	}
	plan.Namespaces = slices.Sorted(maps.Keys(awaited))
	maps.DeleteFunc(awaited, func(_ string, is bool) bool { return !is })
	plan.Awaited = slices.Sorted(maps.Keys(awaited))
	slices.SortFunc(created, func(x, y *Item) int { return cmp.Or(x.compareWave(y), compareReading(x, y)) })
	for len(created) > 0 {
		wave := p.wave(created)
		plan.Waves = append(plan.Waves, wave)
		created = created[len(wave.Items):]
	}
	return plan
}

// compareWave orders items by their places. Of those with the same place, definitions have a wave of their own, and
// first, so that others do not wait while they are established.
func (i *Item) compareWave(other *Item) int {
	if order := i.place.compare(other.place); order != 0 || i.info == other.info {
		return order
	}
	switch definitionKind {
	case i.info.name:
		return -1
	case other.info.name:
		return 1
	}
	return 0
}

// wave returns the wave at the beginning of the sorted items.
func (p *Planner) wave(sorted []*Item) Wave {
	first := sorted[0]
	end := slices.IndexFunc(sorted, func(item *Item) bool { return first.compareWave(item) != 0 })
	if end < 0 {
		end = len(sorted)
	}
	row := p.order.rows[first.place.row]
	return Wave{
		Name: row.name, Why: row.why, Definitions: first.info.name == definitionKind, Items: sorted[:end:end],
	}
}
