package golden_test

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"io"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"filippo.io/age"
	testclock "k8s.io/utils/clock/testing"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/archive"
	"github.com/soda-cdm/kahu/internal/core/increment"
	"github.com/soda-cdm/kahu/internal/core/seal"
	"github.com/soda-cdm/kahu/internal/engine"
	"github.com/soda-cdm/kahu/internal/engine/backup"
	"github.com/soda-cdm/kahu/internal/engine/keyring"
	"github.com/soda-cdm/kahu/internal/engine/location"
	"github.com/soda-cdm/kahu/internal/engine/restore"
	"github.com/soda-cdm/kahu/internal/store"
	"github.com/soda-cdm/kahu/internal/testkit/fakecluster"
	"github.com/soda-cdm/kahu/provider/memory"
)

const (
	clusterID  = "0c9d8f12-6a0e-4a3b-9d55-7f6f0f3f2b10"
	otherID    = "f1d2c3b4-0000-4a3b-9d55-7f6f0f3f2b10"
	nonce      = "5b0d7a52-1f4c-4a55-8f0e-1c6a4b1f0c77"
	locationID = "8d9c2f40-51a7-4c1e-a3f6-2b7f1f7b9d11"
	secondID   = "2e7b61d8-93c5-4f0a-8b1d-6c04a9e5d722"
)

// patience is short: nothing has to be waited for in a cluster in which nothing acts.
const patience = 5 * time.Second

// The kinds of the cluster.
var (
	namespaces  = fakecluster.Kind("", "Namespace", "namespaces", false)
	configMaps  = fakecluster.Kind("", "ConfigMap", "configmaps", true)
	secrets     = fakecluster.Kind("", "Secret", "secrets", true)
	claims      = fakecluster.Kind("", "PersistentVolumeClaim", "persistentvolumeclaims", true)
	deployments = fakecluster.Kind("apps", "Deployment", "deployments", true)
	widgets     = fakecluster.Kind("example.com", "Widget", "widgets", true)
	roles       = fakecluster.Kind("rbac.authorization.k8s.io", "ClusterRole", "clusterroles", false)
)

func newCluster() *fakecluster.Cluster {
	return fakecluster.New(namespaces, configMaps, secrets, claims, deployments, widgets, roles)
}

// world is a location in memory, its keys, and a cluster with a shop.
type world struct {
	t       *testing.T
	files   *store.Store
	place   string // the id of the location
	cluster *fakecluster.Cluster
	clock   *testclock.FakePassiveClock
	made    []increment.Candidate // the backups of a chain
	volumes bool                  // there are providers of volumes

	identities  []seal.Identity
	secretTexts []string // of the identities
	signing     *seal.SigningKey
	state       keyring.State
	comparison  *seal.Key // of a cluster that cannot read what it writes
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{
		t: t, files: store.New(memory.New(memory.Options{}), store.Options{Attempts: 1}), place: locationID, cluster: newCluster(),
		clock: testclock.NewFakePassiveClock(time.Date(2026, time.November, 21, 20, 30, 0, 0, time.UTC)),
	}
	w.shop()
	return w
}

// shop fills the cluster with objects that a writer could stumble over: characters that are escaped, numbers that a float does not
// hold, one that is large, owners, names with signs, and objects without a namespace.
func (w *world) shop() {
	w.t.Helper()
	put := func(kind core.Kind, namespace, name, content string) {
		w.cluster.Put(w.t, kind, namespace, name, content)
	}
	put(namespaces, "", "shop", `{"metadata":{"labels":{"team":"kākāpō"}}}`)
	put(namespaces, "", "shop-data", `{}`)
	put(configMaps, "shop", "settings", `{"data":{"greeting":"kia ora, <you> & \"you\"\n","empty":""},"immutable":true}`)
	put(configMaps, "shop", "large", `{"data":{"text":"`+strings.Repeat("Kahu flies far. ", 2_000)+`"}}`)
	put(secrets, "shop", "password", `{"type":"Opaque","data":{"key":"dmFsdWU="}}`)
	put(deployments, "shop", "web", `{"metadata":{"annotations":{"note":"x"}},"spec":{"replicas":3,"selector":{"matchLabels":{"app":"web"}},`+
		`"template":{"metadata":{"labels":{"app":"web"}},"spec":{"containers":[{"name":"web","image":"registry.example.com/web:1",`+
		`"envFrom":[{"configMapRef":{"name":"settings"}},{"secretRef":{"name":"password"}}]}]}}}}`)
	put(widgets, "shop-data", "w", `{"spec":{"size":42,"ratio":1e3,"none":null,"list":[]}}`)
	put(roles, "", "shop:reader", `{"rules":[{"apiGroups":[""],"resources":["configmaps"],"verbs":["get","list"]}]}`)
	for i := range 7 {
		put(configMaps, "shop-data", "part-"+strconv.Itoa(i), `{"data":{"number":"`+strconv.Itoa(i)+`"}}`)
	}
}

// claim puts a bound claim into the shop, whose data nothing can back up.
func (w *world) claim() {
	w.t.Helper()
	w.cluster.Put(w.t, claims, "shop", "data", `{"spec":{"volumeName":"volume-1"},"status":{"phase":"Bound"}}`)
}

// seal makes keys, and encrypts what is written from now on.
func (w *world) seal() {
	w.t.Helper()
	classical, err := age.GenerateX25519Identity()
	check(w.t, err)
	hybrid, err := age.GenerateHybridIdentity()
	check(w.t, err)
	w.identities, err = seal.ParseIdentities([]byte(classical.String() + "\n" + hybrid.String() + "\n"))
	check(w.t, err)
	w.signing, err = seal.NewSigningKey(rand.Reader)
	check(w.t, err)
	w.secretTexts = []string{classical.String(), hybrid.String()}
	w.keep()
}

// keep begins an epoch, or finds the one that there is.
func (w *world) keep() {
	w.t.Helper()
	wish := keyring.Wish{State: w.state, Held: w.identities}
	for _, identity := range w.identities {
		wish.Recipients = append(wish.Recipients, identity.Recipient())
	}
	kept, err := w.keeper().Keep(w.t.Context(), wish)
	check(w.t, err)
	w.state = kept.State
}

func (w *world) keeper() *keyring.Keeper {
	return &keyring.Keeper{Files: w.files, Clock: w.clock, ClusterID: clusterID}
}

// keys opens with the identities, or with one of them.
func (w *world) keys(held ...seal.Identity) *keyring.Ring {
	if len(held) == 0 {
		held = w.identities
	}
	return w.keysOf(held)
}

// keysOf opens with these identities and no others.
func (w *world) keysOf(held []seal.Identity) *keyring.Ring {
	return &keyring.Ring{Files: w.files, Identities: func(context.Context) ([]seal.Identity, error) { return held, nil }}
}

func (w *world) sealing() *backup.Sealing {
	if w.signing == nil {
		return nil
	}
	made := &backup.Sealing{
		Epoch: w.state.Epoch, Signing: w.signing, Keys: w.keys(), Comparison: w.comparison,
		Check: func(ctx context.Context) error { return w.keeper().Check(ctx, w.state) },
	}
	if w.comparison != nil {
		made.Keys = w.keysOf(nil)
	}
	return made
}

func (w *world) location() *location.Location {
	return &location.Location{Files: w.files, Clock: w.clock, NewID: func() string { return w.place }}
}

func backupID(name string) archive.BackupID {
	return archive.BackupID{ClusterID: clusterID, Name: name, UID: "uid-of-" + name}
}

// backup is one attempt at a backup.
func (w *world) backup(name string, level archive.Compression) (*backup.Runner, backup.Request) {
	w.t.Helper()
	use := &backup.Runner{Cluster: w.cluster, Clock: w.clock, Listers: 1, Packers: 1, Writer: "kahu golden"}
	request := backup.Request{
		ID: backupID(name), Attempt: "first" + name, LocationID: w.place, ServerVersion: "v1.36.3", Compression: level,
		Object: json.RawMessage(`{"apiVersion":"kahu.io/v1beta1","kind":"Backup","metadata":{"name":"` + name +
			`"},"spec":{"metadataLocation":"shelf"}}`),
		VolumeData: true, Sealing: w.sealing(), Confirm: func(context.Context) error { return nil },
	}
	if w.volumes {
		request.Volumes = disks{}
	}
	return use, request
}

// restore restores everything of a backup into an empty cluster, and leaves its report at the location.
func (w *world) restore(id archive.BackupID, attempt string, keys *keyring.Ring) (*fakecluster.Cluster, restore.Result) {
	w.t.Helper()
	to, _, result := w.restoreVolumes(id, attempt, keys)
	return to, result
}

// restoreVolumes does so and returns what was asked for to get the data of volumes.
func (w *world) restoreVolumes(id archive.BackupID, attempt string, keys *keyring.Ring) (*fakecluster.Cluster, *shelves, restore.Result) {
	w.t.Helper()
	held := &shelves{}
	to := newCluster()
	use := &restore.Runner{Cluster: to, Clock: w.clock, Creators: 2, Patience: patience}
	request := restore.Request{
		Backup: id, ID: archive.RestoreID{ClusterID: otherID, Name: "back", UID: "uid-of-back-" + id.Name}, Attempt: attempt,
		Confirm: func(context.Context) error { return nil }, AllowIncomplete: true, Volumes: held,
	}
	if w.signing != nil {
		request.Keys = keys
		request.Trust = engine.Trust{Required: true, Signers: []seal.Signer{w.signing.Signer()}}
	}
	result, err := use.Run(w.t.Context(), request, w.files)
	check(w.t, err)
	return to, held, result
}

// names returns the names of all files.
func (w *world) names() []string {
	w.t.Helper()
	var names []string
	check(w.t, w.files.List(w.t.Context(), "", func(file core.FileInfo) error {
		names = append(names, file.Name)
		return nil
	}))
	slices.Sort(names)
	return names
}

func (w *world) content(name string) []byte {
	w.t.Helper()
	file, err := w.files.Open(w.t.Context(), name)
	check(w.t, err)
	defer file.Close()
	content, err := io.ReadAll(file)
	check(w.t, err)
	return content
}

func (w *world) put(name string, content []byte) {
	w.t.Helper()
	check(w.t, w.files.Replace(w.t.Context(), name, content))
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
