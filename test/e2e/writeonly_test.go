package e2e_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"filippo.io/age"
	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	testcluster "github.com/soda-cdm/kahu/internal/testkit/cluster"
)

// TestWriteOnlyIncremental makes a series of backups in a cluster that cannot read any of them, and restores each when somebody
// brings an identity. The cluster's own key opens what it compares with, in which nothing is named.
func TestWriteOnlyIncremental(t *testing.T) {
	w := newWorld(t)
	namespace := testcluster.Namespace(t)
	const many, identities, comparing = 60, "identity-of-write-only", "kahu-comparison-key"
	for i := range many {
		w.create(&corev1.ConfigMap{ObjectMeta: in(namespace, fmt.Sprintf("canary-%03d", i)), Data: map[string]string{"a": strings.Repeat("b", 500)}})
	}
	w.create(&corev1.Secret{ObjectMeta: in(namespace, "canary-secret"), StringData: map[string]string{"password": "canary-value"}})
	anna := newReader(t)
	t.Cleanup(func() {
		for _, name := range []string{identities, comparing, "kahu-signing-key"} {
			w.drop(&corev1.Secret{ObjectMeta: in(kahuNamespace, name)})
		}
	})
	location := w.encrypt(&kahuv1.LocationEncryption{Recipients: []string{anna.recipient}})
	w.expectCondition(location.Status.Conditions, kahuv1.ConditionReadable, metav1.ConditionFalse, kahuv1.ReasonWriteOnly)

	// Of two that began in the same second the one whose name comes last counts as the younger one.
	states := map[string]map[string]string{}
	backup := func(name string, mode kahuv1.BackupMode, base, reason string) *kahuv1.Backup {
		t.Helper()
		states[name] = w.settings(namespace)
		made := w.completedBackup(name, inMode(mode, namespace))
		if got := made.Status.Incremental; got == nil || got.BaseName != base || got.Reason != reason {
			t.Errorf("%s: %s, %+v; want one on %q, reason %q", name, made.Status.Mode, got, base, reason)
		}
		return made
	}
	first := backup("1-first", kahuv1.BackupModeAuto, "", kahuv1.ReasonNoBase)
	if sizes := first.Status.Sizes; sizes.ComparisonBytes == 0 || sizes.ComparisonBytes > sizes.IndexBytes {
		t.Errorf("%+v", sizes)
	}
	w.patch(&corev1.ConfigMap{ObjectMeta: in(namespace, "canary-007")}, `{"data":{"a":"other"}}`)
	second := backup("2-second", kahuv1.BackupModeAuto, "1-first", "")
	if got := second.Status.Incremental; got.UnchangedObjects < many-4 || got.WrittenObjects == 0 || got.WrittenObjects > 4 {
		t.Errorf("the second one: %+v of %d", got, second.Status.Counts.Objects)
	}
	w.remove(&corev1.ConfigMap{ObjectMeta: in(namespace, "canary-009")})
	w.patch(&corev1.ConfigMap{ObjectMeta: in(namespace, "canary-011")}, `{"metadata":{"labels":{"l":"m"}}}`)
	backup("3-third", kahuv1.BackupModeIncremental, "2-second", "")
	backup("4-fourth", kahuv1.BackupModeDifferential, "1-first", "")
	w.expectComparisonsNameNothing(comparing, 2) // Of the first and the fourth.

	// A key that is lost costs one full backup, and one that is none costs one each time.
	w.remove(&corev1.Secret{ObjectMeta: in(kahuNamespace, comparing)})
	backup("5-fifth", kahuv1.BackupModeIncremental, "", kahuv1.ReasonComparisonKeyChanged)
	backup("6-sixth", kahuv1.BackupModeIncremental, "5-fifth", "")
	w.patch(&corev1.Secret{ObjectMeta: in(kahuNamespace, comparing)}, `{"data":{"identity":"bm8ga2V5"}}`)
	unusable := backup("7-seventh", kahuv1.BackupModeIncremental, "", kahuv1.ReasonKeyNeeded)
	if got := unusable.Status.Incremental.Message; !strings.Contains(got, comparing) || !strings.Contains(got, "delete the Secret") {
		t.Errorf("%s", got)
	}

	w.create(&corev1.Secret{ObjectMeta: in(kahuNamespace, identities), StringData: map[string]string{"identity": anna.secret}})
	w.encrypt(&kahuv1.LocationEncryption{Recipients: []string{anna.recipient}, IdentitySecretRef: kahuv1.SecretReference{Name: identities}})
	for name, state := range states {
		target := namespace + "-" + name
		t.Cleanup(func() { w.drop(&corev1.Namespace{ObjectMeta: named(target)}) })
		w.completedRestore(name, name, func(spec *kahuv1.RestoreSpec) { spec.NamespaceMapping = map[string]string{namespace: target} })
		if diff := cmp.Diff(state, w.settings(target)); diff != "" {
			t.Errorf("restored from %s (-then +now):\n%s", name, diff)
		}
	}
	// What it can read it needs no such file for.
	if made := backup("8-eighth", kahuv1.BackupModeIncremental, "7-seventh", ""); made.Status.Sizes.ComparisonBytes != 0 {
		t.Errorf("%+v", made.Status.Sizes)
	}
}

// expectComparisonsNameNothing opens with the cluster's own key what it opens, so many files, and looks for names in all that lies
// in the store.
func (w *world) expectComparisonsNameNothing(secret string, files int) {
	w.t.Helper()
	found := &corev1.Secret{ObjectMeta: in(kahuNamespace, secret)}
	if !w.get(found) {
		w.t.Fatalf("there is no Secret %s", secret)
	}
	key, err := age.ParseIdentities(bytes.NewReader(found.Data["identity"]))
	if err != nil {
		w.t.Fatal(err)
	}
	opened := 0
	for _, name := range w.store.names() {
		content := w.store.read(name)
		if bytes.Contains(content, []byte("canary")) {
			w.t.Errorf("%s tells what is in the backup", name)
		}
		plain, err := age.Decrypt(bytes.NewReader(content), key...)
		if err != nil {
			continue
		}
		opened++
		decoder, err := zstd.NewReader(plain)
		if err != nil {
			w.t.Fatal(err)
		}
		var lines bytes.Buffer
		_, err = decoder.WriteTo(&lines)
		decoder.Close()
		if err != nil || !strings.Contains(name, "/comparison") || !strings.Contains(lines.String(), `"uid"`) || strings.Contains(lines.String(), "canary") {
			w.t.Errorf("the cluster's key opens %s: %v", name, err)
		}
	}
	if opened != files {
		w.t.Errorf("the cluster's key opens %d files", opened)
	}
}
