package v1beta1_test

import (
	"encoding/json"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
)

func TestSchemeKnowsEveryKind(t *testing.T) {
	scheme := runtime.NewScheme()
	if err := kahuv1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	for _, kind := range []string{"Provider", "BackupLocation", "Backup", "Restore", "Inspection", "TransformSet"} {
		for _, name := range []string{kind, kind + "List"} {
			if _, err := scheme.New(kahuv1.GroupVersion.WithKind(name)); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	if got := kahuv1.Resource("backups").String(); got != "backups.kahu.io" {
		t.Errorf("the resource is %s", got)
	}
}

// TestZeroIsNotSent: what nobody has set is not sent, so that writers of different
// parts of an object do not claim each other's fields.
func TestZeroIsNotSent(t *testing.T) {
	for name, object := range map[string]any{
		"Provider":       &kahuv1.Provider{},
		"BackupLocation": &kahuv1.BackupLocation{},
		"Backup":         &kahuv1.Backup{},
		"Restore":        &kahuv1.Restore{},
		"Inspection":     &kahuv1.Inspection{},
		"TransformSet":   &kahuv1.TransformSet{},
	} {
		t.Run(name, func(t *testing.T) {
			sent, err := json.Marshal(object)
			if err != nil {
				t.Fatal(err)
			}
			if string(sent) != "{}" {
				t.Errorf("sent %s", sent)
			}
		})
	}
}

// TestReadsWhatOldClientsSend: empty structs, zero durations and nulls.
func TestReadsWhatOldClientsSend(t *testing.T) {
	const sent = `{"metadata":{"name":"shop","creationTimestamp":null},"spec":{"metadataLocation":"nfs",
		"includeNamespaces":null,"includeResources":[{"name":null,"kind":"Pod"}],"reclaimPolicy":{},"label":null,
		"hook":{"resources":[{"name":"a","pre":[{"exec":{"command":["sync"],"timeout":"0s"}}]}]}},
		"status":{"startTimestamp":null,"validationErrors":null}}`
	var backup kahuv1.Backup
	if err := json.Unmarshal([]byte(sent), &backup); err != nil {
		t.Fatal(err)
	}
	if len(backup.Spec.Hook.Resources) != 1 || len(backup.Spec.IncludeResources) != 1 || backup.Spec.MetadataLocation != "nfs" {
		t.Errorf("read %+v", backup.Spec)
	}
	again, err := json.Marshal(backup)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(again), "null") || strings.Contains(string(again), `"0s"`) {
		t.Errorf("zero values are sent again: %s", again)
	}
}

func TestDeepCopySharesNothing(t *testing.T) {
	restore := &kahuv1.Restore{Spec: kahuv1.RestoreSpec{
		IncludeNamespaces: []string{"shop"}, NamespaceMapping: map[string]string{"shop": "copy"},
		LabelSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"a": "b"}},
	}}
	copied := restore.DeepCopy()
	copied.Spec.IncludeNamespaces[0], copied.Spec.NamespaceMapping["shop"] = "bank", "bank"
	copied.Spec.LabelSelector.MatchLabels["a"] = "c"
	got := restore.Spec.IncludeNamespaces[0] + restore.Spec.NamespaceMapping["shop"] + restore.Spec.LabelSelector.MatchLabels["a"]
	if got != "shopcopyb" {
		t.Errorf("the copy changed the original: %s", got)
	}
	if (&kahuv1.Restore{}).DeepCopy().Spec.NamespaceMapping != nil {
		t.Error("the copy of no mapping is an empty one")
	}
}

func TestConditionsAreThoseOfTheStatus(t *testing.T) {
	want := []metav1.Condition{{Type: kahuv1.ConditionReady}}
	for name, object := range map[string]interface {
		GetConditions() []metav1.Condition
		SetConditions(conditions []metav1.Condition)
	}{
		"Provider": &kahuv1.Provider{}, "BackupLocation": &kahuv1.BackupLocation{},
		"Backup": &kahuv1.Backup{}, "Restore": &kahuv1.Restore{},
	} {
		t.Run(name, func(t *testing.T) {
			object.SetConditions(want)
			sent, err := json.Marshal(object)
			if err != nil {
				t.Fatal(err)
			}
			if len(object.GetConditions()) != 1 || !strings.Contains(string(sent), `"status":{"conditions":[{"type":"Ready"`) {
				t.Errorf("got %v, sent %s", object.GetConditions(), sent)
			}
		})
	}
}
