package api_test

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	utiljson "k8s.io/apimachinery/pkg/util/json"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
)

// notYet are the fields that are refused when they ask for something.
var notYet = map[string]bool{
	// TestHooksAreKnown has these.
	"Backup.Spec.Hook": true, "Restore.Spec.Hook": true,
	// The fields of another subject than the one that is filled in; TestDiffIsKnown has them.
	"Inspection.Spec.RestoreName": true, "Inspection.Spec.OtherBackupName": true, "Inspection.Spec.Live": true, "Inspection.Spec.Fields": true,
}

// TestRoundTrip writes every field of every kind to the API server and reads it
// back: the definitions know all that the types know.
func TestRoundTrip(t *testing.T) {
	for name := range resources {
		t.Run(name, func(t *testing.T) {
			written := newObject(t, name)
			value := reflect.ValueOf(written).Elem()
			fill(t, name+".Spec", value.FieldByName("Spec"))
			fill(t, name+".Status", value.FieldByName("Status"))

			created := create(t, toUnstructured(t, written, name))
			created.Object["status"] = toUnstructured(t, written, name).Object["status"]
			updated, err := kind(t, name).UpdateStatus(t.Context(), created, metav1.UpdateOptions{FieldValidation: metav1.FieldValidationStrict})
			if err != nil {
				t.Fatalf("writing status: %v", err)
			}

			read := newObject(t, name)
			if err := runtime.DefaultUnstructuredConverter.FromUnstructured(updated.Object, read); err != nil {
				t.Fatalf("reading: %v", err)
			}
			if diff := cmp.Diff(written, read, cmpopts.IgnoreTypes(metav1.ObjectMeta{}, metav1.TypeMeta{})); diff != "" {
				t.Errorf("what was read differs (-written +read):\n%s", diff)
			}
			if diff := cmp.Diff(written, written.DeepCopyObject()); diff != "" {
				t.Errorf("the deep copy differs:\n%s", diff)
			}
		})
	}
}

// TestHooksAreKnown shows that the definitions know every field of hooks: a field that
// they did not know would be named.
func TestHooksAreKnown(t *testing.T) {
	step := kahuv1.ExecHook{
		Container: "db", Command: []string{"sync"}, OnError: kahuv1.HookErrorModeFail, Timeout: metav1.Duration{Duration: time.Minute},
	}
	filters := []kahuv1.ResourceFilter{{Kind: "Pod", Name: "db-.*", IsRegex: true}}
	selector := &metav1.LabelSelector{MatchLabels: map[string]string{"app": "db"}}
	backup := &kahuv1.Backup{Spec: kahuv1.BackupSpec{
		MetadataLocation: "nfs", Hook: kahuv1.BackupHook{QuiesceTimeout: metav1.Duration{Duration: time.Minute}, Resources: []kahuv1.BackupResourceHook{{
			Name: "quiesce", IncludeNamespaces: []string{"a"}, ExcludeNamespaces: []string{"b"},
			IncludeResources: filters, ExcludeResources: filters, LabelSelector: selector,
			ContinueHookIfContainerNotFound: true,
			Pre:                             []kahuv1.BackupHookStep{{Exec: &step}},
			Post:                            []kahuv1.BackupHookStep{{Exec: &step}},
		}}},
	}}
	restore := &kahuv1.Restore{Spec: kahuv1.RestoreSpec{
		BackupName: "shop", Hook: kahuv1.RestoreHook{Resources: []kahuv1.RestoreResourceHook{{
			Name: "warm", IncludeNamespaces: []string{"a"}, ExcludeNamespaces: []string{"b"},
			IncludeResources: filters, ExcludeResources: filters, LabelSelector: selector,
			ContinueHookIfContainerNotFound: true,
			Pre:                             []kahuv1.BackupHookStep{{Exec: &step}},
			Post: []kahuv1.RestoreHookStep{{
				Exec: &kahuv1.RestoreExecHook{Command: []string{"warm"}, WaitTimeout: metav1.Duration{Duration: time.Minute}},
				Init: &kahuv1.InitHook{
					InitContainers: kahuv1.JSONValue{Raw: []byte(`[{"command":["warm"],"image":"shop","name":"warm"}]`)},
					Timeout:        metav1.Duration{Duration: time.Minute},
				},
			}},
		}}},
	}}
	for name, object := range map[string]runtime.Object{"Backup": backup, "Restore": restore} {
		t.Run(name, func(t *testing.T) {
			made, err := try(t, toUnstructured(t, object, name))
			if err != nil {
				t.Fatal(err)
			}
			readBackup, readRestore := &kahuv1.Backup{}, &kahuv1.Restore{}
			var written, read any = restore.Spec.Hook, &readRestore.Spec.Hook
			into := any(readRestore)
			if name == "Backup" {
				written, read, into = backup.Spec.Hook, &readBackup.Spec.Hook, readBackup
			}
			if err := runtime.DefaultUnstructuredConverter.FromUnstructured(made.Object, into); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(written, reflect.ValueOf(read).Elem().Interface()); diff != "" {
				t.Errorf("what was read differs (-written +read):\n%s", diff)
			}
		})
	}
}

// toUnstructured returns what a client sends of an object, with its kind and a name.
func toUnstructured(t *testing.T, object runtime.Object, name string) *unstructured.Unstructured {
	t.Helper()
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(object)
	if err != nil {
		t.Fatal(err)
	}
	sent := &unstructured.Unstructured{Object: content}
	sent.SetGroupVersionKind(kahuv1.GroupVersion.WithKind(name))
	sent.SetName("round-trip")
	return sent
}

// fill gives every field below a value that the definitions accept.
func fill(t *testing.T, path string, value reflect.Value) {
	t.Helper()
	if notYet[path] || fillKnown(value) {
		return
	}
	switch is := value.Kind(); {
	case is == reflect.Struct:
		for i := range value.NumField() {
			fill(t, path+"."+value.Type().Field(i).Name, value.Field(i))
		}
	case is == reflect.Pointer:
		value.Set(reflect.New(value.Type().Elem()))
		fill(t, path, value.Elem())
	case is == reflect.Slice:
		value.Set(reflect.MakeSlice(value.Type(), 1, 1))
		fill(t, path, value.Index(0))
	case is == reflect.Map:
		entry := reflect.New(value.Type().Elem()).Elem()
		fill(t, path, entry)
		value.Set(reflect.MakeMap(value.Type()))
		value.SetMapIndex(reflect.ValueOf("key"), entry)
	case is == reflect.String:
		value.SetString("text")
	case is == reflect.Bool:
		value.SetBool(true)
	case value.CanInt():
		value.SetInt(7)
	default:
		t.Fatalf("%s: no value for %s", path, value.Type())
	}
}

// fillKnown gives a value to a field of a type of which few values are valid.
func fillKnown(value reflect.Value) bool {
	values := []any{
		metav1.NewTime(time.Date(2030, 1, 2, 3, 4, 5, 0, time.Local)),
		metav1.NewMicroTime(time.Date(2030, 1, 2, 3, 4, 5, 6000, time.Local)),
		metav1.LabelSelector{MatchLabels: map[string]string{"a": "b"}},
		metav1.Condition{
			Type: kahuv1.ConditionReady, Status: metav1.ConditionTrue, Reason: kahuv1.ReasonCompleted, ObservedGeneration: 1,
			LastTransitionTime: metav1.NewTime(time.Date(2030, 1, 2, 3, 4, 5, 0, time.Local)), Message: "text",
		},
		kahuv1.StageResources, kahuv1.StateProcessing, kahuv1.ItemStatusFailed, kahuv1.DeletionPolicyRetain, kahuv1.BackupModeAuto, kahuv1.CompressionSmallest, kahuv1.AccessReadOnly,
		// A transform has one patch, and an operation what belongs to it.
		[]kahuv1.Transform{
			{Name: "a", JSONPatch: []kahuv1.JSONPatchOperation{
				{Op: "copy", Path: "/a", From: "/b"},
				{Op: "add", Path: "/a", Value: kahuv1.JSONValue{Raw: []byte("1")}},
				{Op: "test", Path: "/a", Value: kahuv1.JSONValue{Raw: []byte(`[1,"a",{"b":null}]`)}},
			}, OnError: kahuv1.TransformErrorSkip},
			{Match: kahuv1.TransformMatch{
				Resources: []kahuv1.ResourceFilter{{Kind: "Pod", Name: "a"}}, Namespaces: []string{"a"}, Condition: "true",
				LabelSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"a": "b"}},
			}, MergePatch: kahuv1.JSONValue{Raw: []byte(`{"a":null,"b":1.5}`)}},
		},
		kahuv1.JSONValue{Raw: []byte(`{"a":[null]}`)},
		kahuv1.LocationEncryption{
			Recipients: []string{"age1recipient"}, IdentitySecretRef: kahuv1.SecretReference{Name: "identity"},
			TrustedSigners: []string{"ed25519:" + strings.Repeat("A", 43) + "="},
		},
		[]byte("any bytes"),
		kahuv1.BackupCopy{Location: "other", Name: "text", Token: "text"},
		// A rule that skips says nothing of how.
		[]kahuv1.VolumeRule{
			{Action: kahuv1.VolumeActionSkip, Namespaces: []string{"a*"}, Claims: []string{"a"}, StorageClasses: []string{"*"}, Drivers: []string{"a.b"}, VolumeMode: "Block"},
			{
				Action: kahuv1.VolumeActionBackup, Way: kahuv1.VolumeWaySnapshot, ProviderName: "a", SnapshotClass: "b",
				GroupSnapshot: kahuv1.GroupSnapshotRequired, GroupSnapshotClass: "c",
				LabelSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"a": "b"}}, Annotations: map[string]string{"a": "b"},
				MinSize: "1Gi", MaxSize: "2Gi",
			},
		},
		kahuv1.FinishedJobsKeep, kahuv1.ExistingResourcePolicyRecreate, kahuv1.PlanActionUpdate, kahuv1.UndoActionKeep,
		kahuv1.InspectionSubjectObjects, kahuv1.VolumePhaseInProgress, kahuv1.VolumeWayOffload, kahuv1.BackupVolumeSkipped, kahuv1.RestoreVolumeExisting,
		kahuv1.ProviderTypeVolume, kahuv1.ProviderStateUnavailable, kahuv1.HookErrorModeContinue,
	}
	for _, known := range values {
		if value.Type() == reflect.TypeOf(known) {
			value.Set(reflect.ValueOf(known))
			return true
		}
	}
	return false
}

// TestNullIsAValue shows that the value null of an operation is not lost: the server keeps it, and the types tell it from
// none.
func TestNullIsAValue(t *testing.T) {
	object := parse(t, "apiVersion: kahu.io/v1beta1\nkind: TransformSet\nmetadata: {generateName: null-}\n"+
		"spec: {transforms: [{jsonPatch: [{op: add, path: /a, value: null}, {op: remove, path: /a}]}]}")
	unstructured.RemoveNestedField(object.Object, "metadata", "name")
	content, err := create(t, object).MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	set := &kahuv1.TransformSet{}
	if err := utiljson.Unmarshal(content, set); err != nil {
		t.Fatal(err)
	}
	operations := set.Spec.Transforms[0].JSONPatch
	if string(operations[0].Value.Raw) != "null" || !operations[1].Value.IsZero() {
		t.Errorf("operations are %+v", operations)
	}
}

// TestDiffIsKnown shows that the definitions know the fields of a comparison.
func TestDiffIsKnown(t *testing.T) {
	for i, spec := range []kahuv1.InspectionSpec{
		{Subject: kahuv1.InspectionSubjectDiff, BackupName: "a", OtherBackupName: "b", Fields: true},
		{Subject: kahuv1.InspectionSubjectDiff, BackupName: "a", Live: true},
	} {
		object := toUnstructured(t, &kahuv1.Inspection{Spec: spec}, "Inspection")
		object.SetName("comparison-" + string(rune('a'+i)))
		created, read := create(t, object), &kahuv1.Inspection{}
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(created.Object, read); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(spec, read.Spec); diff != "" {
			t.Errorf("what was read differs (-written +read):\n%s", diff)
		}
	}
}
