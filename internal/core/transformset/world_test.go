package transformset_test

import (
	"encoding/json"
	"strings"
	"testing"

	utiljson "k8s.io/apimachinery/pkg/util/json"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/transformset"
)

// The kinds of the tests.
func deployments() core.Kind {
	return core.Kind{
		Group: "apps", Version: "v1", Name: "Deployment", Resource: "deployments", Singular: "deployment",
		ShortNames: []string{"deploy"}, Namespaced: true,
	}
}

func kind(name string) core.Kind {
	resource, group, _ := strings.Cut(name, ".")
	return core.Kind{Group: group, Version: "v1", Name: resource, Resource: resource, Namespaced: true}
}

// read reads an object.
func read(t *testing.T, text string) map[string]any {
	t.Helper()
	var object map[string]any
	if err := utiljson.Unmarshal([]byte(text), &object); err != nil {
		t.Fatalf("reading %s: %v", text, err)
	}
	return object
}

// one returns a set with one transform.
func one(transform transformset.Transform) []transformset.Set {
	return []transformset.Set{{Transforms: []transformset.Transform{transform}}}
}

func merge(text string) transformset.Transform {
	return transformset.Transform{MergePatch: json.RawMessage(text)}
}

func patch(operations ...transformset.Operation) transformset.Transform {
	return transformset.Transform{JSONPatch: operations}
}

func op(name, path, value string) transformset.Operation {
	return transformset.Operation{Op: name, Path: path, Value: json.RawMessage(value)}
}

// compile compiles sets that are right.
func compile(t *testing.T, sets []transformset.Set) *transformset.Program {
	t.Helper()
	program, problems := transformset.Compile(sets)
	if len(problems) > 0 {
		t.Fatalf("the sets do not compile: %v", problems)
	}
	return program
}

const deployment = `{"apiVersion": "apps/v1", "kind": "Deployment",
	"metadata": {"name": "web", "namespace": "shop", "labels": {"app": "web"}},
	"spec": {"replicas": 3, "template": {"spec": {"containers": [{"name": "c", "image": "nginx:1.25"}]}}}}`

func target() transformset.Target {
	return transformset.Target{Kind: deployments(), Namespace: "shop", Name: "web"}
}
