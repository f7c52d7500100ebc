package e2e_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"filippo.io/age"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	testcluster "github.com/soda-cdm/kahu/internal/testkit/cluster"
)

// reader is somebody with a key of age.
type reader struct{ secret, recipient string }

func newReader(t *testing.T) reader {
	t.Helper()
	identity, err := age.GenerateHybridIdentity()
	if err != nil {
		t.Fatal(err)
	}
	return reader{secret: identity.String(), recipient: identity.Recipient().String()}
}

// encrypt changes the encryption of the world's location, and returns it when it is ready.
func (w *world) encrypt(wish *kahuv1.LocationEncryption) *kahuv1.BackupLocation {
	w.t.Helper()
	patch, err := json.Marshal(map[string]any{"spec": map[string]any{"encryption": wish}})
	if err != nil {
		w.t.Fatal(err)
	}
	location := &kahuv1.BackupLocation{ObjectMeta: named(w.location)}
	if err := w.client.Patch(w.t.Context(), location, client.RawPatch("application/merge-patch+json", patch)); err != nil {
		w.t.Fatalf("encrypting: %v", err)
	}
	return w.awaitLocation(w.location, metav1.ConditionTrue)
}

func (a *api) expectCondition(conditions []metav1.Condition, kind string, status metav1.ConditionStatus, reason string) {
	a.t.Helper()
	found := meta.FindStatusCondition(conditions, kind)
	if found == nil || found.Status != status || found.Reason != reason {
		a.t.Errorf("%s is %+v, want %s, %s", kind, found, status, reason)
	}
}

// expectNothingMade is expectRefused for a restore that had begun.
func (a *api) expectNothingMade(restore *kahuv1.Restore, reason string, words ...string) {
	a.t.Helper()
	a.expectRefused(restore, reason, append(words, "nothing was created")...)
}

// expectRefused fails the test unless the restore failed for the reason, with the words.
func (a *api) expectRefused(restore *kahuv1.Restore, reason string, words ...string) {
	a.t.Helper()
	a.expectCondition(restore.Status.Conditions, kahuv1.ConditionReady, metav1.ConditionFalse, reason)
	for _, word := range words {
		if !strings.Contains(restore.Status.FailureReason, word) {
			a.t.Errorf("restore %s does not say %q: %s", restore.Name, word, restore.Status.FailureReason)
		}
	}
}

// TestEncryptedLocation goes through the life of an encrypted location: a cluster that only writes, an identity that comes
// to it, recipients that come and go, and signers that are known and not.
func TestEncryptedLocation(t *testing.T) {
	w := newWorld(t)
	namespace := testcluster.Namespace(t)
	w.create(&corev1.Secret{ObjectMeta: in(namespace, "canary-name"), StringData: map[string]string{"password": "canary-value"}})
	anna, bert, carl := newReader(t), newReader(t), newReader(t)
	const identities = "identity-of-main"
	t.Cleanup(func() {
		w.drop(&corev1.Secret{ObjectMeta: in(kahuNamespace, identities)}, &corev1.Secret{ObjectMeta: in(kahuNamespace, "kahu-signing-key")})
	})
	into := func(name string) func(spec *kahuv1.RestoreSpec) {
		return func(spec *kahuv1.RestoreSpec) {
			spec.NamespaceMapping = map[string]string{namespace: namespace + "-" + name}
		}
	}
	t.Cleanup(func() {
		for _, name := range []string{"readable", "told", "trusted", "afterwards"} {
			w.drop(&corev1.Namespace{ObjectMeta: named(namespace + "-" + name)})
		}
	})

	// Without an identity the cluster writes, and says at each turn that it cannot read.
	location := w.encrypt(&kahuv1.LocationEncryption{Recipients: []string{anna.recipient}})
	w.expectCondition(location.Status.Conditions, kahuv1.ConditionEncrypted, metav1.ConditionTrue, kahuv1.ReasonEncrypted)
	w.expectCondition(location.Status.Conditions, kahuv1.ConditionReadable, metav1.ConditionFalse, kahuv1.ReasonWriteOnly)
	w.expectCondition(location.Status.Conditions, kahuv1.ConditionRecoverable, metav1.ConditionTrue, kahuv1.ReasonIdentityElsewhere)
	first := location.Status.Encryption.Epoch
	w.completedBackup("verified", only(namespace))
	for _, name := range w.store.names() {
		if bytes.Contains(w.store.read(name), []byte("canary")) {
			t.Errorf("%s tells what is in the backup", name)
		}
	}
	w.expectNothingMade(w.restore("blind", "verified", into("readable")), kahuv1.ReasonKeyNeeded, first, location.Status.Encryption.Recipients[0].ID)
	backup := w.askToVerify("without a key", "")
	w.expectCondition(backup.Status.Conditions, kahuv1.ConditionVerified, metav1.ConditionTrue, kahuv1.ReasonSealVerified)

	// With the only identity in the cluster it can read, and warns.
	w.create(&corev1.Secret{ObjectMeta: in(kahuNamespace, identities), StringData: map[string]string{"identity": anna.secret}})
	withIdentity := func(readers ...reader) *kahuv1.LocationEncryption {
		wish := &kahuv1.LocationEncryption{IdentitySecretRef: kahuv1.SecretReference{Name: identities}}
		for _, each := range readers {
			wish.Recipients = append(wish.Recipients, each.recipient)
		}
		return wish
	}
	location = w.encrypt(withIdentity(anna))
	w.expectCondition(location.Status.Conditions, kahuv1.ConditionReadable, metav1.ConditionTrue, kahuv1.ReasonIdentityHeld)
	w.expectCondition(location.Status.Conditions, kahuv1.ConditionRecoverable, metav1.ConditionFalse, kahuv1.ReasonOnlyIdentityInCluster)
	w.completedRestore("readable", "verified", into("readable"))
	restored := &corev1.Secret{ObjectMeta: in(namespace+"-readable", "canary-name")}
	if !w.get(restored) || string(restored.Data["password"]) != "canary-value" {
		t.Errorf("restored %+v", restored.Data)
	}
	w.expectCondition(w.askToVerify("with a key", "").Status.Conditions, kahuv1.ConditionVerified, metav1.ConditionTrue, kahuv1.ReasonVerified)

	// A recipient that is added gets the key that there is, and one that is removed ends the epoch.
	location = w.encrypt(withIdentity(anna, bert))
	w.expectCondition(location.Status.Conditions, kahuv1.ConditionRecoverable, metav1.ConditionTrue, kahuv1.ReasonIdentityElsewhere)
	if found := location.Status.Encryption; found.Epoch != first || len(found.Recipients) != 2 || !found.Recipients[0].IdentityInCluster {
		t.Errorf("bert was added: %+v", found)
	}
	location = w.encrypt(withIdentity(anna, carl))
	if found := location.Status.Encryption; found.Epoch == first || len(found.Recipients) != 2 || *found.Epochs != 2 || *found.ReadableEpochs != 2 {
		t.Errorf("bert was removed, and carl added: %+v", found)
	}
	for _, recipient := range location.Status.Encryption.Recipients {
		if *recipient.Epochs != 2 {
			t.Errorf("%s cannot read what was written before: %+v", recipient.ID, recipient)
		}
	}
	w.completedBackup("second", only(namespace))
	w.completedRestore("afterwards", "second", into("afterwards"))

	// Who signed is known, until the key of the cluster is another one.
	signer := location.Status.Encryption.Signer
	w.remove(&corev1.Secret{ObjectMeta: in(kahuNamespace, "kahu-signing-key")})
	await(w.api, &kahuv1.BackupLocation{ObjectMeta: named(w.location)}, func(location *kahuv1.BackupLocation) bool {
		return location.Status.Encryption != nil && location.Status.Encryption.Signer != signer
	})
	w.expectNothingMade(w.restore("stranger", "second", into("told")), kahuv1.ReasonUnknownSigner, signer, "trustedSigners")
	w.completedRestore("told", "second", func(spec *kahuv1.RestoreSpec) {
		into("told")(spec)
		spec.AllowUnknownSigner = true
	})
	trusting := withIdentity(anna, carl)
	trusting.TrustedSigners = []string{signer}
	w.encrypt(trusting)
	w.completedRestore("trusted", "second", into("trusted"))

	w.expectNoSecret(anna.secret, bert.secret, carl.secret)
}

// expectNoSecret looks for secrets in everything of Kahu that the API server shows, and in the store.
func (w *world) expectNoSecret(values ...string) {
	w.t.Helper()
	var shown bytes.Buffer
	for _, list := range []client.ObjectList{
		&kahuv1.BackupLocationList{}, &kahuv1.BackupList{}, &kahuv1.RestoreList{}, &corev1.EventList{},
	} {
		if err := w.client.List(w.t.Context(), list); err != nil {
			w.t.Fatal(err)
		}
		if err := json.NewEncoder(&shown).Encode(list); err != nil {
			w.t.Fatal(err)
		}
	}
	for _, name := range w.store.names() {
		shown.Write(w.store.read(name))
	}
	for _, value := range values {
		if bytes.Contains(shown.Bytes(), []byte(value[:60])) {
			w.t.Errorf("a secret is shown")
		}
	}
}

// TestWrongEncryption is refused, or said to be wrong.
func TestWrongEncryption(t *testing.T) {
	w := newWorld(t)
	anna := newReader(t)
	for name, wish := range map[string]*kahuv1.LocationEncryption{
		"nobody":      {},
		"an identity": {Recipients: []string{anna.secret}},
		"no signer":   {Recipients: []string{anna.recipient}, TrustedSigners: []string{"somebody"}},
	} {
		made := &kahuv1.BackupLocation{
			ObjectMeta: named("wrong"), Spec: kahuv1.BackupLocationSpec{ProviderName: memoryProvider, Encryption: wish},
		}
		if err := w.client.Create(t.Context(), made); err == nil {
			t.Errorf("%s: accepted", name)
		} else if strings.Contains(err.Error(), anna.secret[30:60]) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, wish := range map[string]*kahuv1.LocationEncryption{
		"damaged": {Recipients: []string{anna.recipient[:100]}},
		"twice":   {Recipients: []string{anna.recipient, anna.recipient}},
	} {
		w.create(&kahuv1.BackupLocation{
			ObjectMeta: named(name), Spec: kahuv1.BackupLocationSpec{ProviderName: memoryProvider, Encryption: wish},
		})
		location := w.awaitLocation(name, metav1.ConditionFalse)
		for location.Status.Encryption == nil && reason(location.Status.Conditions, kahuv1.ConditionReady) == kahuv1.ReasonPending {
			location = await(w.api, location, func(found *kahuv1.BackupLocation) bool {
				return reason(found.Status.Conditions, kahuv1.ConditionReady) != kahuv1.ReasonPending
			})
		}
		w.expectCondition(location.Status.Conditions, kahuv1.ConditionReady, metav1.ConditionFalse, kahuv1.ReasonEncryptionInvalid)
	}
	location := w.encrypt(&kahuv1.LocationEncryption{
		Recipients: []string{anna.recipient}, IdentitySecretRef: kahuv1.SecretReference{Name: "not-there"},
	})
	w.expectCondition(location.Status.Conditions, kahuv1.ConditionReadable, metav1.ConditionFalse, kahuv1.ReasonIdentityInvalid)
}
