package e2e_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/utils/clock"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	"github.com/soda-cdm/kahu/internal/cli"
	testcluster "github.com/soda-cdm/kahu/internal/testkit/cluster"
)

// run runs a command of the command line, and returns what it printed and its exit code.
func (a *api) run(args ...string) (printed string, code int) {
	a.t.Helper()
	var out, progress bytes.Buffer
	command := cli.New(cli.Options{Out: &out, Err: &progress, Clock: clock.RealClock{}, Version: "test"})
	command.SetArgs(append(args, "--kubeconfig", testcluster.Kubeconfig(a.t)))
	err := command.ExecuteContext(a.t.Context())
	if err != nil {
		a.t.Logf("%v: %v\n%s", args, err, progress.String())
	}
	return out.String(), cli.ExitCode(err)
}

// previewed backs a namespace up, and changes it: one object is as it was, one differs, one is gone, and one cannot be
// changed. The claim and the ingress name classes that there are not, and a quota has no room for what is gone.
func (w *world) previewed() string {
	w.t.Helper()
	namespace := testcluster.Namespace(w.t)
	w.create(settings(namespace, "same", "differs", "gone", "lost", "frozen")...)
	backend := networkingv1.IngressBackend{Service: &networkingv1.IngressServiceBackend{
		Name: "web", Port: networkingv1.ServiceBackendPort{Number: 80},
	}}
	w.create(
		&corev1.Secret{ObjectMeta: in(namespace, "credentials"), StringData: map[string]string{"password": "hush"}},
		&corev1.PersistentVolumeClaim{ObjectMeta: in(namespace, "data"), Spec: corev1.PersistentVolumeClaimSpec{
			StorageClassName: new("nowhere"), AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce},
			Resources: corev1.VolumeResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("1Gi")}},
		}},
		&networkingv1.Ingress{ObjectMeta: in(namespace, "front"), Spec: networkingv1.IngressSpec{
			IngressClassName: new("no-such-class"), DefaultBackend: &backend,
		}},
	)
	w.completedBackup("preview", func(spec *kahuv1.BackupSpec) {
		only(namespace)(spec)
		spec.EnableVolumeBackup = new(false)
	})
	w.remove(settings(namespace, "gone", "lost")...)
	w.patch(&corev1.ConfigMap{ObjectMeta: in(namespace, "differs")}, `{"data":{"a":"mine","c":null,"e":"f"}}`)
	w.patch(&corev1.ConfigMap{ObjectMeta: in(namespace, "frozen")}, `{"data":{"a":"mine"},"immutable":true}`)
	w.patch(&corev1.Secret{ObjectMeta: in(namespace, "credentials")}, `{"stringData":{"password":"whisper"}}`)
	w.create(&corev1.ResourceQuota{ObjectMeta: in(namespace, "few"), Spec: corev1.ResourceQuotaSpec{
		Hard: corev1.ResourceList{"count/configmaps": resource.MustParse("5")},
	}})
	await(w.api, &corev1.ResourceQuota{ObjectMeta: in(namespace, "few")}, func(quota *corev1.ResourceQuota) bool {
		return !quota.Status.Used.Name("count/configmaps", resource.DecimalSI).IsZero()
	})
	return namespace
}

// TestPreview: a dry run on the command line shows, object by object, what a restore would do and why, and what is missing
// around the objects; nothing is written, and no value of a Secret is shown.
func TestPreview(t *testing.T) {
	w := newWorld(t)
	namespace := w.previewed()
	before := w.versions(namespace)
	for policy, want := range map[string][]string{
		"Update": {
			"~   ConfigMap " + namespace + "/differs  (it differs)", "~ data.a: \"mine\" -> \"b\"", "+ data.c: \"d\"", "- data.e: \"f\"",
			"~   Secret " + namespace + "/credentials", "~ data.password: ",
			"!   ConfigMap " + namespace + "/frozen  (conflict: ", "immutable",
			"! storageclasses.storage.k8s.io nowhere is neither in the cluster nor in the plan", "! ingressclasses.networking.k8s.io no-such-class is neither",
			"+   ConfigMap " + namespace + "/gone\n", "+   ConfigMap " + namespace + "/lost\n",
			"ResourceQuota " + namespace + "/few would not let everything in", "Nothing was written.\n",
		},
		"Recreate": {
			"-/+ ConfigMap " + namespace + "/differs  (it differs)", "-/+ ConfigMap " + namespace + "/frozen",
		},
		"Skip": {"+   ConfigMap " + namespace + "/gone\n", " skipped, 0 conflicts, "},
		"Fail": {"!   ConfigMap " + namespace + "/same  (conflict: an object of that name is there already, and the policy is Fail)"},
	} {
		printed, code := w.run("restore", "create", "look-"+strings.ToLower(policy), "--backup", "preview", "--existing", policy, "--dry-run")
		if code != cli.ExitCompleted {
			t.Errorf("%s ended with %d", policy, code)
		}
		for _, part := range want {
			if !strings.Contains(printed, part) {
				t.Errorf("%s: %q is not in\n%s", policy, part, printed)
			}
		}
		if strings.Contains(printed, "hush") || strings.Contains(printed, "aHVzaA") || strings.Contains(printed, "whisper") {
			t.Errorf("%s: the value of a Secret is shown:\n%s", policy, printed)
		}
		if policy != "Fail" && strings.Contains(printed, "/same") {
			t.Errorf("%s: what stays is shown:\n%s", policy, printed)
		}
		if strings.Contains(printed, "\x1b[") {
			t.Errorf("%s: colours where there is no terminal", policy)
		}
	}
	whole, _ := w.run("restore", "create", "look-whole", "--backup", "preview", "--existing", "skip", "--dry-run", "--all")
	for _, part := range []string{
		"    configmaps " + namespace + "/differs  (skipped: an object of that name is there already)", "+   configmaps " + namespace + "/gone\n",
	} {
		if !strings.Contains(whole, part) {
			t.Errorf("%q is not in the whole plan\n%s", part, whole)
		}
	}
	w.sameVersions(namespace, before)
	w.looksLikeDryRun("look-update")
}

// looksLikeDryRun checks that nobody takes a dry run for a restore.
func (w *world) looksLikeDryRun(name string) {
	w.t.Helper()
	looked := w.awaitRestore(name)
	for _, kind := range []string{kahuv1.ConditionComplete, kahuv1.ConditionReady} {
		if got := reason(looked.Status.Conditions, kind); got != kahuv1.ReasonPreviewed {
			w.t.Errorf("the reason of %s is %s", kind, got)
		}
	}
	if looked.Status.Progress.ItemsRestored != 0 {
		w.t.Errorf("%d objects count as restored", looked.Status.Progress.ItemsRestored)
	}
	table, _ := w.run("restore", "get", name)
	if words := strings.Fields(table); !slices.Contains(words, kahuv1.ReasonPreviewed) || slices.Contains(words, string(kahuv1.StateCompleted)) {
		w.t.Errorf("it is shown as\n%s", table)
	}
	described, _ := w.run("restore", "describe", name)
	if !strings.Contains(described, "Nothing was written.") || strings.Contains(described, "created, ") {
		w.t.Errorf("it is described as\n%s", described)
	}
}

// TestPoliciesOnTheCommandLine: Fail writes nothing and says so, Skip leaves what is there, Update makes it as in the backup.
func TestPoliciesOnTheCommandLine(t *testing.T) {
	w := newWorld(t)
	namespace := w.previewed()
	w.remove(&corev1.ResourceQuota{ObjectMeta: in(namespace, "few")})
	before := w.versions(namespace)
	if _, code := w.run("restore", "create", "fail", "--backup", "preview", "--existing", "Fail", "--wait"); code != cli.ExitFailed {
		t.Errorf("Fail ended with %d", code)
	}
	if ended := w.awaitRestore("fail"); reason(ended.Status.Conditions, kahuv1.ConditionComplete) != kahuv1.ReasonObjectExists || ended.Status.Counts.Failed == 0 {
		t.Errorf("it says %+v", ended.Status)
	}
	w.sameVersions(namespace, before)

	if _, code := w.run("restore", "create", "skip", "--backup", "preview", "--existing", "Skip", "--wait"); code != cli.ExitCompleted {
		t.Errorf("Skip ended with %d", code)
	}
	differs := &corev1.ConfigMap{ObjectMeta: in(namespace, "differs")}
	if w.get(differs); differs.Data["a"] != "mine" || !w.get(settings(namespace, "gone")[0]) {
		t.Errorf("after Skip: %v", differs.Data)
	}
	// A quota that is used up, which the API server looks at first, does not hide that an object is there.
	w.create(&corev1.ResourceQuota{ObjectMeta: in(namespace, "none"), Spec: corev1.ResourceQuotaSpec{
		Hard: corev1.ResourceList{"count/configmaps": resource.MustParse("1")},
	}})
	await(w.api, &corev1.ResourceQuota{ObjectMeta: in(namespace, "none")}, func(quota *corev1.ResourceQuota) bool {
		return !quota.Status.Used.Name("count/configmaps", resource.DecimalSI).IsZero()
	})
	w.completedRestore("full", "preview", nil)

	if _, code := w.run("restore", "create", "update", "--backup", "preview", "--existing", "Update", "--wait"); code != cli.ExitFailed {
		t.Errorf("Update, which cannot change one of the objects, ended with %d", code)
	}
	if w.get(differs); differs.Data["a"] != "b" || differs.Data["c"] != "d" || differs.Data["e"] != "" {
		t.Errorf("after Update: %v", differs.Data)
	}
	printed, code := w.run("restore", "undo", "skip", "--wait")
	if code != cli.ExitCompleted || !strings.Contains(printed, "- ConfigMap "+namespace+"/gone\n") || w.get(settings(namespace, "gone")[0]) {
		t.Errorf("the undo ended with %d:\n%s", code, printed)
	}
	if !w.get(differs) {
		t.Error("what was there is gone")
	}
}

// versions returns the resourceVersions of what a preview could have written.
func (w *world) versions(namespace string) map[string]string {
	w.t.Helper()
	found, list := map[string]string{}, &corev1.ConfigMapList{}
	if err := w.client.List(w.t.Context(), list, inNamespace(namespace)); err != nil {
		w.t.Fatal(err)
	}
	for i := range list.Items {
		found[list.Items[i].Name] = list.Items[i].ResourceVersion
	}
	secret := &corev1.Secret{ObjectMeta: in(namespace, "credentials")}
	w.get(secret)
	found["secret"] = secret.ResourceVersion
	return found
}

func (w *world) sameVersions(namespace string, before map[string]string) {
	w.t.Helper()
	after := w.versions(namespace)
	for name, version := range before {
		if after[name] != version {
			w.t.Errorf("%s was written", name)
		}
	}
	if len(after) != len(before) {
		w.t.Errorf("there are %d objects, and were %d", len(after), len(before))
	}
}
