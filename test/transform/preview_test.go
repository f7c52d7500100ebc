package transform_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/soda-cdm/kahu/internal/core/restoreplan"
	"github.com/soda-cdm/kahu/internal/core/selection"
	"github.com/soda-cdm/kahu/internal/engine/restore"
)

// previewed returns what a dry run says of each object of the story but those that every namespace has.
func (s *story) previewed(change func(request *restore.Request)) (rows, problems []string) {
	s.t.Helper()
	result, err := s.restore(func(request *restore.Request) {
		request.DryRun = true
		if change != nil {
			change(request)
		}
	})
	if err != nil || result.FailedTotal > 0 {
		s.t.Fatalf("previewing: %v, failed %+v", err, result.Failed)
	}
	for _, row := range result.Preview.Rows {
		if row.Key.Name == "default" || row.Key.Name == "kube-root-ca.crt" || row.Key.Resource == "events" {
			continue
		}
		name := strings.ReplaceAll(row.Key.Name, s.namespace, "NS")
		rows = append(rows, fmt.Sprintf("%s %s %t", row.Action, name, row.Checked))
	}
	return rows, result.Preview.Problems
}

// expect compares lines in whatever order.
func expect(t *testing.T, got []string, want ...string) {
	t.Helper()
	sorted := cmpopts.SortSlices(func(a, b string) bool { return a < b })
	if diff := cmp.Diff(want, got, sorted, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// A Pod that had finished is no conflict in a preview: the restore skips it.
func TestPreviewOfFinished(t *testing.T) {
	t.Parallel()
	s, _ := finishedWork(t)
	rows, _ := s.previewed(func(request *restore.Request) { request.Filters.IncludeNamespaces = []string{s.namespace} })
	for i, row := range rows {
		if strings.HasPrefix(row, "Skip migrate-") {
			rows[i] = "Skip migrate-pod false" // The pod of the job has a name of chance.
		}
	}
	expect(t, rows, "Create NS true", "Create migrate false", "Skip single false", "Skip migrate-pod false")
}

// An object or a namespace that is being deleted is no conflict in a preview: the restore waits for it. Only where the wish is
// to fail on anything that is there it is one.
func TestPreviewOfWhatIsGoing(t *testing.T) {
	t.Parallel()
	s := newStory(t)
	configMaps := kindOf("configmaps", true)
	s.create(configMaps, s.object(held), nil)
	s.create(configMaps, s.object(settings), nil)
	s.backup()
	t.Cleanup(s.free)
	if err := s.of(configMaps).Delete(t.Context(), "held", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	rows, _ := s.previewed(nil)
	expect(t, rows, "Skip NS true", "Create held false", "Skip settings true")
	rows, _ = s.previewed(func(request *restore.Request) { request.Existing = restoreplan.Fail })
	expect(t, rows, "Conflict NS true", "Conflict held true", "Conflict settings true")
	s.delete(s.namespace)
	rows, _ = s.previewed(nil)
	expect(t, rows, "Create NS false", "Create held false", "Create settings false")
}

// A namespace that the restore makes, although it is not in it, is a problem of a preview that has a name, and no conflict of each object.
func TestPreviewOfNamespaceThatIsNowhere(t *testing.T) {
	t.Parallel()
	s := newStory(t)
	s.create(kindOf("configmaps", true), s.object(settings), nil)
	s.backup()
	s.lose()
	rows, problems := s.previewed(func(request *restore.Request) {
		request.Filters.ExcludeResources = []selection.ResourceFilter{{Kind: "Namespace"}}
	})
	expect(t, rows, "Create settings false")
	expect(t, problems, "namespace "+s.namespace+" is neither in the cluster nor in the plan: it would be made without labels and annotations")
}

const (
	deputy = `{"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "deputy"}}`
	urgent = `{"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "metadata": {"name": "NS-urgent"}, "value": 7}`
	worker = `{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "worker"}, "spec": {
		"serviceAccountName": "deputy", "priorityClassName": "NS-urgent", "containers": [{"name": "a", "image": "a"}]}}`
)

// What needs an account or a class that the restore makes before is no conflict in a preview, and comes in the restore. Where the
// restore does not make it, it is one.
func TestPreviewOfWhatIsMadeBefore(t *testing.T) {
	t.Parallel()
	s := newStory(t)
	accounts, classes, pods := kindOf("serviceaccounts", true), kindOf("priorityclasses.scheduling.k8s.io.v1", false), kindOf("pods", true)
	name := s.namespace + "-urgent"
	s.create(accounts, s.object(deputy), nil)
	s.create(classes, s.object(strings.ReplaceAll(urgent, "NS", s.namespace)), nil)
	s.create(pods, s.object(strings.ReplaceAll(worker, "NS", s.namespace)), nil)
	s.backup()
	s.remove(pods, "worker")
	s.remove(accounts, "deputy")
	s.remove(classes, name)
	rows, _ := s.previewed(nil)
	expect(t, rows, "Skip NS true", "Create deputy true", "Create NS-urgent true", "Create worker false")
	without := func(request *restore.Request) {
		request.Filters.ExcludeResources = []selection.ResourceFilter{{Kind: "ServiceAccount"}}
	}
	rows, _ = s.previewed(without)
	expect(t, rows, "Skip NS true", "Create NS-urgent true", "Conflict worker true")
	s.restored(nil)
	s.read(pods, "worker", anything)
}
