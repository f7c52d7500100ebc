package backup

import (
	"testing"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	"github.com/soda-cdm/kahu/internal/core/hook"
	"github.com/soda-cdm/kahu/internal/engine/quiesce"
)

// TestStagesOfHooks: that applications are held still, and that they go on, is seen in the stage, in the very write that puts it on
// record; and a stage that was reached stays.
func TestStagesOfHooks(t *testing.T) {
	t.Parallel()
	for reached, want := range map[kahuv1.Stage][2]kahuv1.Stage{
		kahuv1.StageResources: {kahuv1.StagePreHook, kahuv1.StagePostHook},
		kahuv1.StageVolumes:   {kahuv1.StageVolumes, kahuv1.StageVolumes},
	} {
		run := completed("run", func(b *kahuv1.Backup) {
			b.Status.State, b.Status.Stage, b.Status.Attempt, b.Status.Hooks = kahuv1.StateProcessing, reached, "first", nil
		})
		c := fakeServer(t, run)
		record := &hookRecord{Controller: c, key: client.ObjectKeyFromObject(run), uid: run.UID, attempt: "first"}
		now := &kahuv1.Backup{}
		said := map[string]bool{doing(&run.Status): true}
		look := func(err error, want kahuv1.Stage) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
			if err := c.Client.Get(t.Context(), client.ObjectKeyFromObject(run), now); err != nil || now.Status.Stage != want {
				t.Errorf("from %s: %q: %v", reached, now.Status.Stage, err)
			}
			said[doing(&now.Status)] = true
		}
		plans := []hook.Plan{{Pod: hook.Pod{Namespace: "shop", Name: "db"}}}
		look(record.Begin(t.Context(), quiesce.Begun{Began: startTime, Pods: plans}), want[0])
		look(record.Held(t.Context(), quiesce.Held{From: startTime, To: startTime.Add(time.Second)}), want[1])
		if len(said) != 3 {
			t.Errorf("it says %v", said)
		}
		look(record.End(t.Context(), quiesce.Outcome{Ended: startTime}), want[1])
		if len(said) != 3 {
			t.Errorf("when hooks are over it says %q", doing(&now.Status))
		}
	}
}
