package volume_test

import (
	"context"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	"github.com/soda-cdm/kahu/internal/core/volumeplan"
	"github.com/soda-cdm/kahu/internal/core/volumework"
	"github.com/soda-cdm/kahu/internal/volume"
)

// leave has the provider of the test go away, and wants BackUp to give up all of its volumes without waiting for their snapshots,
// which have an hour.
func (w *world) leave(decisions []volumeplan.Decision) {
	w.Helper()
	gone := &kahuv1.Provider{ObjectMeta: metav1.ObjectMeta{Name: w.namespace}}
	if err := w.Get(w.Context(), client.ObjectKeyFromObject(gone), gone); err != nil {
		w.Fatal(err)
	}
	gone.Status.State = kahuv1.ProviderStateUnavailable
	if err := w.Status().Update(w.Context(), gone); err != nil {
		w.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(w.Context(), time.Minute)
	defer cancel()
	outcomes, err := w.volumes.BackUp(ctx, w.run, decisions, func(volumework.Progress) {})
	if err != nil {
		w.Fatalf("the provider was given up, and the run waits for snapshots that nobody wants any more: %v", err)
	}
	for _, outcome := range outcomes {
		if !strings.Contains(outcome.Message, "no sign of life") {
			w.Errorf("%+v", outcome)
		}
	}
}

// impatient is for tests in which a provider goes away before snapshots can be used.
func impatient() volume.Options { return volume.Options{Patience: time.Second, ReadyTime: time.Hour} }

// cutUnready plays a storage system that cuts snapshots, and never has one that can be used.
func (w *world) cutUnready(ctx context.Context) {
	for pause(ctx) {
		list := &unstructured.UnstructuredList{}
		list.SetAPIVersion("snapshot.storage.k8s.io/v1")
		list.SetKind("VolumeSnapshotList")
		_ = w.List(ctx, list, client.InNamespace(w.namespace))
		for i := range list.Items {
			if _, done := list.Items[i].Object["status"]; !done {
				list.Items[i].Object["status"] = map[string]any{"creationTime": clock.RealClock{}.Now().UTC().Format(time.RFC3339), "readyToUse": false}
				_ = w.Status().Update(ctx, &list.Items[i])
			}
		}
	}
}

func TestSnapshotThatNobodyWantsIsNotWaitedFor(t *testing.T) {
	w := newWorld(t, impatient())
	w.provider(w.namespace)
	w.class(w.namespace)
	decisions := w.plan(w.claim("a"))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go w.cutUnready(ctx)
	w.cutAndWant(decisions, 0)
	w.leave(decisions)
}

func TestGroupThatNobodyWantsIsNotWaitedFor(t *testing.T) {
	w, decisions := grouped(t, impatient())
	w.serveGroups(func(volumes []string) map[string]any {
		answer := cutAll(volumes)
		answer["readyToUse"] = false
		return answer
	})
	w.cutAndWant(decisions, 0)
	w.leave(decisions)
}
