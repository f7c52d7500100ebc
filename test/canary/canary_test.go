package canary_test

import (
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"filippo.io/age"
	admissionv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	"github.com/soda-cdm/kahu/internal/testkit/canary"
	"github.com/soda-cdm/kahu/internal/testkit/s3server"
)

// secrets are planted. Those of the application have everything in them that is escaped somewhere.
type secrets struct {
	identity *age.X25519Identity
	broken   string // an identity that is none
	planted  map[string]string
}

func plant(t *testing.T) secrets {
	t.Helper()
	identity, err := age.GenerateX25519Identity()
	check(t, err)
	broken := strings.Replace(identity.String(), "AGE-SECRET-KEY-1", "AGE-SECRET-KEY-1Q", 1)
	return secrets{identity: identity, broken: broken, planted: map[string]string{
		"the access key":           s3server.AccessKey,
		"the secret key":           s3server.SecretKey,
		"a wrong access key":       "canary-access-key-7f3a",
		"a wrong secret key":       "canary+secret/key=\"7f3a\"",
		"a session token":          "canary/session+token==7f3a&<x>",
		"a customer key":           "canary-customer-key-7f3a",
		"the identity":             identity.String(),
		"a broken identity":        broken[len("AGE-SECRET-KEY-"):],
		"the value of a Secret":    "c4n4ry <\"&'\\/+%> value\nof a Secret",
		"another value":            "c4n4ry another \"value\" 7f3a",
		"what changed it":          "c4n4ry changed \"value\" 7f3a",
		"what changed it again":    "c4n4ry changed \"value\" again 7f3a",
		"a name":                   "c4n4ry-is-in-a-name-7f3a",
		"a password in a registry": "c4n4ry-registry-password",
	}}
}

// TestNothingLeaks does all that can go well and wrong with secrets at hand, and finds none of them anywhere.
func TestNothingLeaks(t *testing.T) {
	w, hidden := newWorld(t), plant(t)
	searcher, err := canary.New(hidden.planted)
	check(t, err)
	w.application(hidden)
	w.whatGoesWell(hidden)
	w.increments(hidden)
	w.copies(hidden)
	w.whatIsRefused()
	w.wrongPlaces(hidden)
	w.wrongKeys(hidden)
	w.recoveries(hidden)

	places := w.gather()
	for _, must := range []string{"restores", "events", "the logs", "the command line", "metrics"} {
		if len(places[must]) < 500 { //nolint:mnd // Less than this is nothing.
			t.Errorf("%s: only %d bytes were searched: %s", must, len(places[must]), places[must])
		}
	}
	for _, leak := range leaks(t, searcher, places) {
		t.Errorf("LEAKED: %s", leak)
	}
	t.Logf("%d places were searched", len(places))
	w.plantLeaks(searcher, hidden)
}

// application creates a namespace with Secrets of all sorts.
func (w *world) application(hidden secrets) {
	w.t.Helper()
	w.create(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "shop"}}, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "guarded"}})
	w.secret("shop", "password", map[string]string{"key": hidden.planted["the value of a Secret"], "other": hidden.planted["another value"]})
	w.create(&corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "registry"}, Type: corev1.SecretTypeDockerConfigJson,
		StringData: map[string]string{".dockerconfigjson": `{"auths":{"x":{"password":"` + hidden.planted["a password in a registry"] + `"}}}`},
	})
}

// place makes a location known, and returns what it says of itself.
func (w *world) place(name string, config, credentials map[string]string, encryption *kahuv1.LocationEncryption) {
	w.t.Helper()
	w.locate(name, config, credentials, encryption)
	if !meta.IsStatusConditionTrue(w.judged(name).Status.Conditions, kahuv1.ConditionReady) {
		w.t.Errorf("location %s is not ready", name)
	}
}

// locate makes a location known.
func (w *world) locate(name string, config, credentials map[string]string, encryption *kahuv1.LocationEncryption) {
	w.t.Helper()
	w.secret(own, "credentials-"+name, credentials)
	all := map[string]string{"bucket": "backups", "endpoint": w.store.URL, "prefix": name}
	maps.Copy(all, config)
	w.create(&kahuv1.BackupLocation{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: kahuv1.BackupLocationSpec{
		ProviderName: "s3", Config: all, Encryption: encryption,
		CredentialsSecretRef: kahuv1.SecretReference{Name: "credentials-" + name},
	}})
}

// judged returns a location when the manager has said what it is like, and asks the command line about it.
func (w *world) judged(name string) *kahuv1.BackupLocation {
	w.t.Helper()
	location, _ := w.await(&kahuv1.BackupLocationList{}, name, func(object client.Object) bool {
		location, is := object.(*kahuv1.BackupLocation)
		if !is {
			return false
		}
		ready := meta.FindStatusCondition(location.Status.Conditions, kahuv1.ConditionReady)
		return ready != nil && ready.Reason != kahuv1.ReasonPending
	}).(*kahuv1.BackupLocation)
	w.cli("location", "describe", name)
	w.cli("location", "get", name, "-o", "yaml")
	return location
}

func right() map[string]string {
	return map[string]string{"accessKeyID": s3server.AccessKey, "secretAccessKey": s3server.SecretKey}
}

// encrypted lets the owner of the identity read, which is in a Secret.
func (w *world) encrypted(name, identity string, hidden secrets) *kahuv1.LocationEncryption {
	w.t.Helper()
	w.secret(own, name, map[string]string{"identity": identity})
	return &kahuv1.LocationEncryption{
		Recipients: []string{hidden.identity.Recipient().String()}, IdentitySecretRef: kahuv1.SecretReference{Name: name},
	}
}

func (w *world) must(said, want string) {
	w.t.Helper()
	if !strings.Contains(said, want) {
		w.t.Errorf("it does not say %q: %s", want, said)
	}
}

// whatGoesWell backs up, looks, compares, changes and restores, at a location that is encrypted and at one that is not.
func (w *world) whatGoesWell(hidden secrets) {
	w.t.Helper()
	w.place("sealed", nil, right(), w.encrypted("identity", hidden.identity.String(), hidden))
	w.place("plain", nil, right(), nil)
	for _, at := range []string{"sealed", "plain"} {
		w.must(w.cli("backup", "create", at, "--location", at, "--include-namespaces", "shop", "--volume-data=false", "--wait"), "completed")
		w.cli("backup", "describe", at)
		w.cli("backup", "logs", at)
		w.cli("backup", "verify", at, "--wait")
	}
	secret := &corev1.Secret{}
	check(w.t, w.api.Get(w.t.Context(), client.ObjectKey{Namespace: "shop", Name: "password"}, secret))
	secret.Data["other"] = []byte(hidden.planted["what changed it"])
	check(w.t, w.api.Update(w.t.Context(), secret))
	for _, at := range []string{"sealed", "plain"} {
		w.must(w.cli("backup", "diff", at, "--live", "--fields"), "password")
		w.cli("restore", "create", "look-"+at, "--backup", at, "--existing", "Update", "--dry-run", "--all")
		w.cli("restore", "plan", "look-"+at)
		w.must(w.cli("restore", "create", "copy-"+at, "--backup", at, "--namespace-mapping", "shop=copy-"+at, "--wait"), "completed")
		w.cli("restore", "logs", "copy-"+at)
		w.cli("restore", "describe", "copy-"+at)
		w.cli("restore", "undo", "copy-"+at)
	}
}

// whatIsRefused lets an API server quote what is in a Secret that it refuses, and transforms that do not fit.
func (w *world) whatIsRefused() {
	w.t.Helper()
	everywhere := &admissionv1.MatchResources{ResourceRules: []admissionv1.NamedRuleWithOperations{{RuleWithOperations: admissionv1.RuleWithOperations{
		Operations: []admissionv1.OperationType{admissionv1.Create, admissionv1.Update},
		Rule:       admissionv1.Rule{APIGroups: []string{""}, APIVersions: []string{"v1"}, Resources: []string{"secrets"}},
	}}}}
	everywhere.NamespaceSelector = &metav1.LabelSelector{MatchLabels: map[string]string{"kubernetes.io/metadata.name": "guarded"}}
	w.create(&admissionv1.ValidatingAdmissionPolicy{
		ObjectMeta: metav1.ObjectMeta{Name: "talkative"},
		Spec: admissionv1.ValidatingAdmissionPolicySpec{MatchConstraints: everywhere, Validations: []admissionv1.Validation{{
			Expression: "false", MessageExpression: "'no: ' + object.data.map(key, object.data[key]).join(' and ')",
		}}},
	}, &admissionv1.ValidatingAdmissionPolicyBinding{
		ObjectMeta: metav1.ObjectMeta{Name: "talkative"},
		Spec: admissionv1.ValidatingAdmissionPolicyBindingSpec{
			PolicyName: "talkative", ValidationActions: []admissionv1.ValidationAction{admissionv1.Deny},
		},
	})
	w.awaitPolicy()
	for name, args := range map[string][]string{
		"refused":        {"--namespace-mapping", "shop=guarded"},
		"refused-update": {"--namespace-mapping", "shop=guarded", "--existing", "Update"},
		"refused-look":   {"--namespace-mapping", "shop=guarded", "--dry-run", "--all"},
	} {
		said := w.cli(append([]string{"restore", "create", name, "--backup", "plain", "--wait"}, args...)...)
		w.cli("restore", "logs", name)
		w.cli("restore", "describe", name)
		w.must(said, "left out")
	}
	w.transforms()
}

// awaitPolicy waits until the API server holds to the policy, which it does some time after it was created.
func (w *world) awaitPolicy() {
	w.t.Helper()
	probe := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "guarded", Name: "probe"}, StringData: map[string]string{"a": "b"}}
	for range 600 {
		if err := w.api.Create(w.t.Context(), probe.DeepCopy(), client.DryRunAll); err != nil {
			return
		}
		pause(w.t.Context())
	}
	w.t.Fatal("the policy does not begin")
}

// transforms change Secrets, well and badly.
func (w *world) transforms() {
	w.t.Helper()
	for name, operation := range map[string]string{
		"fits":      `{op: replace, path: /data/other, value: dHJhbnNmb3JtZWQ=}`,
		"is-wrong":  `{op: test, path: /data/other, value: "nothing like it"}`,
		"leads-off": `{op: replace, path: /data/other/deeper, value: x}`,
		"is-text":   `{op: replace, path: /data/other, value: "not in base64"}`,
	} {
		file := filepath.Join(w.t.TempDir(), name+".yaml")
		check(w.t, os.WriteFile(file, []byte("apiVersion: kahu.io/v1beta1\nkind: Restore\nmetadata: {name: transform-"+name+"}\n"+
			"spec:\n  backupName: plain\n  namespaceMapping: {shop: transform-"+name+"}\n  transforms:\n"+
			"  - match: {resources: [{kind: Secret, name: password}]}\n    jsonPatch:\n    - "+operation+"\n"), 0o600))
		w.apply(file)
		w.await(&kahuv1.RestoreList{}, "transform-"+name, func(object client.Object) bool {
			restore, is := object.(*kahuv1.Restore)
			return is && restore.Status.Stage == kahuv1.StageFinished
		})
		w.cli("restore", "describe", "transform-"+name)
		w.cli("restore", "logs", "transform-"+name)
	}
}

// wrongPlaces are locations that cannot be used, each in another way.
func (w *world) wrongPlaces(hidden secrets) {
	w.t.Helper()
	wrong := map[string]string{
		"accessKeyID": hidden.planted["a wrong access key"], "secretAccessKey": hidden.planted["a wrong secret key"],
		"sessionToken": hidden.planted["a session token"],
	}
	with := func(key, value string) map[string]string {
		all := right()
		all[key] = value
		return all
	}
	places := map[string]struct{ config, credentials map[string]string }{
		"wrong-user":        {nil, wrong},
		"wrong-key":         {nil, with("secretAccessKey", hidden.planted["a wrong secret key"])},
		"wrong-token":       {nil, with("sessionToken", hidden.planted["a session token"])},
		"wrong-customer":    {map[string]string{"serverSideEncryption": "customer"}, with("customerKey", hidden.planted["a customer key"])},
		"misspelled":        {nil, with("secretAcessKey", hidden.planted["a wrong secret key"])},
		"no-bucket":         {map[string]string{"bucket": "nowhere"}, right()},
		"unreachable":       {map[string]string{"endpoint": "http://127.0.0.1:1"}, right()},
		"bad-certificate":   {map[string]string{"caCertificate": "-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----"}, right()},
		"bad-scheme":        {map[string]string{"endpoint": "ftp://example.org"}, right()},
		"unencrypted-https": {map[string]string{"endpoint": strings.Replace(w.store.URL, "http:", "https:", 1)}, right()},
	}
	for name, each := range places {
		w.locate(name, each.config, each.credentials, nil)
		w.cli("backup", "create", "at-"+name, "--location", name, "--include-namespaces", "shop", "--volume-data=false")
	}
	for name := range places {
		// The test server takes no notice of tokens.
		if location := w.judged(name); name != "wrong-token" && meta.IsStatusConditionTrue(location.Status.Conditions, kahuv1.ConditionReady) {
			w.t.Errorf("location %s is ready", name)
		}
		w.await(&kahuv1.BackupList{}, "at-"+name, func(object client.Object) bool {
			backup, is := object.(*kahuv1.Backup)
			return is && backup.Status.Stage == kahuv1.StageFinished
		})
		w.cli("backup", "describe", "at-"+name)
	}
}

// wrongKeys are identities that are none, and one that opens nothing.
func (w *world) wrongKeys(hidden secrets) {
	w.t.Helper()
	w.locate("broken-key", nil, right(), w.encrypted("broken", hidden.broken, hidden))
	w.locate("rubbish-key", nil, right(), w.encrypted("rubbish", hidden.planted["the value of a Secret"], hidden))
	for _, name := range []string{"broken-key", "rubbish-key"} {
		if readable := w.judged(name).Status.Conditions; !meta.IsStatusConditionFalse(readable, kahuv1.ConditionReadable) {
			w.t.Errorf("location %s can be read: %+v", name, readable)
		}
	}
	refused := &kahuv1.BackupLocation{ObjectMeta: metav1.ObjectMeta{Name: "as-recipient"}, Spec: kahuv1.BackupLocationSpec{
		ProviderName: "s3", Encryption: &kahuv1.LocationEncryption{Recipients: []string{hidden.identity.String()}},
	}}
	err := w.api.Create(w.t.Context(), refused)
	if err == nil {
		w.t.Error("an identity in the place of a recipient was accepted")
	}
	file := filepath.Join(w.t.TempDir(), "identity.txt")
	check(w.t, os.WriteFile(file, []byte(hidden.broken+"\n"), 0o600))
	w.cli("location", "recipient", "verify", "sealed", "--identity", file)
	w.cli("location", "recipient", "list", "sealed")
}

// recoveries are looks of a person who has lost a cluster, well and badly.
func (w *world) recoveries(hidden secrets) {
	w.t.Helper()
	folder := w.t.TempDir()
	good, bad := filepath.Join(folder, "good"), filepath.Join(folder, "bad")
	check(w.t, os.WriteFile(good, []byte(hidden.identity.String()+"\n"), 0o600))
	check(w.t, os.WriteFile(bad, []byte(hidden.broken+"\n"), 0o600))
	environment := []string{"AWS_ACCESS_KEY_ID=" + s3server.AccessKey, "AWS_SECRET_ACCESS_KEY=" + s3server.SecretKey}
	address := "s3://backups/sealed?endpoint=" + w.store.URL
	w.must(w.recover(environment, "--location", address, "--backup", "sealed", "--identity", good), "Chosen: sealed")
	w.must(w.recover(environment, "--location", address, "--backup", "sealed"), "--identity")
	w.must(w.recover(environment, "--location", address, "--backup", "sealed", "--identity", bad), "bad")
	w.must(w.recover(environment, "--location", "s3://backups/empty?endpoint="+w.store.URL), "correct the bucket")
	wrong := []string{
		"AWS_ACCESS_KEY_ID=" + hidden.planted["a wrong access key"], "AWS_SECRET_ACCESS_KEY=" + hidden.planted["a wrong secret key"],
		"AWS_SESSION_TOKEN=" + hidden.planted["a session token"],
	}
	w.must(w.recover(wrong, "--location", address, "--backup", "sealed"), "--credentials")
	credentials := filepath.Join(folder, "credentials")
	check(w.t, os.WriteFile(credentials, []byte("accessKeyID="+s3server.AccessKey+"\n"+hidden.planted["a wrong secret key"][:9]+"\n"), 0o600))
	w.must(w.recover(nil, "--location", address, "--credentials", credentials), "line 2")
}
