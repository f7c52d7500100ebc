package leaks_test

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"filippo.io/age"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"

	"github.com/soda-cdm/kahu/internal/testkit/cluster"
)

// The names of what is backed up, which are nobody's business.
const (
	hiddenShop = "c4n4ry-shop"
	hiddenCash = "c4n4ry-cash"
)

// TestSealedVolumes: at an encrypted location nothing names claims and volumes. They are restored with their data, another cluster with
// the identity sees that they are there and who has them, and a cluster without it deletes them, with nothing left.
func TestSealedVolumes(t *testing.T) {
	first := cluster.Start(t, cluster.Volumes()) // Its locations would lie in those of the other tests.
	w := newWorldIn(t, first.Config(), first.Kubeconfig())
	identity, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	w.field(w.kahu("providers"), "csi", "Available", "status", "state")
	w.makeSealed(identity)
	w.make(w.kahu("backuplocations"), `{"apiVersion":"kahu.io/v1beta1","kind":"BackupLocation","metadata":{"name":"open"},
		"spec":{"providerName":"filesystem","config":{"path":"open"}}}`)
	w.claims(hiddenShop, hiddenCash)
	w.record(hiddenShop, "of the backup")
	before, err := w.count(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, at := range []string{"sealed", "open"} {
		w.make(w.kahu("backups"), `{"apiVersion":"kahu.io/v1beta1","kind":"Backup","metadata":{"name":"at-`+at+`"},
			"spec":{"metadataLocation":"`+at+`","deletionPolicy":"Delete","includeNamespaces":["`+hiddenShop+`"]}}`)
		w.field(w.kahu("backups"), "at-"+at, "Completed", "status", "state")
	}
	w.record(hiddenShop, "later")
	w.lookForNames()

	w.make(w.kahu("restores"), `{"apiVersion":"kahu.io/v1beta1","kind":"Restore","metadata":{"name":"sealed"},
		"spec":{"backupName":"at-sealed","metadataLocation":"sealed","namespaceMapping":{"`+hiddenShop+`":"opened"}}}`)
	w.field(w.kahu("restores"), "sealed", "Completed", "status", "state")
	folder, err := w.folder(t.Context(), "opened", hiddenCash)
	if err != nil {
		t.Fatal(err)
	}
	if found, err := os.ReadFile(filepath.Join(folder, "file")); string(found) != "of the backup" {
		t.Errorf("restored is %q: %v", found, err)
	}
	w.lookForNames() // The restore has left its report there, too.
	w.remove(w.kahu("restores"), "sealed")
	w.remove(w.of("", "v1", "namespaces", ""), "opened")

	w.elsewhere(identity)

	if _, err := w.kahu("backuplocations").Patch(t.Context(), "sealed", types.MergePatchType,
		[]byte(`{"spec":{"encryption":{"identitySecretRef":null}}}`), metav1.PatchOptions{}); err != nil {
		t.Fatal(err)
	}
	w.readable("sealed", "False")
	w.remove(w.kahu("backups"), "at-sealed")
	w.remove(w.kahu("backups"), "at-open")
	w.as(before)
}

// makeSealed makes the location that is encrypted, and waits until it can be read.
func (w *world) makeSealed(identity *age.X25519Identity) {
	w.Helper()
	w.make(w.of("", "v1", "secrets", "kahu-system"), `{"apiVersion":"v1","kind":"Secret","metadata":{"name":"reader"},
		"stringData":{"identity":"`+identity.String()+`"}}`)
	w.make(w.kahu("backuplocations"), `{"apiVersion":"kahu.io/v1beta1","kind":"BackupLocation","metadata":{"name":"sealed"},
		"spec":{"providerName":"filesystem","config":{"path":"sealed"},"encryption":{"recipients":["`+identity.Recipient().String()+`"],
		"identitySecretRef":{"name":"reader"}}}}`)
	w.readable("sealed", "True")
}

// readable waits until a location can be read, or cannot.
func (w *world) readable(location, want string) {
	w.Helper()
	w.until(location+" is readable: "+want, func(ctx context.Context) error {
		found, err := w.kahu("backuplocations").Get(ctx, location, metav1.GetOptions{})
		if err != nil {
			return err
		}
		conditions, _, _ := unstructured.NestedSlice(found.Object, "status", "conditions") // One of another type is none.
		for _, each := range conditions {
			if condition, is := each.(map[string]any); is && condition["type"] == "Readable" && condition["status"] == want {
				return nil
			}
		}
		return fmt.Errorf("it has %v", conditions)
	})
}

// record writes into the volume of the claim.
func (w *world) record(namespace, text string) {
	w.Helper()
	folder, err := w.folder(w.Context(), namespace, hiddenCash)
	if err == nil {
		err = os.WriteFile(filepath.Join(folder, "file"), []byte(text), 0o600)
	}
	if err != nil {
		w.Fatal(err)
	}
}

// lookForNames looks into all files of both locations for what names the claim: there are some in that which is not encrypted.
func (w *world) lookForNames() {
	w.Helper()
	claim, err := w.of("", "v1", "persistentvolumeclaims", hiddenShop).Get(w.Context(), hiddenCash, metav1.GetOptions{})
	if err != nil {
		w.Fatal(err)
	}
	times := map[string]int{}
	for _, name := range []string{hiddenShop, hiddenCash, w.text(claim, "spec", "volumeName"), string(claim.GetUID())} {
		err := filepath.WalkDir(w.store, func(path string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() {
				return err
			}
			content, err := os.ReadFile(path)
			if bytes.Contains(content, []byte(name)) || strings.Contains(path, name) {
				inside := strings.TrimPrefix(path, w.store+"/")
				at, _, _ := strings.Cut(inside, "/")
				if times[at]++; at == "sealed" {
					w.Errorf("%s has %s", inside, name)
				}
			}
			return err
		})
		if err != nil {
			w.Fatal(err)
		}
	}
	if times["open"] == 0 {
		w.Error("the names are not found where they are in plain text")
	}
}

// elsewhere has another cluster look at the location, in which nothing reaches the storage.
func (w *world) elsewhere(identity *age.X25519Identity) {
	w.Helper()
	second := cluster.Start(w.T)
	client, err := dynamic.NewForConfig(second.Config())
	if err != nil {
		w.Fatal(err)
	}
	other := &world{T: w.T, client: client, store: w.store}
	other.runKahu(second.Kubeconfig())
	other.makeSealed(identity)
	other.until("the backup is seen with its volume", func(ctx context.Context) error {
		found, err := other.kahu("backups").Get(ctx, "at-sealed", metav1.GetOptions{})
		if err != nil {
			return err
		}
		rows, _, _ := unstructured.NestedSlice(found.Object, "status", "volumes", "claims") // One of another type is none.
		for _, each := range rows {
			if row, is := each.(map[string]any); is && row["providerName"] == "csi" && row["phase"] == "Completed" {
				return nil
			}
		}
		return fmt.Errorf("its rows are %v", rows)
	})
	other.make(other.kahu("restores"), `{"apiVersion":"kahu.io/v1beta1","kind":"Restore","metadata":{"name":"elsewhere"},
		"spec":{"backupName":"at-sealed","metadataLocation":"sealed","allowUnknownSigner":true}}`)
	other.field(other.kahu("restores"), "elsewhere", "Failed", "status", "state")
	found, err := other.kahu("restores").Get(w.Context(), "elsewhere", metav1.GetOptions{})
	if err != nil {
		w.Fatal(err)
	}
	if why := w.text(found, "status", "failureReason"); !strings.Contains(why, "csi") {
		w.Errorf("without its provider the restore fails as %q", why)
	}
}
