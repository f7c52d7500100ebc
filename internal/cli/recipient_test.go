package cli_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"filippo.io/age"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	"github.com/soda-cdm/kahu/internal/cli"
	"github.com/soda-cdm/kahu/internal/core/seal"
)

// person is somebody with a key, in a file.
type person struct {
	file, recipient, id string
	identity            seal.Identity
}

func newPerson(t *testing.T) person {
	t.Helper()
	secret, err := age.GenerateHybridIdentity()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "identity.txt")
	if err := os.WriteFile(file, []byte("# a comment\n"+secret.String()+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	found, err := seal.ParseIdentities([]byte(secret.String()))
	if err != nil {
		t.Fatal(err)
	}
	return person{file: file, recipient: secret.Recipient().String(), id: found[0].Recipient().ID(), identity: found[0]}
}

func TestRecipients(t *testing.T) {
	const name = "recipients"
	location := &kahuv1.BackupLocation{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: kahuv1.BackupLocationSpec{ProviderName: "p"}}
	put(t, location, func() {})
	anna, bert := newPerson(t), newPerson(t)
	if out := succeed(t, "location", "recipient", "list", name); !strings.Contains(out, "not encrypted") {
		t.Errorf("before: %s", out)
	}
	if done := run(t, "location", "recipient", "verify", name, "--identity", anna.file); done.code != cli.ExitFailed {
		t.Errorf("before: %+v", done)
	}
	if out := succeed(t, "location", "recipient", "add", name, anna.recipient); !strings.Contains(out, anna.id) || !strings.Contains(out, "encrypted") {
		t.Errorf("the first: %s", out)
	}
	succeed(t, "location", "recipient", "add", name, bert.recipient)
	if out := succeed(t, "location", "recipient", "add", name, bert.recipient); !strings.Contains(out, "already") {
		t.Errorf("twice: %s", out)
	}
	if found := read(t, name, &kahuv1.BackupLocation{}).Spec.Encryption.Recipients; len(found) != 2 || found[0] != anna.recipient {
		t.Errorf("recipients are %v", found)
	}
	if out := succeed(t, "location", "recipient", "list", name); !strings.Contains(out, anna.id) || !strings.Contains(out, "pending") {
		t.Errorf("list: %s", out)
	}

	key := wrapFor(t, name, anna, bert)
	if out := succeed(t, "location", "recipient", "verify", name, "--identity", anna.file); !strings.Contains(out, key.Epoch().ID()) {
		t.Errorf("verify: %s", out)
	}
	if done := run(t, "location", "recipient", "verify", name, "--identity", bert.file); done.code != cli.ExitFailed {
		t.Errorf("a damaged key: %+v", done)
	}
	if done := run(t, "location", "recipient", "verify", name, "--identity", newPerson(t).file); done.code != cli.ExitFailed {
		t.Errorf("a stranger: %+v", done)
	}
	if out := succeed(t, "location", "recipient", "list", name); !strings.Contains(out, "2 of 3") {
		t.Errorf("list: %s", out)
	}

	succeed(t, "location", "recipient", "remove", name, anna.id)
	if found := read(t, name, &kahuv1.BackupLocation{}).Spec.Encryption.Recipients; len(found) != 1 || found[0] != bert.recipient {
		t.Errorf("recipients are %v", found)
	}
	for reason, arguments := range map[string][]string{
		"the last one": {"remove", name, bert.recipient}, "a stranger": {"remove", name, anna.id},
	} {
		if done := run(t, append([]string{"location", "recipient"}, arguments...)...); done.code != cli.ExitFailed {
			t.Errorf("%s: %+v", reason, done)
		}
	}
}

// wrapFor writes what a manager would: the key of an epoch, wrapped for anna, and damaged for bert.
func wrapFor(t *testing.T, name string, anna, bert person) *seal.Key {
	t.Helper()
	key, err := seal.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	wrapped, err := key.Wrap(anna.identity.Recipient())
	if err != nil {
		t.Fatal(err)
	}
	location := read(t, name, &kahuv1.BackupLocation{})
	has, of := int32(2), int32(3)
	location.Status.Encryption = &kahuv1.LocationEncryptionStatus{
		Epoch: key.Epoch().ID(), PublicKey: key.Epoch().String(), Epochs: &of,
		Recipients: []kahuv1.LocationRecipient{
			{ID: anna.id, Recipient: anna.recipient, WrappedKey: wrapped, Epochs: &has},
			{ID: bert.id, Recipient: bert.recipient, WrappedKey: wrapped, Epochs: &has},
		},
	}
	if err := newClient(t).Status().Update(t.Context(), location); err != nil {
		t.Fatal(err)
	}
	return key
}

func TestEncryptedLocationIsCreated(t *testing.T) {
	anna := newPerson(t)
	remove(t, &kahuv1.BackupLocation{}, "encrypted")
	succeed(t, "location", "create", "encrypted", "--provider", "p", "--recipient", anna.recipient, "--identity-secret", "key")
	found := read(t, "encrypted", &kahuv1.BackupLocation{}).Spec.Encryption
	if found == nil || len(found.Recipients) != 1 || found.Recipients[0] != anna.recipient || found.IdentitySecretRef.Name != "key" {
		t.Errorf("%+v", found)
	}
	for name, arguments := range map[string][]string{
		"no recipient": {"--identity-secret", "key"}, "nonsense": {"--recipient", "me"},
	} {
		if done := run(t, append([]string{"location", "create", "wrong", "--provider", "p"}, arguments...)...); done.code != cli.ExitUsage {
			t.Errorf("%s: %+v", name, done)
		}
	}
}

func TestWrongRecipients(t *testing.T) {
	anna := newPerson(t)
	content, err := os.ReadFile(anna.file)
	if err != nil {
		t.Fatal(err)
	}
	secret := strings.Split(string(content), "\n")[1]
	for name, arguments := range map[string][]string{
		"an identity": {"add", "x", secret}, "nonsense": {"add", "x", "me"}, "no file": {"verify", "x"},
		"a file of nonsense": {"verify", "x", "--identity", "recipient_test.go"}, "no name": {"list"},
		"no command": {"share", "x"},
	} {
		done := run(t, append([]string{"location", "recipient"}, arguments...)...)
		if done.code != cli.ExitUsage {
			t.Errorf("%s: %d, %v", name, done.code, done.failure)
		}
		if done.failure != nil && strings.Contains(done.failure.Error(), secret[25:50]) {
			t.Errorf("%s: the error shows the secret", name)
		}
	}
}
