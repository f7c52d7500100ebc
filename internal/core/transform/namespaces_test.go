package transform_test

import (
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes/scheme"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/selection"
	"github.com/soda-cdm/kahu/internal/core/transform"
	"github.com/soda-cdm/kahu/internal/testkit/filled"
)

// TestNoNamespaceIsForgotten fills every stored kind of the API to the last field and looks for fields whose names say
// that they hold a namespace, or a selector of namespaces. A field that a new version of the API brings must be mapped,
// or be named here.
func TestNoNamespaceIsForgotten(t *testing.T) {
	t.Parallel()
	transformer := transform.New(transform.Options{NamespaceMapping: map[string]string{"shop": "stage"}})
	field := regexp.MustCompile(`(?i)namespaces?(\[\d+\])?$|namespaceSelector\.`)
	forgotten := []string{}
	kinds := 0
	for _, kind := range storedKinds(t) {
		kinds++
		transformer.Apply(kind.Kind, kind.content)
		eachText(kind.content, "", func(path, value string) {
			if field.MatchString(path) && value == "shop" && !strings.HasSuffix(path, "storageos.volumeNamespace") {
				forgotten = append(forgotten, kind.String()+" "+kind.Version+": "+path)
			}
		})
	}
	slices.Sort(forgotten)
	if diff := cmp.Diff([]string{}, forgotten); diff != "" {
		t.Errorf("namespaces that are not mapped (-want +got):\n%s", diff)
	}
	const atLeast = 100
	if kinds < atLeast {
		t.Errorf("looked at %d kinds", kinds)
	}
}

// kindWith is a kind and the content of an object of it.
type kindWith struct {
	core.Kind

	content map[string]any
}

// storedKinds returns a filled object of each kind of the API that can be in a backup, in every version.
func storedKinds(t *testing.T) []kindWith {
	t.Helper()
	types := scheme.Scheme.AllKnownTypes()
	types[apiextensionsv1.SchemeGroupVersion.WithKind("CustomResourceDefinition")] = reflect.TypeFor[apiextensionsv1.CustomResourceDefinition]()
	var made []kindWith
	for gvk, goType := range types {
		_, hasMetadata := goType.FieldByName("ObjectMeta")
		resource, _ := meta.UnsafeGuessKindToResource(gvk)
		kind := core.Kind{Group: gvk.Group, Version: gvk.Version, Name: gvk.Kind, Resource: resource.Resource}
		if _, never := selection.Never(kind); never || !hasMetadata || isQuestion(gvk) || isMoved(gvk.Group) {
			continue
		}
		value := reflect.New(goType)
		filled.Fill(value.Interface(), "shop")
		content, err := filled.JSON(value.Interface())
		if err != nil {
			t.Fatal(err)
		}
		delete(content, "status")
		withSelectors(content)
		withAccounts(content)
		made = append(made, kindWith{Kind: kind, content: content})
	}
	return made
}

// isQuestion tells whether objects of the kind are answered or acted upon, and not stored.
func isQuestion(gvk schema.GroupVersionKind) bool {
	return strings.HasSuffix(gvk.Kind, "Review") || strings.HasSuffix(gvk.Kind, "Options") ||
		slices.Contains([]string{"Binding", "Eviction", "TokenRequest", "Scale", "PodStatusResult", "DeploymentRollback"}, gvk.Kind)
}

// isMoved tells whether the group is one that no server has served for long, and whose kinds live elsewhere.
func isMoved(group string) bool { return group == "extensions" }

// withSelectors makes every selector of namespaces name one, in both ways.
func withSelectors(value any) {
	switch value := value.(type) {
	case map[string]any:
		for name, member := range value {
			if name == "namespaceSelector" {
				value[name] = map[string]any{
					"matchLabels": map[string]any{"kubernetes.io/metadata.name": "shop"},
					"matchExpressions": []any{map[string]any{
						"key": "kubernetes.io/metadata.name", "operator": "NotIn", "values": []any{"shop"},
					}},
				}
				continue
			}
			withSelectors(member)
		}
	case []any:
		for _, item := range value {
			withSelectors(item)
		}
	}
}

// withAccounts makes the subjects of bindings service accounts, which alone have namespaces.
func withAccounts(content map[string]any) {
	subjects, _ := content["subjects"].([]any)
	for _, item := range subjects {
		if subject, ok := item.(map[string]any); ok {
			subject["kind"] = "ServiceAccount"
		}
	}
}

// eachText visits all texts, with their paths.
func eachText(value any, path string, visit func(path, text string)) {
	switch value := value.(type) {
	case map[string]any:
		for name, member := range value {
			eachText(member, strings.TrimPrefix(path+"."+name, "."), visit)
		}
	case []any:
		for i, item := range value {
			eachText(item, path+"["+strconv.Itoa(i)+"]", visit)
		}
	case string:
		visit(path, value)
	}
}
