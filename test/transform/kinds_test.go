package transform_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/engine"
	"github.com/soda-cdm/kahu/internal/engine/restore"
	enginepreview "github.com/soda-cdm/kahu/internal/engine/restore/preview"
)

const twoVersions = `{"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": "wells.NS.example.org"},
	"spec": {"group": "NS.example.org", "scope": "Namespaced", "names": {"plural": "wells", "kind": "Well"}, "versions": [
	{"name": "v2", "served": true, "storage": false, "schema": {"openAPIV3Schema": {"type": "object"}}},
	{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": {"type": "object"}}}]}}`

// versioned makes an object of a kind of two versions, backs it up in the one that is preferred, and deletes it.
func versioned(t *testing.T) (s *story, definition string, kind core.Kind) {
	t.Helper()
	s = newStory(t)
	definitions := kindOf("customresourcedefinitions.apiextensions.k8s.io.v1", false)
	made := s.create(definitions, s.object(twoVersions), established)
	t.Cleanup(func() { s.clean(definitions, made.GetName()) })
	if err := s.adapter.WaitEstablished(t.Context(), []string{made.GetName()}); err != nil {
		t.Fatal(err)
	}
	kind = kindOf("wells."+s.namespace+".example.org.v2", true)
	s.create(kind, s.object(`{"apiVersion": "NS.example.org/v2", "kind": "Well", "metadata": {"name": "a"}}`), nil)
	s.backup()
	s.remove(kind, "a")
	return s, made.GetName(), kind
}

// serve changes which versions a definition serves.
func (s *story) serve(definition, versions string) {
	s.t.Helper()
	const schema = `"schema": {"openAPIV3Schema": {"type": "object"}}}`
	patch := `{"spec": {"versions": [` + strings.ReplaceAll(versions, "}", ", "+schema) + `]}}`
	_, err := s.of(kindOf("customresourcedefinitions.apiextensions.k8s.io.v1", false)).Patch(
		s.t.Context(), definition, types.MergePatchType, []byte(patch), metav1.PatchOptions{})
	if err != nil {
		s.t.Fatal(err)
	}
	if err := s.adapter.WaitEstablished(s.t.Context(), []string{definition}); err != nil {
		s.t.Fatal(err)
	}
}

// An object comes back in the version in which it was backed up where that is served, though another is preferred now.
func TestVersionThatIsNotPreferredAnyMore(t *testing.T) {
	t.Parallel()
	s, definition, kind := versioned(t)
	s.serve(definition, `{"name": "v3", "served": true, "storage": false}, {"name": "v2", "served": true, "storage": false}, {"name": "v1", "served": true, "storage": true}`)
	if result := s.restored(nil); result.Counts.Created != 1 {
		t.Errorf("counted are %+v", result.Counts)
	}
	s.read(kind, "a", anything)
}

// noLonger returns when the API server does not serve a kind any more.
func (s *story) noLonger(kind core.Kind) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), waitLimit)
	defer cancel()
	for {
		served, err := s.adapter.Serves(ctx, kind)
		if err != nil {
			s.t.Fatal(err)
		}
		if !served {
			return
		}
	}
}

// An object in a version that is not served any more comes back in another one where the definition says that its versions
// differ in their names alone. To restore it once more finds it.
func TestVersionOfAnotherName(t *testing.T) {
	t.Parallel()
	s, definition, kind := versioned(t)
	s.serve(definition, `{"name": "v2", "served": false, "storage": false}, {"name": "v1", "served": true, "storage": true}`)
	s.noLonger(kind)
	preview := s.restored(func(request *restore.Request) { request.DryRun = true })
	if preview.Preview.Counts[enginepreview.Create] != 1 {
		t.Errorf("the preview counts %v", preview.Preview.Counts)
	}
	result := s.restored(nil)
	if result.Counts.Created != 1 || len(result.Warnings) != 1 || !strings.Contains(result.Warnings[0], "restored as v1") {
		t.Errorf("counted are %+v, warnings are %q", result.Counts, result.Warnings)
	}
	s.read(kindOf("wells."+s.namespace+".example.org.v1", true), "a", anything)
	if again := s.restored(nil); again.Counts.Created > 0 || again.FailedTotal > 0 {
		t.Errorf("the second time, counted are %+v", again.Counts)
	}
}

// byWebhook makes a definition convert its versions by a webhook.
func (s *story) byWebhook(definition string) {
	s.t.Helper()
	patch := `{"spec": {"conversion": {"strategy": "Webhook", "webhook": {"conversionReviewVersions": ["v1"],
		"clientConfig": {"url": "https://127.0.0.1:1"}}}}}`
	_, err := s.of(kindOf("customresourcedefinitions.apiextensions.k8s.io.v1", false)).Patch(
		s.t.Context(), definition, types.MergePatchType, []byte(patch), metav1.PatchOptions{})
	if err != nil {
		s.t.Fatal(err)
	}
}

// A version that is not served any more is named with the number of its objects before anything is written; where that
// is allowed, the others come back. Nobody but the webhook of the definition can convert it.
func TestVersionThatIsNotServedAnyMore(t *testing.T) {
	t.Parallel()
	s, definition, kind := versioned(t)
	s.byWebhook(definition)
	s.serve(definition, `{"name": "v2", "served": false, "storage": false}, {"name": "v1", "served": true, "storage": true}`)
	s.noLonger(kind)
	_, err := s.restore(nil)
	invalid, is := errors.AsType[*engine.InvalidError](err)
	if !is || len(invalid.Problems) != 1 || invalid.Problems[0].Reason != restore.ReasonKindNotServed ||
		!strings.Contains(invalid.Problems[0].Message, "version v2") {
		t.Fatalf("got %v; want the version refused by its name", err)
	}
	result, err := s.restore(func(request *restore.Request) { request.AllowIncomplete = true })
	if err != nil || result.FailedTotal != 1 {
		t.Errorf("got %v, failed %+v; want the object among the failed", err, result.Failed)
	}
}
