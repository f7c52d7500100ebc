package faults_test

import (
	"fmt"

	"github.com/soda-cdm/kahu/internal/testkit/faultyapiserver"
	"github.com/soda-cdm/kahu/internal/testkit/faultyprovider"
)

// forced are faults that happen as soon as they can, a few times: one of the API server and one of the store.
type forced struct {
	name     string
	ofServer faultyapiserver.Faults
	ofStore  faultyprovider.Faults
}

// forcedFaults are cases with each of the faults in one of them. Those that end a run soon are with others that happen at
// once, and not with those for which it must come far.
func forcedFaults() []forced {
	const most = 3 // Fewer than there are attempts, for most calls.
	ofServer := []faultyapiserver.Faults{
		{Slow: 1},
		{Lagging: 1},
		{Reset: 1},
		{Lost: 1},
		{Cut: 1},
		{TooMany: 1},
		{Failed: 1},
		{Unavailable: 1},
		{TimedOut: 1},
		{Gone: 1},
		{Conflict: 1},
		{Stale: 1},
	}
	ofStore := []faultyprovider.Faults{
		{Denied: 1},
		{Short: 1},
		{Slow: 1},
		{Unavailable: 1},
		{Late: 1},
		{Reset: 1},
		{Stale: 1},
		{Twice: 1},
		{Disordered: 1},
		{},
		{Full: 1},
	}
	var made []forced
	for i := range max(len(ofServer), len(ofStore)) {
		each := forced{name: fmt.Sprintf("forced-%d", i)}
		if i < len(ofServer) {
			each.ofServer, each.ofServer.Most = ofServer[i], most
		}
		if i < len(ofStore) {
			each.ofStore, each.ofStore.Most = ofStore[i], most
		}
		made = append(made, each)
	}
	return made
}

// force runs the cases with forced faults, and returns how many there were.
func (w *world) force(run func(name string, seed uint64, forced *forced)) (cases int) {
	w.t.Helper()
	for i, each := range forcedFaults() {
		if w.t.Failed() {
			break
		}
		run(each.name, uint64(i), &each)
		cases++
	}
	return cases
}
