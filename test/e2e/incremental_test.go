package e2e_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	testcluster "github.com/soda-cdm/kahu/internal/testkit/cluster"
)

// in mode returns a wish for a backup of a namespace in a mode.
func inMode(mode kahuv1.BackupMode, namespace string) func(spec *kahuv1.BackupSpec) {
	return func(spec *kahuv1.BackupSpec) {
		only(namespace)(spec)
		spec.Mode = mode
	}
}

// settings returns the data of the config maps of a namespace.
func (a *api) settings(namespace string) map[string]string {
	a.t.Helper()
	list := &corev1.ConfigMapList{}
	if err := a.client.List(a.t.Context(), list, inNamespace(namespace)); err != nil {
		a.t.Fatal(err)
	}
	found := map[string]string{}
	for _, one := range list.Items {
		if one.Name != "kube-root-ca.crt" {
			found[one.Name] = fmt.Sprint(one.Data, one.Labels)
		}
	}
	return found
}

// TestIncremental makes a series of backups of a namespace that changes, and restores each.
func TestIncremental(t *testing.T) {
	w := newWorld(t)
	namespace := testcluster.Namespace(t)
	const many = 200
	for i := range many {
		w.create(&corev1.ConfigMap{ObjectMeta: in(namespace, fmt.Sprintf("settings-%03d", i)), Data: map[string]string{"a": strings.Repeat("b", 500)}})
	}
	states := map[string]map[string]string{}
	backup := func(name string, mode kahuv1.BackupMode) *kahuv1.Backup {
		t.Helper()
		states[name] = w.settings(namespace)
		return w.completedBackup(name, inMode(mode, namespace))
	}
	first := backup("first", kahuv1.BackupModeAuto)
	if got := first.Status.Incremental; first.Status.Mode != kahuv1.BackupModeFull || got == nil || got.Reason != kahuv1.ReasonNoBase {
		t.Errorf("the first one: %s, %+v", first.Status.Mode, got)
	}
	w.patch(&corev1.ConfigMap{ObjectMeta: in(namespace, "settings-007")}, `{"data":{"a":"other"}}`)
	w.patch(&corev1.ConfigMap{ObjectMeta: in(namespace, "settings-008")}, `{"metadata":{"labels":{"l":"m"}}}`)
	w.patch(&corev1.ConfigMap{ObjectMeta: in(namespace, "settings-008")}, `{"metadata":{"labels":null}}`)
	w.remove(&corev1.ConfigMap{ObjectMeta: in(namespace, "settings-009")}, &corev1.ConfigMap{ObjectMeta: in(namespace, "settings-010")})
	w.create(&corev1.ConfigMap{ObjectMeta: in(namespace, "settings-010"), Data: map[string]string{"a": "anew"}})
	second := backup("second", kahuv1.BackupModeAuto)
	got := second.Status.Incremental
	if second.Status.Mode != kahuv1.BackupModeIncremental || got == nil || got.BaseName != "first" || got.BaseUID != string(first.UID) {
		t.Fatalf("the second one: %s, %+v", second.Status.Mode, got)
	}
	// The namespace and what else has changed by itself is read, too; what is as it was is not written.
	if got.UnchangedObjects < many-4 || got.WrittenObjects < 2 || got.WrittenObjects > 4 || got.ReadObjects <= got.WrittenObjects {
		t.Errorf("the second one: %+v of %d", got, second.Status.Counts.Objects)
	}
	if got.WrittenBytes*5 > first.Status.Sizes.SegmentBytes || got.ReferredBytes == 0 {
		t.Errorf("%d bytes written, %d by the full one", got.WrittenBytes, first.Status.Sizes.SegmentBytes)
	}
	w.patch(&corev1.ConfigMap{ObjectMeta: in(namespace, "settings-011")}, `{"data":{"a":"third"}}`)
	third := backup("third", kahuv1.BackupModeIncremental)
	fourth := backup("fourth", kahuv1.BackupModeDifferential)
	if third.Status.Incremental.BaseName != "second" || fourth.Status.Incremental.BaseName != "first" {
		t.Errorf("%+v, %+v", third.Status.Incremental, fourth.Status.Incremental)
	}
	for name, state := range states {
		target := namespace + "-" + name
		w.completedRestore(name, name, func(spec *kahuv1.RestoreSpec) { spec.NamespaceMapping = map[string]string{namespace: target} })
		if diff := cmp.Diff(state, w.settings(target)); diff != "" {
			t.Errorf("restored from %s (-then +now):\n%s", name, diff)
		}
	}
	w.awaitEvents(first, "Normal MadeFull")
}

// TestIncrementalVerified: what an incremental backup refers to is read back with it, and damage in a segment of the base is
// damage of both.
func TestIncrementalVerified(t *testing.T) {
	w := newWorld(t)
	namespace := testcluster.Namespace(t)
	for i := range 5 {
		w.create(&corev1.ConfigMap{ObjectMeta: in(namespace, fmt.Sprintf("settings-%d", i)), Data: map[string]string{"a": "b"}})
	}
	base := w.completedBackup("base", inMode(kahuv1.BackupModeFull, namespace))
	w.completedBackup("verified", inMode(kahuv1.BackupModeIncremental, namespace))
	made := w.askToVerify("whole", "")
	if !meta.IsStatusConditionTrue(made.Status.Conditions, kahuv1.ConditionVerified) || made.Status.Verification.Objects != made.Status.Counts.Objects {
		t.Errorf("%+v", made.Status.Verification)
	}
	for _, name := range w.store.names() {
		if strings.Contains(name, "/segments/"+base.Status.Attempt+"-") {
			content := w.store.read(name)
			content[len(content)/2] ^= 1
			w.store.write(name, content)
		}
	}
	if made = w.askToVerify("damaged", ""); reason(made.Status.Conditions, kahuv1.ConditionVerified) != kahuv1.ReasonArchiveCorrupt {
		t.Errorf("%+v", made.Status.Verification)
	}
}

// TestIncrementalAfterADefinitionChanged: objects read as they are served, also those that nobody has written since.
func TestIncrementalAfterADefinitionChanged(t *testing.T) {
	w := newWorld(t)
	namespace := testcluster.Namespace(t)
	group := namespace + ".example.com"
	w.define(group)
	w.create(newWidget(group, namespace, "one"))
	w.completedBackup("before", inMode(kahuv1.BackupModeFull, namespace))
	same := w.completedBackup("same", inMode(kahuv1.BackupModeIncremental, namespace))
	w.patch(newDefinition(group), `{"spec":{"names":{"shortNames":["`+"x"+namespace[len(namespace)-5:]+`"]}}}`)
	changed := w.completedBackup("changed", inMode(kahuv1.BackupModeIncremental, namespace))
	if a, b := same.Status.Incremental, changed.Status.Incremental; a.Reason != "" || b.Reason != "" || b.ReadObjects <= a.ReadObjects {
		t.Errorf("%+v, and then %+v", a, b)
	}
}

// TestIncrementalOutlivesItsBase deletes the backups on which another one was built: it can be restored all the same.
func TestIncrementalOutlivesItsBase(t *testing.T) {
	w := newWorld(t)
	namespace := testcluster.Namespace(t)
	for i := range 20 {
		w.create(&corev1.ConfigMap{ObjectMeta: in(namespace, fmt.Sprintf("settings-%02d", i)), Data: map[string]string{"a": "b"}})
	}
	w.completedBackup("first", inMode(kahuv1.BackupModeFull, namespace))
	w.patch(&corev1.ConfigMap{ObjectMeta: in(namespace, "settings-01")}, `{"data":{"a":"second"}}`)
	w.completedBackup("second", inMode(kahuv1.BackupModeIncremental, namespace))
	w.patch(&corev1.ConfigMap{ObjectMeta: in(namespace, "settings-02")}, `{"data":{"a":"third"}}`)
	w.completedBackup("verified", inMode(kahuv1.BackupModeIncremental, namespace))
	want := w.settings(namespace)
	for _, name := range []string{"first", "second"} {
		w.remove(&kahuv1.Backup{ObjectMeta: named(name)})
		if made := w.askToVerify("without "+name, ""); !meta.IsStatusConditionTrue(made.Status.Conditions, kahuv1.ConditionVerified) {
			t.Errorf("without %s: %+v", name, made.Status.Verification)
		}
	}
	target := namespace + "-restored"
	w.completedRestore("all", "verified", func(spec *kahuv1.RestoreSpec) { spec.NamespaceMapping = map[string]string{namespace: target} })
	if diff := cmp.Diff(want, w.settings(target)); diff != "" {
		t.Errorf("restored (-then +now):\n%s", diff)
	}
	w.patch(&corev1.ConfigMap{ObjectMeta: in(namespace, "settings-03")}, `{"data":{"a":"fourth"}}`)
	if made := w.completedBackup("fourth", inMode(kahuv1.BackupModeDifferential, namespace)); made.Status.Incremental.Reason != kahuv1.ReasonNoBase {
		t.Errorf("there is no full one any more: %+v", made.Status.Incremental)
	}
}
