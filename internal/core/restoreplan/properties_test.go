package restoreplan_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"
	"unsafe"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/types"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/archive"
	"github.com/soda-cdm/kahu/internal/core/restoreplan"
)

// randomWorld makes records of many kinds in a few namespaces.
func randomWorld(random *rand.Rand, size int) []archive.Record {
	kinds := []core.Kind{
		{Version: "v1", Resource: "configmaps", Namespaced: true},
		{Version: "v1", Resource: "namespaces"},
		{Version: "v1", Resource: "services", Namespaced: true},
		{Version: "v1", Resource: "endpoints", Namespaced: true},
		{Version: "v1", Resource: "pods", Namespaced: true},
		{Version: "v1", Resource: "persistentvolumeclaims", Namespaced: true},
		{Group: "apps", Version: "v1", Resource: "replicasets", Namespaced: true},
		{Group: "apps", Version: "v1", Resource: "statefulsets", Namespaced: true},
		{Group: "x.org", Version: "v1", Resource: "wells", Namespaced: true, Custom: true},
		{Group: "x.org", Version: "v1", Resource: "tenants", Custom: true},
		{Group: "apiextensions.k8s.io", Version: "v1", Resource: "customresourcedefinitions"},
	}
	records := make([]archive.Record, 0, size)
	taken := map[core.Key]bool{}
	for len(records) < size {
		kind := kinds[random.IntN(len(kinds))]
		record := archive.Record{
			Kind: kind, Name: fmt.Sprint("n", random.IntN(size)), Digest: archive.DigestOf(nil),
			Frame: archive.FrameRef{Segment: fmt.Sprint("s", random.IntN(3)), Offset: random.Int64N(5), Length: 1}, Length: 1,
			Offset: random.Int64N(100),
		}
		if kind.Namespaced {
			record.Namespace = []string{"a", "a-b", "ab", "b"}[random.IntN(4)]
		}
		if kind.Resource == "namespaces" {
			record.Name = []string{"a", "a-b", "ab", "c"}[random.IntN(4)]
		}
		if kind.Resource == "customresourcedefinitions" {
			record.Name = []string{"wells.x.org", "tenants.x.org", "other.x.org"}[random.IntN(3)]
		}
		if kind.Resource == "endpoints" && random.IntN(2) == 0 {
			record.Labels = map[string]string{"endpoints.kubernetes.io/managed-by": "endpoint-controller"}
		}
		if taken[record.Key()] {
			size--
			continue
		}
		taken[record.Key()] = true
		record.UID = types.UID(record.Key().String())
		records = append(records, record)
	}
	return records
}

// own gives the objects of a random world owners: any of the objects, or nobody.
func own(random *rand.Rand, records []archive.Record) {
	for i := range records {
		ownOne(random, &records[i], records)
	}
}

// ownInOrder gives them owners from those before them only, so that there are no cycles.
func ownInOrder(random *rand.Rand, records []archive.Record) {
	for i := range records {
		ownOne(random, &records[i], records[:i])
	}
}

func ownOne(random *rand.Rand, record *archive.Record, among []archive.Record) {
	for range random.IntN(3) {
		owner := core.Owner{UID: "nobody"}
		if len(among) > 0 && random.IntN(8) > 0 {
			owner = core.Owner{UID: among[random.IntN(len(among))].UID, Controller: random.IntN(2) == 0}
		}
		record.Owners = append(record.Owners, owner)
	}
}

func planRecords(t *testing.T, records []archive.Record) *restoreplan.Plan {
	t.Helper()
	planner := restoreplan.NewPlanner()
	for i := range records {
		if err := planner.Add(&records[i]); err != nil {
			t.Fatal(err)
		}
	}
	plan, err := planner.Plan()
	if err != nil {
		t.Fatal(err)
	}
	return plan
}

// positions gives each created object the number of its wave, and skipped ones -1. An object in two places fails.
func positions(t *testing.T, plan *restoreplan.Plan) map[core.Key]int {
	t.Helper()
	found := map[core.Key]int{}
	set := func(item *restoreplan.Item, number int) {
		if _, twice := found[item.Key()]; twice {
			t.Errorf("%s is in two places", item.Key())
		}
		found[item.Key()] = number
	}
	for _, item := range plan.Skipped {
		set(item, -1)
	}
	for number, wave := range plan.Waves {
		if len(wave.Items) == 0 {
			t.Errorf("wave %d of %s is empty", number, wave.Name)
		}
		for _, item := range wave.Items {
			set(item, number)
		}
	}
	return found
}

func TestRandomWorlds(t *testing.T) {
	t.Parallel()
	for seed := range uint64(300) {
		random := rand.New(rand.NewPCG(seed, 1))
		records := randomWorld(random, 2+random.IntN(60))
		ordered := seed%2 == 0
		if ordered {
			ownInOrder(random, records)
		} else {
			own(random, records)
		}
		plan := planRecords(t, records)
		if ordered {
			checkOrder(t, records, plan)
		}
		checkPlaces(t, records, plan)
		checkSorted(t, plan)
		shuffled := slices.Clone(records)
		random.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
		again := planRecords(t, shuffled)
		if diff := cmp.Diff(waves(plan), waves(again)); diff != "" {
			t.Errorf("seed %d: waves depend on the order of the records (-one +other):\n%s", seed, diff)
		}
		if diff := cmp.Diff(describe(plan.Skipped), describe(again.Skipped)); diff != "" {
			t.Errorf("seed %d: what is skipped depends on the order of the records (-one +other):\n%s", seed, diff)
		}
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

// checkPlaces expects every record in exactly one place.
func checkPlaces(t *testing.T, records []archive.Record, plan *restoreplan.Plan) {
	t.Helper()
	found := positions(t, plan)
	if len(found) != len(records) {
		t.Errorf("%d of %d objects are in the plan", len(found), len(records))
	}
	for i := range records {
		if _, planned := found[records[i].Key()]; !planned {
			t.Errorf("%s is not in the plan", records[i].Key())
		}
	}
}

// checkOrder expects what is created after its owners, its namespace and its definition, in a world without cycles of
// references. It knows two exceptions: claims do not wait for stateful sets, and a definition that waits for its own
// objects is passed over, with all that then waits for it.
func checkOrder(t *testing.T, records []archive.Record, plan *restoreplan.Plan) {
	t.Helper()
	found, byUID := positions(t, plan), map[types.UID]*archive.Record{}
	for i := range records {
		byUID[records[i].UID] = &records[i]
	}
	before := func(first, second *archive.Record) {
		one, here := found[first.Key()]
		other := found[second.Key()]
		if here && one >= 0 && other >= 0 && one >= other {
			t.Errorf("%s is in wave %d, %s in wave %d", first.Key(), one, second.Key(), other)
		}
	}
	for i := range records {
		record := &records[i]
		if record.Kind.Custom {
			definition := byUID[types.UID("customresourcedefinitions.apiextensions.k8s.io "+record.Kind.GroupResource().String())]
			if definition != nil {
				before(definition, record)
			}
		}
		if namespace := byUID[types.UID("namespaces "+record.Namespace)]; namespace != nil {
			before(namespace, record)
		}
		for _, reference := range record.Owners {
			owner := byUID[reference.UID]
			if owner == nil || owner.Namespace != "" && owner.Namespace != record.Namespace ||
				record.Kind.Resource == "customresourcedefinitions" ||
				record.Kind.Resource == "persistentvolumeclaims" && owner.Kind.Resource == "statefulsets" {
				continue
			}
			before(owner, record)
		}
	}
}

// checkSorted expects objects in the order in which segments are read, and skipped ones in the order of their keys.
func checkSorted(t *testing.T, plan *restoreplan.Plan) {
	t.Helper()
	for _, wave := range plan.Waves {
		var records []archive.Record
		for _, item := range wave.Items {
			records = append(records, item.Record())
		}
		sorted := slices.Clone(records)
		for range archive.ByFrame(sorted) {
		}
		for i := range records {
			if records[i].Frame != sorted[i].Frame || records[i].Offset != sorted[i].Offset {
				t.Errorf("object %d of a wave of %s is not in the order of frames", i, wave.Name)
			}
		}
	}
	ordered := slices.IsSortedFunc(plan.Skipped, func(x, y *restoreplan.Item) int { return x.Key().Compare(y.Key()) })
	if !ordered {
		t.Error("what is skipped is not in the order of keys")
	}
}

// FuzzPlan makes graphs of bytes: three of them are a kind, an owner and whether that is the controller.
func FuzzPlan(f *testing.F) {
	f.Add([]byte("0123456789"))
	f.Add([]byte{6, 1, 1, 6, 2, 0, 6, 0, 1, 9, 9, 9})
	kinds := []string{
		"configmaps", "pods", "replicasets.apps", "deployments.apps", "persistentvolumeclaims", "statefulsets.apps",
		"endpointslices.discovery.k8s.io", "services",
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var records []archive.Record
		name := func(at int) string { return kindNamed(kinds[int(text[at])%len(kinds)], at) }
		for at := 0; at+2 < len(text); at += 3 {
			owner := int(text[at+1]) * 3 % (len(text) - len(text)%3)
			mark := strings.Repeat("!", int(text[at+2]%2))
			thing := thing{what: name(at), owners: []string{mark + name(owner), "!nobody"}}
			records = append(records, thing.record())
		}
		plan := planRecords(t, records)
		checkPlaces(t, records, plan)
		slices.Reverse(records)
		if diff := cmp.Diff(waves(plan), waves(planRecords(t, records))); diff != "" {
			t.Errorf("waves depend on the order of the records (-one +other):\n%s", diff)
		}
	})
}

// A chain of owners as long as the plan is placed without a call for each of its links.
func TestLongChain(t *testing.T) {
	t.Parallel()
	const length = 200_000
	planner := restoreplan.NewPlanner()
	for i := range length {
		link := thing{what: fmt.Sprintf("configmaps shop/%06d", i), owners: []string{fmt.Sprintf("configmaps shop/%06d", i+1)}}
		record := link.record()
		if err := planner.Add(&record); err != nil {
			t.Fatal(err)
		}
	}
	plan, err := planner.Plan()
	if err != nil || len(plan.Waves) != length {
		t.Fatalf("%d waves, error %v", len(plan.Waves), err)
	}
	if first := plan.Waves[0].Items[0].Name; first != "199999" {
		t.Errorf("the chain begins with %s", first)
	}
}

// An object takes at most 200 bytes besides its namespace and name, also while the plan is made and where everything
// has an owner.
func TestMemory(t *testing.T) {
	const objects = 100_000
	if size := unsafe.Sizeof(restoreplan.Item{}); size > 184 {
		t.Errorf("an item takes %d bytes", size)
	}
	digest := archive.DigestOf(nil)
	measure := func() uint64 {
		var stats runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&stats)
		return stats.HeapAlloc
	}
	before := measure()
	planner := restoreplan.NewPlanner()
	names := 0
	for i := range objects {
		name := fmt.Sprintf("pod-%06d", i)
		names += len(name)
		record := archive.Record{
			Kind: core.Kind{Version: "v1", Resource: "pods", Namespaced: true}, Namespace: "shop", Name: name,
			UID: types.UID(name), Digest: digest, Labels: map[string]string{"app": name},
			Owners: []core.Owner{{UID: types.UID(fmt.Sprint("owner-", i/10)), Controller: true}},
			Frame:  archive.FrameRef{Segment: "s", Offset: int64(i / 1000), Length: 1}, Length: 1,
		}
		if err := planner.Add(&record); err != nil {
			t.Fatal(err)
		}
	}
	collected := measure() - before
	plan, err := planner.Plan()
	if err != nil {
		t.Fatal(err)
	}
	planned := measure() - before
	runtime.KeepAlive(planner)
	t.Logf("%d bytes an object collected, %d planned", collected/objects, planned/objects)
	const limit = 200*objects + 16*objects // names are allocated in steps of 8 and 16 bytes
	if collected > limit || planned > limit {
		t.Errorf("%d objects take %d bytes before the plan is made and %d afterwards; their names have %d",
			len(plan.Waves[0].Items), collected, planned, names)
	}
}

func TestEmpty(t *testing.T) {
	t.Parallel()
	plan, err := restoreplan.NewPlanner().Plan()
	if err != nil || len(plan.Waves) != 0 || len(plan.Skipped) != 0 || len(plan.Namespaces) != 0 {
		t.Errorf("plan of nothing is %+v, error %v", plan, err)
	}
	if errors.Is(err, core.ErrInvalid) {
		t.Error("nothing is invalid")
	}
}
