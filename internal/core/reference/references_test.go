package reference_test

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/reference"
	"github.com/soda-cdm/kahu/internal/core/selection"
)

// table has a row for each field of the API that looks like a reference.
//
//go:embed testdata/references.txt
var table []byte

// row says what becomes of a field.
type row struct {
	// how is follows, points, asks or passes.
	how string
	// used tells that the API has the field.
	used bool
}

func readTable(t *testing.T) map[string]*row {
	t.Helper()
	rows := map[string]*row{}
	for line := range bytes.Lines(table) {
		words := strings.Fields(string(line))
		if len(words) == 0 || words[0] == "#" {
			continue
		}
		if len(words) < 2 || words[1] == "passes" && len(words) < 4 {
			t.Fatalf("the row %q does not say what becomes of the field, and why", line)
		}
		if rows[words[0]] != nil {
			t.Fatalf("two rows for %s", words[0])
		}
		rows[words[0]] = &row{how: words[1]}
	}
	return rows
}

// TestEveryFieldHasARow holds the API of Kubernetes to the table: each field that looks like a reference has a row, and
// what the row says of it is what the rules do with an object in which the field is set. A field that a new version of
// the API brings fails here until somebody has decided about it.
func TestEveryFieldHasARow(t *testing.T) {
	rows := readTable(t)
	checked := map[string]int{}
	for gvk, of := range typesOfTheAPI() {
		kind := kindOf(gvk)
		if _, never := selection.Never(kind); never || gvk.Group == "extensions" {
			continue // It is not in a backup, or not in this group.
		}
		filled := &filling{values: map[string]string{}}
		value := reflect.New(of)
		filled.fill(value.Elem(), "")
		check := newChecker(t, kind, value.Interface())
		fields(of, field{rows: []string{kindName(gvk)}}, func(found field) {
			at := rowFor(rows, found)
			if at == nil {
				t.Errorf("%s looks like a reference and has no row: decide about it, and add one to testdata/references.txt", rowOf(found.rows[len(found.rows)-1]))
				return
			}
			at.used = true
			checked[at.how]++
			if does := check.does(strings.TrimPrefix(found.path, "."), filled.values[found.path]); !slices.Contains(does, at.how) {
				t.Errorf("%s %s: the table says %q, the rules do %q", kindName(gvk), found.path, at.how, does)
			}
		})
	}
	for name, row := range rows {
		if !row.used {
			t.Errorf("the API has no %s: take the row out", name)
		}
	}
	t.Logf("fields by what becomes of them: %v", checked)
	if checked["follows"] < 300 || checked["points"] < 5 || checked["asks"] < 5 {
		t.Error("the test shows too little")
	}
}

// rowFor returns the row of a field: the one that names the place from farthest outside.
func rowFor(rows map[string]*row, of field) *row {
	if strings.HasPrefix(of.path, ".status.") {
		return rows["*.status.**"]
	}
	for _, name := range of.rows {
		if found := rows[rowOf(name)]; found != nil {
			return found
		}
	}
	return nil
}

// checker tells what the rules do with the fields of one object.
type checker struct {
	needs   map[string]bool // the names that are needed
	subject reference.Subject
	asks    bool   // whether it asks for others by their labels
	points  string // the field by which it points to what is in
}

func newChecker(t *testing.T, kind core.Kind, object any) *checker {
	t.Helper()
	encoded, err := json.Marshal(object)
	if err != nil {
		t.Fatal(err)
	}
	content := map[string]any{}
	if err := json.Unmarshal(encoded, &content); err != nil {
		t.Fatal(err)
	}
	// As a cluster has it: in a namespace, unless it is at cluster scope.
	metadata, _ := content["metadata"].(map[string]any)
	metadata["namespace"] = map[bool]string{true: "shop"}[kind.Namespaced]
	made := &checker{needs: map[string]bool{}, subject: reference.Decoded(kind, content)}
	for _, need := range reference.NewRules().Needs(made.subject) {
		made.needs[need.Name] = true
	}
	noted := reference.NewInbound()
	noted.Note(made.subject)
	for _, search := range noted.Searches() {
		made.asks = made.asks || search.Resource.Resource == "clusterroles" || search.Resource.Resource == "clustertrustbundles"
	}
	made.points = pointsBy(made.subject, content)
	return made
}

// pointsBy returns the field by which an object points to pods that have all of its labels, or to any object.
func pointsBy(of reference.Subject, content map[string]any) string {
	noted := reference.NewInbound()
	labels := map[string]string{}
	for _, path := range [][]string{{"spec", "selector"}, {"spec", "selector", "matchLabels"}, {"spec", "podSelector", "matchLabels"}} {
		found, _, _ := unstructured.NestedStringMap(content, path...)
		maps.Copy(labels, found)
	}
	noted.Note(reference.Subject{
		Kind: namespaced("", "v1", "Pod", "pods"), Namespace: of.Namespace, Name: "it", Labels: labels,
	})
	link, _ := noted.Points(of, func(reference.Need) bool { return true })
	return link.Field
}

// does returns what the rules do with a field, which has a value of its own.
func (c *checker) does(path, value string) []string {
	path = strings.ReplaceAll(path, "[]", "[0]")
	does := []string{}
	if c.needs[value] {
		does = append(does, "follows")
	}
	if c.points == path {
		does = append(does, "points")
	}
	if c.asks && (strings.HasSuffix(path, "clusterRoleSelectors[0]") || strings.HasSuffix(path, "clusterTrustBundle.labelSelector")) {
		does = append(does, "asks")
	}
	if len(does) == 0 {
		does = append(does, "passes")
	}
	return does
}

// kindOf returns a kind by its Go type.
func kindOf(gvk schema.GroupVersionKind) core.Kind {
	plural, _ := meta.UnsafeGuessKindToResource(gvk)
	resource := plural.Resource
	if gvk.Kind == "Endpoints" {
		resource = "endpoints"
	}
	return core.Kind{
		Group: gvk.Group, Version: gvk.Version, Name: gvk.Kind, Resource: resource, Namespaced: !slices.Contains(clusterScoped(), gvk.Kind),
	}
}

// clusterScoped are the kinds at cluster scope, which the Go types do not tell.
func clusterScoped() []string {
	return []string{
		"APIService", "ClusterRole", "ClusterRoleBinding", "ClusterTrustBundle", "CSIDriver", "CustomResourceDefinition", "DeviceClass",
		"DeviceTaintRule", "FlowSchema", "IngressClass", "MutatingAdmissionPolicy", "MutatingAdmissionPolicyBinding",
		"MutatingWebhookConfiguration", "Namespace", "PersistentVolume", "PriorityClass", "PriorityLevelConfiguration",
		"ResourcePoolStatusRequest", "RuntimeClass", "ServiceCIDR", "StorageClass", "StorageVersionMigration", "ValidatingAdmissionPolicy",
		"ValidatingAdmissionPolicyBinding", "ValidatingWebhookConfiguration", "VolumeAttributesClass",
	}
}
