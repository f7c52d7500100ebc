package e2e_test

import (
	"bytes"
	"errors"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"filippo.io/age"
	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/yaml"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	"github.com/soda-cdm/kahu/config/crd"
	"github.com/soda-cdm/kahu/internal/cluster"
	kahuinstall "github.com/soda-cdm/kahu/internal/install"
	testcluster "github.com/soda-cdm/kahu/internal/testkit/cluster"
)

// TestUpgrade puts the present definitions over those of earlier days, with the objects of that time in place: each is still
// there as it was, can be written again unchanged, and what was waiting is done.
func TestUpgrade(t *testing.T) {
	folders, err := filepath.Glob("testdata/upgrade/*")
	if err != nil || len(folders) == 0 {
		t.Fatalf("there is nothing to upgrade: %v", err)
	}
	for _, folder := range folders {
		t.Run(filepath.Base(folder), func(t *testing.T) {
			old := testcluster.Start(t)
			testcluster.InstallCRDs(t, old.Config(), filepath.Join(folder, "crd"))
			api := newAPI(t, old.Config())
			stored := api.store(filepath.Join(folder, "objects.yaml"))
			api.upgrade(old, presentDefinitions(t))
			api.areAsTheyWere(stored)
			api.canBeWrittenAgain(stored)
			startTree(t, old.Kubeconfig(), t.TempDir())
			api.awaitLocation("main", metav1.ConditionTrue)
			backup := await(api, &kahuv1.Backup{ObjectMeta: named("of-an-old-client")}, func(backup *kahuv1.Backup) bool {
				return backup.Status.Stage == kahuv1.StageFinished
			})
			if backup.Status.State != kahuv1.StateCompleted {
				t.Errorf("the backup that waited: %+v", backup.Status)
			}
			restore := await(api, &kahuv1.Restore{ObjectMeta: named("of-an-old-client")}, func(restore *kahuv1.Restore) bool {
				return restore.Status.Stage == kahuv1.StageFinished
			})
			if restore.Status.State != kahuv1.StateCompleted || !api.get(&corev1.Namespace{ObjectMeta: named("upgraded")}) {
				t.Errorf("the restore that waited: %+v", restore.Status)
			}
			finished := &kahuv1.Backup{ObjectMeta: named("finished")}
			if !api.get(finished) || finished.Status.Counts.Objects != 12 || finished.Status.State != kahuv1.StateCompleted {
				t.Errorf("a backup that was over was touched: %+v", finished.Status)
			}
		})
	}
}

// store creates the objects of a file, with their statuses, and returns them as the API server gives them.
func (a *api) store(file string) []*unstructured.Unstructured {
	a.t.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		a.t.Fatal(err)
	}
	decoder := yaml.NewYAMLOrJSONDecoder(bytes.NewReader(content), 4096)
	var stored []*unstructured.Unstructured
	for {
		object := &unstructured.Unstructured{}
		err := decoder.Decode(&object.Object)
		if errors.Is(err, io.EOF) {
			return stored
		}
		if err != nil {
			a.t.Fatal(err)
		}
		status, _, _ := unstructured.NestedMap(object.Object, "status")
		a.create(object)
		if len(status) > 0 {
			object.Object["status"] = status
			if err := a.client.Status().Update(a.t.Context(), object); err != nil {
				a.t.Fatalf("writing the status of %s: %v", object.GetName(), err)
			}
		}
		stored = append(stored, object)
	}
}

func presentDefinitions(t *testing.T) map[string][]byte {
	t.Helper()
	manifests, err := crd.Manifests()
	if err != nil {
		t.Fatal(err)
	}
	return manifests
}

// upgrade puts definitions over those that are there, as the product does.
func (a *api) upgrade(to *testcluster.Cluster, manifests map[string][]byte) {
	a.t.Helper()
	waiter, err := cluster.New(to.Config(), cluster.Options{Version: "test"})
	if err != nil {
		a.t.Fatal(err)
	}
	if err := kahuinstall.Definitions(a.t.Context(), a.client, waiter, manifests); err != nil {
		a.t.Fatal(err)
	}
}

// areAsTheyWere compares the objects with what they were, field by field: the new definitions drop nothing.
func (a *api) areAsTheyWere(stored []*unstructured.Unstructured) {
	a.t.Helper()
	for _, was := range stored {
		is := &unstructured.Unstructured{Object: map[string]any{}}
		is.SetGroupVersionKind(was.GroupVersionKind())
		is.SetName(was.GetName())
		if !a.get(is) {
			a.t.Errorf("%s %s is gone", was.GetKind(), was.GetName())
			continue
		}
		if diff := cmp.Diff(was.Object, is.Object); diff != "" {
			a.t.Errorf("%s %s: %s", was.GetKind(), was.GetName(), diff)
		}
		typed, err := a.client.Scheme().New(is.GroupVersionKind())
		if err != nil {
			a.t.Fatal(err)
		}
		if err := runtime.DefaultUnstructuredConverter.FromUnstructuredWithValidation(is.Object, typed, true); err != nil {
			a.t.Errorf("%s %s has what the programs do not know: %v", was.GetKind(), was.GetName(), err)
		}
	}
}

// canBeWrittenAgain writes each object as it is, a label that somebody adds to it, and its status.
func (a *api) canBeWrittenAgain(stored []*unstructured.Unstructured) {
	a.t.Helper()
	for _, was := range stored {
		object := was.DeepCopy()
		if err := a.client.Update(a.t.Context(), object); err != nil {
			a.t.Errorf("writing %s %s again: %v", was.GetKind(), was.GetName(), err)
			continue
		}
		object.SetLabels(map[string]string{"upgraded": "yes"})
		if err := a.client.Update(a.t.Context(), object); err != nil {
			a.t.Errorf("labelling %s %s: %v", was.GetKind(), was.GetName(), err)
			continue
		}
		if err := a.client.Status().Update(a.t.Context(), object); err != nil {
			a.t.Errorf("writing the status of %s %s again: %v", was.GetKind(), was.GetName(), err)
		}
	}
}

// laterField is what only a later release knows.
const laterField = "aFieldOfALaterRelease"

// laterDefinitions are the present ones, with a field more in every spec and every status.
func laterDefinitions(t *testing.T) map[string][]byte {
	t.Helper()
	manifests := presentDefinitions(t)
	for name, content := range manifests {
		definition := &apiextensionsv1.CustomResourceDefinition{}
		if err := yaml.Unmarshal(content, definition); err != nil {
			t.Fatal(err)
		}
		for _, version := range definition.Spec.Versions {
			for _, part := range []string{"spec", "status"} {
				schema, found := version.Schema.OpenAPIV3Schema.Properties[part]
				if !found || schema.Properties == nil {
					t.Fatalf("%s has no %s", name, part)
				}
				schema.Properties[laterField] = apiextensionsv1.JSONSchemaProps{Type: "string", MaxLength: new(int64(20))}
				version.Schema.OpenAPIV3Schema.Properties[part] = schema
			}
		}
		content, err := runtime.Encode(unstructured.UnstructuredJSONScheme, asUnstructured(t, definition))
		if err != nil {
			t.Fatal(err)
		}
		manifests[name] = content
	}
	return manifests
}

func asUnstructured(t *testing.T, definition *apiextensionsv1.CustomResourceDefinition) *unstructured.Unstructured {
	t.Helper()
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(definition)
	if err != nil {
		t.Fatal(err)
	}
	delete(content, "status")
	unstructured.RemoveNestedField(content, "metadata", "creationTimestamp")
	made := &unstructured.Unstructured{Object: content}
	made.SetGroupVersionKind(apiextensionsv1.SchemeGroupVersion.WithKind("CustomResourceDefinition"))
	return made
}

// TestFieldsOfLaterReleasesSurvive runs this release in a cluster whose definitions and objects are those of a later one: it
// does its work, and takes no field away that it does not know.
func TestFieldsOfLaterReleasesSurvive(t *testing.T) {
	later := testcluster.Start(t)
	api := newAPI(t, later.Config())
	api.upgrade(later, laterDefinitions(t))
	objects := api.store("testdata/later.yaml")
	startBareTree(t, later.Kubeconfig(), t.TempDir())
	api.awaitLocation("main", metav1.ConditionTrue)
	await(api, &kahuv1.Backup{ObjectMeta: named("nightly")}, func(backup *kahuv1.Backup) bool {
		return backup.Status.Stage == kahuv1.StageFinished && backup.Status.State == kahuv1.StateCompleted
	})
	await(api, &kahuv1.Restore{ObjectMeta: named("back")}, func(restore *kahuv1.Restore) bool {
		return restore.Status.Stage == kahuv1.StageFinished && restore.Status.State == kahuv1.StateCompleted
	})
	key, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"backup", "verify", "nightly"},
		{"restore", "undo", "back"},
		{"location", "recipient", "add", "main", key.Recipient().String()},
	} {
		command := exec.CommandContext(t.Context(), program(t, "kubectl-kahu"), append(args, "--kubeconfig", later.Kubeconfig())...)
		if out, err := command.CombinedOutput(); err != nil {
			t.Errorf("%v: %v\n%s", args, err, out)
		}
	}
	for _, object := range objects {
		if !api.get(object) {
			t.Errorf("%s %s is gone", object.GetKind(), object.GetName())
			continue
		}
		for _, part := range []string{"spec", "status"} {
			value, _, _ := unstructured.NestedString(object.Object, part, laterField)
			if value != "kept" {
				t.Errorf("%s of %s %s has lost the field: %v", part, object.GetKind(), object.GetName(),
					slices.Sorted(maps.Keys(object.Object[part].(map[string]any))))
			}
		}
	}
}
