package crd_test

import (
	"sort"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"sigs.k8s.io/yaml"

	"github.com/soda-cdm/kahu/config/crd"
)

func TestManifests(t *testing.T) {
	want := []string{
		"backuplocations.kahu.io", "backups.kahu.io", "inspections.kahu.io", "providers.kahu.io", "restores.kahu.io", "transformsets.kahu.io",
		"volumebackupcontents.kahu.io", "volumerestorecontents.kahu.io",
	}
	var got []string
	for _, definition := range definitions(t) {
		got = append(got, definition.Name)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("definitions differ (-want +got):\n%s", diff)
	}
}

// TestBounded walks every field of ours: what has no bound could grow a status
// until it no longer fits into the cluster, and a list without a type would be
// merged in ways that nobody chose.
func TestBounded(t *testing.T) {
	for _, definition := range definitions(t) {
		for _, version := range definition.Spec.Versions {
			root := version.Schema.OpenAPIV3Schema
			for _, top := range []string{"spec", "status"} {
				part := root.Properties[top]
				checkBounded(t, definition.Spec.Names.Kind+"."+top, part)
			}
		}
	}
}

// foreign are the fields whose schema comes from Kubernetes, or that have none, as they are any JSON.
func foreign(path string) bool {
	return strings.HasSuffix(path, ".mergePatch") || strings.HasSuffix(path, ".jsonPatch[].value") ||
		strings.HasSuffix(path, ".transformSets[].spec") || strings.HasSuffix(path, ".claimTemplate") ||
		strings.HasSuffix(path, ".label") || strings.HasSuffix(path, ".labelSelector") ||
		strings.HasSuffix(path, ".conditions[]") || strings.HasSuffix(path, ".initContainers")
}

func checkBounded(t *testing.T, path string, field apiextensionsv1.JSONSchemaProps) {
	t.Helper()
	if foreign(path) {
		return
	}
	if field.Description == "" && !strings.HasSuffix(path, "[]") && !strings.HasSuffix(path, "{}") {
		t.Errorf("%s has no description", path)
	}
	switch field.Type {
	case "object":
		checkObject(t, path, field)
	case "array":
		if field.MaxItems == nil || field.XListType == nil {
			t.Errorf("%s has no maxItems or no list type", path)
		}
		checkBounded(t, path+"[]", *field.Items.Schema)
	case "string":
		if field.MaxLength == nil && len(field.Enum) == 0 && field.Format != "date-time" {
			t.Errorf("%s has no maxLength", path)
		}
	case "integer":
		if field.Minimum == nil {
			t.Errorf("%s has no minimum", path)
		}
	case "boolean":
	default:
		t.Errorf("%s has the type %q", path, field.Type)
	}
}

func checkObject(t *testing.T, path string, field apiextensionsv1.JSONSchemaProps) {
	t.Helper()
	for name, property := range field.Properties {
		checkBounded(t, path+"."+name, property)
		if property.Description != "" && !strings.HasPrefix(property.Description, name+" ") {
			t.Errorf("the description of %s.%s does not begin with its name", path, name)
		}
	}
	if field.AdditionalProperties == nil {
		return
	}
	if field.MaxProperties == nil || field.XMapType == nil {
		t.Errorf("%s has no maxProperties or no map type", path)
	}
	// The length of plain values is a rule, as their schema cannot carry a marker.
	values := *field.AdditionalProperties.Schema
	if values.Type == "string" && values.MaxLength == nil && len(field.XValidations) == 0 {
		t.Errorf("the values of %s have no maxLength", path)
	}
}

// definitions reads all definitions, by name.
func definitions(t *testing.T) []apiextensionsv1.CustomResourceDefinition {
	t.Helper()
	manifests, err := crd.Manifests()
	if err != nil {
		t.Fatal(err)
	}
	var all []apiextensionsv1.CustomResourceDefinition
	for name, content := range manifests {
		var definition apiextensionsv1.CustomResourceDefinition
		if err := yaml.UnmarshalStrict(content, &definition); err != nil {
			t.Fatalf("reading %s: %v", name, err)
		}
		all = append(all, definition)
	}
	sort.Slice(all, func(i, j int) bool { return all[i].Name < all[j].Name })
	return all
}
