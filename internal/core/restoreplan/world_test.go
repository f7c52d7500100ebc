package restoreplan_test

import (
	"fmt"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/types"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/archive"
	"github.com/soda-cdm/kahu/internal/core/restoreplan"
)

// thing describes a record: "plural.group namespace/name", or "plural.group name" at cluster scope.
type thing struct {
	what   string
	labels map[string]string
	// owners are other things; one with an exclamation mark before it is the controller.
	owners []string
	// frame is where the object is.
	frame int64
	// custom is set for kinds of definitions and aggregated API servers.
	custom bool
}

// record makes the record of a thing. Its UID is what describes it.
func (o thing) record() archive.Record {
	resource, path, _ := strings.Cut(o.what, " ")
	namespace, name, namespaced := strings.Cut(path, "/")
	if !namespaced {
		namespace, name = "", namespace
	}
	plural, group, _ := strings.Cut(resource, ".")
	record := archive.Record{
		Kind: core.Kind{
			Group: group, Version: "v1", Resource: plural, Name: plural, Namespaced: namespaced, Custom: o.custom,
		},
		Namespace: namespace, Name: name, UID: types.UID(o.what), Labels: o.labels,
		Digest: archive.DigestOf([]byte(o.what)),
		Frame:  archive.FrameRef{Segment: "segment", Offset: o.frame, Length: 10}, Offset: 1, Length: 2,
	}
	for _, owner := range o.owners {
		uid, controller := strings.CutPrefix(owner, "!")
		reference := core.Owner{UID: types.UID(uid), Controller: controller}
		if strings.HasPrefix(uid, "nodes ") {
			reference.APIVersion, reference.Kind = "v1", "Node"
		}
		record.Owners = append(record.Owners, reference)
	}
	return record
}

// planOf plans things.
func planOf(t *testing.T, things ...thing) *restoreplan.Plan {
	t.Helper()
	planner := restoreplan.NewPlanner()
	for _, thing := range things {
		record := thing.record()
		if err := planner.Add(&record); err != nil {
			t.Fatalf("adding %s: %v", thing.what, err)
		}
	}
	plan, err := planner.Plan()
	if err != nil {
		t.Fatalf("planning: %v", err)
	}
	return plan
}

// describe turns items into the words that describe things.
func describe(items []*restoreplan.Item) []string {
	var words []string
	for _, item := range items {
		name := item.Name
		if item.Namespace != "" {
			name = item.Namespace + "/" + name
		}
		words = append(words, item.Kind.GroupResource().String()+" "+name)
	}
	return words
}

// waves turns the waves of a plan into the words that describe things.
func waves(plan *restoreplan.Plan) [][]string {
	var all [][]string
	for _, wave := range plan.Waves {
		all = append(all, describe(wave.Items))
	}
	return all
}

// kindNamed makes the text of a thing of the kind.
func kindNamed(kind string, number int) string { return fmt.Sprintf("%s ns/%d", kind, number) }
