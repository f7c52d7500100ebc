package restoreplan

import (
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/archive"
)

// Planner collects the objects that a restore is about. It is not safe for concurrent use, and makes one Plan.
type Planner struct {
	order  order
	rules  ownedRuleIndex
	chunks [][]Item
	claims []reference
	kinds  map[schema.GroupResource]*kindInfo
	frames map[archive.FrameRef]*archive.FrameRef
	names  map[string]string // namespaces, each once in memory
}

// reference is an owner reference, or stands for one that Kubernetes does not write.
type reference struct {
	item       *Item
	owner      ID
	controller bool
	service    bool // the owner is the Service with the item's name
}

// chunk is how many items are allocated at once; items do not move, so that they can be pointed to.
const chunk = 1024

// MaxObjects is the largest number of objects in a plan.
const MaxObjects = 1 << 27

// NewPlanner returns a planner that knows no object.
func NewPlanner() *Planner {
	return &Planner{
		order:  newOrder(),
		rules:  newOwnedRuleIndex(),
		kinds:  map[schema.GroupResource]*kindInfo{},
		frames: map[archive.FrameRef]*archive.FrameRef{},
		names:  map[string]string{},
	}
}

// Add takes the record of an object that was selected; it holds on to the name and to nothing else. Records can come
// in any order, each object once. A record without a digest that can be compared gives core.ErrInvalid.
func (p *Planner) Add(record archive.Record) error {
	item, err := p.newItem(&record)
	if err != nil {
		return fmt.Errorf("planning %s: %w", record.Key(), err)
	}
	kind := item.info.name
	if reason := alwaysControlled(kind, &record); reason != "" {
		item.skip(reason)
	}
	if namedAfterService(kind, &record) {
		p.claims = append(p.claims, reference{item: item, service: true})
	}
	for _, owner := range record.Owners {
		if owner.UID == "" {
			continue
		}
		p.claims = append(p.claims, reference{item: item, owner: IDOf(owner.UID), controller: owner.Controller})
	}
	return nil
}

// Plan returns what happens to the objects. The planner is of no use afterwards.
func (p *Planner) Plan() Plan {
	graph := p.graph()
	p.claims = nil
	graph.sort()
	return p.waves()
}

func (p *Planner) newItem(record *archive.Record) (*Item, error) {
	digits, _ := strings.CutPrefix(string(record.Digest), digestPrefix)
	digest, err := hex.DecodeString(digits)
	if err != nil || len(digest) != len(Item{}.digest) {
		return nil, fmt.Errorf("digest of %d bytes: %w", len(digest), core.ErrInvalid)
	}
	if len(p.chunks)*chunk >= MaxObjects {
		return nil, fmt.Errorf("more than %d objects: %w", MaxObjects, core.ErrInvalid)
	}
	last := len(p.chunks) - 1
	if last < 0 || len(p.chunks[last]) == chunk {
		p.chunks = append(p.chunks, make([]Item, 0, chunk))
		last++
	}
	info := p.kind(record.Kind)
	p.chunks[last] = append(p.chunks[last], Item{
		Kind: &info.Kind, info: info, Namespace: p.namespace(record.Namespace), Name: record.Name, ID: IDOf(record.UID),
		Action: Create, frame: p.frame(record.Frame), offset: record.Offset, length: record.Length,
		digest: [len(Item{}.digest)]byte(digest),
	})
	item := &p.chunks[last][len(p.chunks[last])-1]
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

// items visits all items in the order in which they were added.
func (p *Planner) items(visit func(item *Item)) {
	for _, chunk := range p.chunks {
		for i := range chunk {
			visit(&chunk[i])
		}
	}
}

// waves cuts the sorted items into waves.
func (p *Planner) waves() Plan {
	var plan Plan
	var created []*Item
	used, made := map[string]bool{}, map[string]bool{}
	p.items(func(item *Item) {
		if item.Action != Create {
			plan.Skipped = append(plan.Skipped, item)
			return
		}
		created = append(created, item)
		if item.Namespace != "" {
			used[item.Namespace] = true
		}
		if item.info.name == namespaceKind {
			made[item.Name] = true
		}
	})
	slices.SortFunc(plan.Skipped, compareKeys)
	slices.SortFunc(created, func(x, y *Item) int {
		if x.place != y.place {
			return x.place.compare(y.place)
		}
		return compareReading(x, y)
	})
	maps.DeleteFunc(used, func(name string, _ bool) bool { return made[name] })
	plan.Namespaces = slices.Sorted(maps.Keys(used))
	for len(created) > 0 {
		wave := p.wave(created)
		plan.Waves = append(plan.Waves, wave)
		created = created[len(wave.Items):]
	}
	return plan
}

// wave returns the wave at the beginning of the sorted items.
func (p *Planner) wave(sorted []*Item) Wave {
	row := p.order.rows[sorted[0].place.row]
	wave := Wave{Name: row.name, Why: row.why}
	end := 0
	for end < len(sorted) && sorted[end].place == sorted[0].place {
		wave.Definitions = wave.Definitions || sorted[end].info.name == definitionKind
		end++
	}
	wave.Items = sorted[:end:end]
	return wave
}
