package model_test

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
)

// quiet leaves out what controllers act upon: the cluster is real.
func quiet(things []thing) []thing {
	var kept []thing
	there := map[string]bool{}
	for _, each := range things {
		switch each.Kind {
		case "Namespace", "ConfigMap", "Deployment", "Widget", "Role", "RoleBinding":
		case "Secret":
			each.Refers = nil // Tokens are filled, or deleted.
		case "ServiceAccount":
			if each.Name == "default" {
				continue // There is one in every namespace.
			}
		default:
			continue
		}
		each.Dying = false
		// What has an owner that is not there would be deleted.
		each.Owners = slices.DeleteFunc(slices.Clone(each.Owners), func(o owner) bool { return !there[keyOf(o.Kind, each.Namespace, o.Name)] })
		there[each.key()] = true
		kept = append(kept, each)
	}
	return kept
}

// withoutOwners are the things as if nobody owned them.
func withoutOwners(things []thing) []thing {
	made := slices.Clone(things)
	for i := range made {
		made[i].Owners = nil
	}
	return made
}

func prefixed(names []string, prefix string) []string {
	var made []string
	for _, name := range names {
		if !strings.HasPrefix(name, prefix) {
			name = prefix + name
		}
		made = append(made, name)
	}
	return made
}

func renamed(things []thing, prefix string) []thing {
	made := slices.Clone(things)
	for i := range made {
		if made[i].Kind == "Namespace" {
			made[i].Name = prefix + made[i].Name
		} else {
			made[i].Namespace = prefix + made[i].Namespace
		}
		made[i].Refers = slices.Clone(made[i].Refers)
		for j := range made[i].Refers {
			switch made[i].Refers[j].Form {
			case "role":
				made[i].Refers[j].Name = "o0" // It cannot be changed in a binding that is there.
			case "subject":
				made[i].Refers[j].Namespace = prefix + made[i].Refers[j].Namespace
			}
		}
	}
	return made
}

func namespaceNames(things []thing) []string {
	var found []string
	for _, each := range things {
		if each.Kind == "Namespace" {
			found = append(found, each.Name)
		}
	}
	return found
}

// given are the things that the cluster makes of itself: the accounts of the namespaces, and the definition.
func (s *server) given(things []thing) []thing {
	s.t.Helper()
	made := []thing{{Kind: "CustomResourceDefinition", Name: "widgets.example.com"}}
	for _, name := range namespaceNames(things) {
		made = append(made, thing{Kind: "ServiceAccount", Namespace: name, Name: "default"})
		s.await(name)
	}
	return made
}

// await waits for the account of a namespace.
func (s *server) await(namespace string) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), time.Minute)
	defer cancel()
	for {
		_, err := s.adapter.Get(ctx, kinds["ServiceAccount"], namespace, "default")
		if err == nil {
			return
		}
		select {
		case <-ctx.Done():
			s.t.Fatalf("no service account in %s: %v", namespace, err)
		case <-(clock.RealClock{}).After(20 * time.Millisecond):
		}
	}
}

// put creates things.
func (s *server) put(things []thing) {
	s.t.Helper()
	uids := map[string]types.UID{}
	for _, each := range things {
		content := each.content(func(owner owner) string { return string(uids[keyOf(owner.Kind, each.Namespace, owner.Name)]) })
		delete(content, "status")
		if each.Kind == "Deployment" {
			deployable(content)
		}
		object := &unstructured.Unstructured{Object: plain(s.t, content)}
		object.SetAPIVersion(kinds[each.Kind].APIVersion())
		object.SetKind(each.Kind)
		object.SetNamespace(each.Namespace)
		object.SetName(each.Name)
		uid, err := s.adapter.Create(s.t.Context(), kinds[each.Kind], object, "test")
		if err != nil {
			s.t.Fatal(err)
		}
		uids[each.key()] = uid
	}
}

// plain is the value through JSON and back, with the types that an object has.
func plain(t *testing.T, value map[string]any) map[string]any {
	t.Helper()
	text, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	object := &unstructured.Unstructured{}
	if err := object.UnmarshalJSON([]byte(`{"apiVersion":"v1","kind":"Any"}`)); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &object.Object); err != nil {
		t.Fatal(err)
	}
	return object.Object
}

// deployable completes a Deployment, which is paused and makes no pods.
func deployable(content map[string]any) {
	spec := content["spec"].(map[string]any)
	template := spec["template"].(map[string]any)
	labels := map[string]any{"never": "matched"}
	spec["paused"], spec["replicas"], spec["selector"] = true, 0, map[string]any{"matchLabels": labels}
	template["metadata"] = map[string]any{"labels": labels}
	container := template["spec"].(map[string]any)["containers"].([]any)[0].(map[string]any)
	container["image"] = "example.com/image:1"
}

// read reads things from the cluster, without what a cluster gives.
func (s *server) read(things []thing) map[string]map[string]any {
	s.t.Helper()
	found := map[string]map[string]any{}
	for _, each := range things {
		object, err := s.adapter.Get(s.t.Context(), kinds[each.Kind], each.Namespace, each.Name)
		if err != nil {
			s.t.Errorf("%s: %v", each.key(), err)
			continue
		}
		content := map[string]any{}
		if err := json.Unmarshal(object.JSON, &content); err != nil {
			s.t.Fatal(err)
		}
		delete(content, "status")
		metadata := content["metadata"].(map[string]any)
		for _, field := range []string{"name", "namespace", "uid", "creationTimestamp", "generation"} {
			delete(metadata, field)
		}
		references, _ := metadata["ownerReferences"].([]any)
		for i, owner := range object.Owners {
			reference := references[i].(map[string]any)
			reference["uid"] = "dead"
			living, err := s.adapter.Get(s.t.Context(), kinds[owner.Kind], each.Namespace, owner.Name)
			if err == nil && living.UID == owner.UID {
				reference["uid"] = "living"
			}
		}
		found[each.key()] = content
	}
	return found
}
