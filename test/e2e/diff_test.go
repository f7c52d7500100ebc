package e2e_test

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
)

// TestDiffOfBackups compares a backup with the cluster, and with a later backup.
func TestDiffOfBackups(t *testing.T) {
	w := newWorld(t)
	namespace := w.deploy()
	w.completedBackup("before", only(namespace))
	settings, secret := &corev1.ConfigMap{ObjectMeta: in(namespace, "settings")}, &corev1.Secret{ObjectMeta: in(namespace, "credentials")}
	w.get(settings)
	w.get(secret)
	settings.Data["a"], secret.Data["password"] = "changed", []byte("whispered")
	if err := w.client.Update(t.Context(), settings); err != nil {
		t.Fatal(err)
	}
	if err := w.client.Update(t.Context(), secret); err != nil {
		t.Fatal(err)
	}
	w.create(&corev1.ConfigMap{ObjectMeta: in(namespace, "new")})
	w.remove(&corev1.ConfigMap{ObjectMeta: in(namespace, "unrelated")})
	w.completedBackup("after", only(namespace))
	for name, spec := range map[string]kahuv1.InspectionSpec{
		"Backup":  {OtherBackupName: "after"},
		"Cluster": {Live: true},
	} {
		spec.Subject, spec.BackupName, spec.Fields = kahuv1.InspectionSubjectDiff, "before", true
		answer := w.inspect(spec)
		text := strings.Join(answer.Status.Lines, "\n")
		for _, part := range []string{
			`{"op":"Added","apiVersion":"v1","kind":"ConfigMap","resource":"configmaps","namespace":"` + namespace + `","name":"new"}`,
			`{"op":"Removed","apiVersion":"v1","kind":"ConfigMap","resource":"configmaps","namespace":"` + namespace + `","name":"unrelated"}`,
			`"fields":[{"path":"data.a","op":"Changed","old":"\"b\"","new":"\"changed\""}]`,
			`"fields":[{"path":"data.password","op":"Changed","old":"(hidden)","new":"(hidden)"}]`,
		} {
			if !strings.Contains(text, part) {
				t.Errorf("%s: %s is not in\n%s\n%+v", name, part, text, answer.Status.Conditions)
			}
		}
		if strings.Contains(text, "hush") || strings.Contains(text, "whisper") {
			t.Errorf("%s: the value of a Secret is shown", name)
		}
	}
}
