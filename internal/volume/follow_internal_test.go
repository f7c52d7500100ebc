package volume

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	"github.com/soda-cdm/kahu/internal/core/volumeplan"
	"github.com/soda-cdm/kahu/internal/core/volumework"
)

// soon bounds what would take hours if nobody noticed that a thing is gone.
const soon = time.Minute

// TestSnapshotThatGoesBeforeItIsFollowed: a snapshot that is cut, and gone before anybody waits until it can be used.
func TestSnapshotThatGoesBeforeItIsFollowed(t *testing.T) {
	t.Parallel()
	decision, _ := theClaim()
	c, _ := fakeClient(t, Options{ReadyTime: 2 * soon})
	ctx, cancel := context.WithTimeout(t.Context(), soon)
	defer cancel()
	outcomes, err := c.BackUp(ctx, theRun, []volumeplan.Decision{decision}, func(volumework.Progress) {})
	if err != nil || outcomes[0].Reason != ReasonSnapshotFailed || !strings.Contains(outcomes[0].Message, "was deleted") {
		t.Errorf("%+v, %v", outcomes, err)
	}
}

// TestGroupThatGoesBeforeItIsFollowed: the same of a group.
func TestGroupThatGoesBeforeItIsFollowed(t *testing.T) {
	t.Parallel()
	decision, _ := theClaim()
	decision.Group = volumeplan.Group{Name: "g", Class: "gs"}
	c, _ := fakeClient(t, Options{ReadyTime: 2 * soon})
	ctx, cancel := context.WithTimeout(t.Context(), soon)
	defer cancel()
	outcomes, err := c.BackUp(ctx, theRun, []volumeplan.Decision{decision}, func(volumework.Progress) {})
	if err != nil || outcomes[0].Reason != ReasonSnapshotFailed || !strings.Contains(outcomes[0].Message, "was deleted") {
		t.Errorf("%+v, %v", outcomes, err)
	}
}

// TestSnapshotThatGoesWhileItIsCut: a snapshot that goes as soon as it was asked for does not keep applications still.
func TestSnapshotThatGoesWhileItIsCut(t *testing.T) {
	t.Parallel()
	decision, key := theClaim()
	c, _ := fakeClient(t, Options{CutTime: 2 * soon})
	ctx, cancel := context.WithTimeout(t.Context(), soon)
	defer cancel()
	c.api = vanishing{c.api}
	failed, err := c.Cut(ctx, theRun, volumework.Moment{Attempt: "first"}, []volumeplan.Decision{decision})
	if err != nil || failed[key] == nil || !strings.Contains(failed[key].Error(), "was deleted") {
		t.Errorf("%v, %v", failed, err)
	}
}

// vanishing is an API server in which nothing stays that is created.
type vanishing struct{ client.WithWatch }

func (vanishing) Create(context.Context, client.Object, ...client.CreateOption) error { return nil }

// TestContentThatGoes: the content of a snapshot that is held, and not ready yet, is gone. Its snapshot says so.
func TestContentThatGoes(t *testing.T) {
	t.Parallel()
	decision, key := theClaim()
	content := heldContent("c1", "d", "h1")
	content.SetFinalizers(nil)
	there := &kahuv1.Provider{ObjectMeta: metav1.ObjectMeta{Name: decision.Provider}}
	there.Status.State = kahuv1.ProviderStateAvailable
	c, _ := fakeClient(t, Options{ReadyTime: 2 * soon}, content, there)
	ctx, cancel := context.WithTimeout(t.Context(), soon)
	defer cancel()
	made := newSnapshot(theRun, volumework.Moment{Attempt: "first"}, &decision)
	say := func(status map[string]any) error {
		made.Object["status"] = status
		return c.api.Update(ctx, made)
	}
	if err := errors.Join(c.api.Create(ctx, made), say(map[string]any{"boundVolumeSnapshotContentName": "c1", "readyToUse": false})); err != nil {
		t.Fatal(err)
	}
	held, hold := make(chan struct{}), sync.Once{}
	c.api = interceptor.NewClient(c.api, interceptor.Funcs{
		Get: func(ctx context.Context, api client.WithWatch, key client.ObjectKey, object client.Object, options ...client.GetOption) error {
			err := api.Get(ctx, key, object, options...)
			if key.Name == "c1" && err == nil {
				hold.Do(func() { close(held) })
			}
			return err
		},
	})
	lost := make(chan error, 1)
	go func() {
		<-held
		err := c.api.Delete(ctx, objectOf(contentKind, "", "c1"))
		lost <- errors.Join(err, say(map[string]any{
			"boundVolumeSnapshotContentName": "c1", "readyToUse": false, "error": map[string]any{"message": "VolumeSnapshotContent is missing"},
		}))
	}()
	outcomes, err := c.BackUp(ctx, theRun, []volumeplan.Decision{decision}, func(volumework.Progress) {})
	if err := <-lost; err != nil {
		t.Error(err)
	}
	if err != nil || outcomes[0].Reason != ReasonSnapshotFailed || !strings.Contains(outcomes[0].Message, "VolumeSnapshotContent c1") {
		t.Errorf("%s: %+v, %v", key, outcomes, err)
	}
}
