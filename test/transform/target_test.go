package transform_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/soda-cdm/kahu/internal/core/selection"
	"github.com/soda-cdm/kahu/internal/engine"
	"github.com/soda-cdm/kahu/internal/engine/restore"
)

const held = `{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "held", "finalizers": ["example.org/hold"]}}`

const settings = `{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}, "data": {"key": "value"}}`

// free lets the held object go, and with it what waits for that.
func (s *story) free() {
	patch := []byte(`{"metadata": {"finalizers": null}}`)
	ctx := context.WithoutCancel(s.t.Context())
	if _, err := s.of(kindOf("configmaps", true)).Patch(ctx, "held", types.MergePatchType, patch, metav1.PatchOptions{}); err != nil {
		s.t.Error(err)
	}
}

// A restore into a namespace that is being deleted waits until it is gone, and makes it again.
func TestNamespaceThatIsGoing(t *testing.T) {
	t.Parallel()
	s := newStory(t)
	s.create(kindOf("configmaps", true), s.object(held), nil)
	s.create(kindOf("configmaps", true), s.object(settings), nil)
	s.backup()
	s.delete(s.namespace)
	// It goes only when the restore has seen that it is there.
	go func() {
		<-s.waits
		s.free()
	}()
	s.restored(nil)
	s.read(kindOf("configmaps", true), "settings", anything)
	s.free()
}

// One that does not go is refused by name, before anything is written.
func TestNamespaceThatDoesNotGo(t *testing.T) {
	t.Parallel()
	s := newStory(t)
	s.create(kindOf("configmaps", true), s.object(held), nil)
	s.backup()
	s.delete(s.namespace)
	t.Cleanup(s.free)
	_, err := s.restore(func(request *restore.Request) { request.Transform.NamespaceMapping = map[string]string{} })
	invalid, is := errors.AsType[*engine.InvalidError](err)
	if !is || len(invalid.Problems) != 1 || invalid.Problems[0].Reason != restore.ReasonNamespaceTerminating ||
		!strings.Contains(invalid.Problems[0].Message, s.namespace) {
		t.Errorf("got %v; want the namespace refused by its name", err)
	}
}

// An object that is being deleted is waited for, and made again; one that stays is among the failed, by name.
func TestObjectThatIsGoing(t *testing.T) {
	t.Parallel()
	s := newStory(t)
	configMaps := kindOf("configmaps", true)
	before := s.create(configMaps, s.object(held), nil)
	s.backup()
	if err := s.of(configMaps).Delete(t.Context(), "held", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	result, err := s.restore(nil)
	if err != nil || len(result.Failed) != 1 || result.Failed[0].Key.Name != "held" ||
		!strings.Contains(result.Failed[0].Message, "example.org/hold") {
		t.Errorf("got %v and %+v; want the object failed with its finalizers named", err, result.Failed)
	}
	<-s.waits
	go func() {
		<-s.waits
		s.free()
	}()
	s.restored(nil)
	if after := s.read(configMaps, "held", anything); after.GetUID() == before.GetUID() || after.GetDeletionTimestamp() != nil {
		t.Errorf("it was not made again: %v", after.GetDeletionTimestamp())
	}
	s.free()
}

// A namespace that is neither in the restore nor in the cluster is made, and the run warns of what it lacks.
func TestNamespaceThatIsNowhere(t *testing.T) {
	t.Parallel()
	s := newStory(t)
	s.create(kindOf("configmaps", true), s.object(settings), nil)
	s.backup()
	s.lose()
	filters := selection.Filters{ExcludeResources: []selection.ResourceFilter{{Kind: "namespaces"}}}
	result := s.restored(func(request *restore.Request) { request.Filters = filters })
	s.read(kindOf("configmaps", true), "settings", anything)
	if !strings.Contains(strings.Join(result.Warnings, "\n"), "namespace "+s.namespace+" was made without") {
		t.Errorf("warnings are %q", result.Warnings)
	}
	// What is there already is not made, and not warned of.
	again := s.restored(func(request *restore.Request) { request.Filters = filters })
	if again.Counts.Created != 0 || strings.Contains(strings.Join(again.Warnings, "\n"), "was made") {
		t.Errorf("the second restore created %d, and warns of %q", again.Counts.Created, again.Warnings)
	}
}
