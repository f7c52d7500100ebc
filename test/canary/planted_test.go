package canary_test

import (
	"encoding/base64"
	"os"
	"path/filepath"
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	"github.com/soda-cdm/kahu/internal/testkit/canary"
)

// leak is one that is planted: the same search must find it, in these places and as that value.
type leak struct {
	canary string
	where  []string
	plant  func(w *world, value string)
}

// plantedLeaks are leaks in each place to which somebody could leak something.
func plantedLeaks() []leak {
	return []leak{
		{"the value of a Secret", []string{"restores"}, (*world).leakIntoStatus},
		{"another value", []string{"events"}, (*world).leakIntoEvent},
		{"a name", []string{"metrics", "the logs", "locations"}, (*world).leakIntoMetrics},
		{"the secret key", []string{"the logs"}, func(w *world, value string) { w.say(w.logs, "signing with "+value+"\n") }},
		{"the identity", []string{"the command line"}, func(w *world, value string) { w.say(&w.printed, "identity: "+value) }},
		{"a password in a registry", []string{"the store, /backups/planted.json"}, func(w *world, value string) {
			check(w.t, os.WriteFile(filepath.Join(w.store.Root, "backups", "planted.json"), []byte(value), 0o600))
		}},
	}
}

// plantLeaks leaks on purpose, one leak after the other.
func (w *world) plantLeaks(searcher *canary.Searcher, hidden secrets) {
	w.t.Helper()
	for _, planted := range plantedLeaks() {
		w.t.Run("planted in "+planted.where[0], func(t *testing.T) {
			planted.plant(w, hidden.planted[planted.canary])
			found := leaks(t, searcher, w.gather())
			for _, where := range planted.where {
				if !slices.ContainsFunc(found, func(one canary.Finding) bool { return one.Where == where && one.Canary == planted.canary }) {
					t.Errorf("%s was planted in %s and was not found: %v", planted.canary, where, found)
				}
			}
		})
	}
}

func (w *world) say(to *lines, text string) {
	_, err := to.Write([]byte(text))
	check(w.t, err)
}

func (w *world) leakIntoStatus(value string) {
	restore := &kahuv1.Restore{}
	check(w.t, w.api.Get(w.t.Context(), client.ObjectKey{Name: "refused"}, restore))
	before := restore.DeepCopy()
	restore.Status.FailureReason = "the API server said: invalid value: " + value
	check(w.t, w.api.Status().Patch(w.t.Context(), restore, client.MergeFrom(before)))
}

// leakIntoEvent tells of an object in an event, as the API server has it.
func (w *world) leakIntoEvent(value string) {
	w.create(&eventsv1.Event{
		ObjectMeta: metav1.ObjectMeta{Namespace: metav1.NamespaceDefault, Name: "planted"},
		EventTime:  metav1.NowMicro(), ReportingController: "kahu.io/manager", ReportingInstance: "manager",
		Action: "Restore", Reason: "Refused", Type: corev1.EventTypeWarning,
		Regarding: corev1.ObjectReference{Kind: "Restore", Name: "refused"},
		Note:      `cannot write {"data":{"other":"` + base64.StdEncoding.EncodeToString([]byte(value)) + `"}}`,
	})
}

// leakIntoMetrics calls a location by a name that is secret: it is a label of what the manager counts.
func (w *world) leakIntoMetrics(value string) {
	w.create(&kahuv1.BackupLocation{
		ObjectMeta: metav1.ObjectMeta{Name: value},
		Spec:       kahuv1.BackupLocationSpec{ProviderName: "s3", Config: map[string]string{"bucket": "nowhere", "endpoint": w.store.URL}},
	})
	w.judged(value)
}
