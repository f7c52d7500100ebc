package api_test

import (
	"context"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/yaml"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	"github.com/soda-cdm/kahu/internal/testkit/cluster"
)

func TestMain(m *testing.M) {
	os.Exit(cluster.Main(m, cluster.Setup(install))) //nolint:forbidigo // The exit code is that of Main.
}

// install applies our definitions and waits until they are established.
func install(tb testing.TB, config *rest.Config) {
	tb.Helper()
	cluster.InstallCRDs(tb, config, "../../config/crd")
}

// resources are the plurals of the kinds.
var resources = map[string]string{
	"Provider":       "providers",
	"BackupLocation": "backuplocations",
	"Backup":         "backups",
	"Restore":        "restores",
	"Inspection":     "inspections",
	"TransformSet":   "transformsets",

	"VolumeBackupContent":  "volumebackupcontents",
	"VolumeRestoreContent": "volumerestorecontents",
}

// parse reads a manifest, with null values as they are.
func parse(t *testing.T, manifest string) *unstructured.Unstructured {
	t.Helper()
	var content map[string]any
	if err := yaml.Unmarshal([]byte(manifest), &content); err != nil {
		t.Fatalf("reading manifest: %v", err)
	}
	object := &unstructured.Unstructured{Object: content}
	if object.GetName() == "" {
		object.SetName("anything")
	}
	return object
}

// kind returns what talks to the API server about one kind.
func kind(t *testing.T, name string) dynamic.ResourceInterface {
	t.Helper()
	client, err := dynamic.NewForConfig(cluster.Config(t))
	if err != nil {
		t.Fatalf("making client: %v", err)
	}
	return client.Resource(schema.GroupVersionResource{
		Group: kahuv1.GroupName, Version: kahuv1.GroupVersion.Version, Resource: resources[name],
	})
}

// try creates an object without keeping it, as strictly as kubectl does: a field
// that the schema does not know is an error.
func try(t *testing.T, object *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	t.Helper()
	return kind(t, object.GetKind()).Create(t.Context(), object, metav1.CreateOptions{
		DryRun: []string{metav1.DryRunAll}, FieldValidation: metav1.FieldValidationStrict,
	})
}

// refusal is one thing that the API server has against an object: the field, and
// a part of what it says.
type refusal struct{ field, says string }

// checkRefused fails unless the API server refused exactly these fields.
func checkRefused(t *testing.T, err error, want ...refusal) {
	t.Helper()
	var status apierrors.APIStatus
	if !errors.As(err, &status) || !apierrors.IsInvalid(err) {
		t.Fatalf("got %v; want it refused as invalid", err)
	}
	var got []metav1.StatusCause
	for _, cause := range status.Status().Details.Causes {
		// The server adds that rules across fields wait for the other errors.
		if !strings.Contains(cause.Message, "some validation rules were not checked") {
			got = append(got, cause)
		}
	}
	if len(got) != len(want) {
		t.Fatalf("got %d refusals, want %d: %v", len(got), len(want), err)
	}
	// The server says what is wrong with the fields of an object in no order.
	for _, each := range want {
		if !slices.ContainsFunc(got, func(cause metav1.StatusCause) bool {
			return cause.Field == each.field && strings.Contains(cause.Message, each.says)
		}) {
			t.Errorf("got %v; want among them %s: ... %s", got, each.field, each.says)
		}
	}
}

// create creates an object that goes when the test ends.
func create(t *testing.T, object *unstructured.Unstructured) *unstructured.Unstructured {
	t.Helper()
	client := kind(t, object.GetKind())
	created, err := client.Create(t.Context(), object, metav1.CreateOptions{FieldValidation: metav1.FieldValidationStrict})
	if err != nil {
		t.Fatalf("creating %s: %v", object.GetKind(), err)
	}
	t.Cleanup(func() {
		err := client.Delete(context.WithoutCancel(t.Context()), created.GetName(), metav1.DeleteOptions{})
		if err != nil {
			t.Errorf("deleting %s %s: %v", created.GetKind(), created.GetName(), err)
		}
	})
	return created
}

// update updates an object without keeping the change.
func update(t *testing.T, object *unstructured.Unstructured) error {
	t.Helper()
	_, err := kind(t, object.GetKind()).Update(t.Context(), object, metav1.UpdateOptions{
		DryRun: []string{metav1.DryRunAll}, FieldValidation: metav1.FieldValidationStrict,
	})
	return err
}
