package api_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
)

// TestAccepted shows manifests that were written for the kahu.io/v1beta1 that came
// before, and what clients generated from its Go types send.
func TestAccepted(t *testing.T) {
	cases := map[string]string{
		"BackupAsGoSendsIt": `
apiVersion: kahu.io/v1beta1
kind: Backup
metadata: {name: shop, creationTimestamp: null}
spec:
  metadataLocation: nfs
  reclaimPolicy: {}
  hook: {}
  enableVolumeBackup: true
status: {}`,
		"BackupWithEmptyEverything": `
apiVersion: kahu.io/v1beta1
kind: Backup
metadata: {name: shop, creationTimestamp: null}
spec:
  metadataLocation: nfs
  reclaimPolicy: {reclaimPolicyDelete: "", reclaimPolicyRetain: ""}
  hook: {resources: []}
  includeNamespaces: []
  excludeNamespaces: []
  includeResources: []
  excludeResources: []
  volumeBackupLocations: []
  volumeRules: []
  label: {}
  enableMetadataBackup: true
status:
  validationErrors: null
  startTimestamp: null
  completionTimestamp: null
  lastBackup: null`,
		"BackupWithNulls": `
apiVersion: kahu.io/v1beta1
kind: Backup
metadata: {name: shop}
spec:
  metadataLocation: nfs
  reclaimPolicy: null
  hook: null
  includeNamespaces: null
  excludeNamespaces: null
  includeResources: null
  excludeResources: null
  volumeBackupLocations: null
  volumeRules: null
  label: null
  enableMetadataBackup: null
  enableVolumeBackup: null
  deletionPolicy: null
  origin: null
status: null`,
		"EmptyVolumeRulesWithoutVolumes": `
apiVersion: kahu.io/v1beta1
kind: Backup
spec: {metadataLocation: nfs, enableVolumeBackup: false, volumeRules: []}`,
		"VolumeRules": `
apiVersion: kahu.io/v1beta1
kind: Backup
spec:
  metadataLocation: nfs
  volumeRules:
  - {action: Skip, storageClasses: [scratch-*], labelSelector: {}, annotations: {}, namespaces: []}
  - {action: Backup, minSize: '1073741824', maxSize: 1Gi, snapshotClass: fast}
  - {action: Backup, groupSnapshot: Required, groupSnapshotClass: fast}
  - {action: Backup, way: Snapshot, groupSnapshot: Never}
  - {action: Backup, minSize: 1.5Gi, way: Snapshot, snapshotClass: fast, providerName: csi}
  - {action: Backup, way: Volume, snapshotClass: fast}
  - {action: Backup, way: Offload, drivers: [disks.example.com, "*"], volumeMode: Block}`,
		"HookWithNullResources": `
apiVersion: kahu.io/v1beta1
kind: Backup
spec: {metadataLocation: nfs, hook: {resources: null}}`,
		"OldReclaimPolicy": `
apiVersion: kahu.io/v1beta1
kind: Backup
spec: {metadataLocation: nfs, reclaimPolicy: {reclaimPolicyDelete: Delete}}`,
		"Filters": `
apiVersion: kahu.io/v1beta1
kind: Backup
spec:
  metadataLocation: nfs
  includeNamespaces: [shop, "7"]
  includeResources:
  - {name: "", kind: Pod, isRegex: false}
  - {name: null, kind: deployments.apps}
  - {name: "*", kind: deploy}
  - {name: "*", kind: configmaps, isRegex: true}
  - {name: "^web-[0-9]+$", kind: StatefulSet, isRegex: true}
  - {name: "", kind: '^(config|secret)|\.apps$', isRegex: true}
  - {name: "system:controller:job-controller", kind: ClusterRole}
  - {kind: snapshots.volume.example.com}
  excludeResources:
  - {name: kube-root-ca.crt, kind: ConfigMap}
  label: {matchLabels: {app: shop}, matchExpressions: [{key: tier, operator: In, values: [a, b]}]}`,
		"References": `
apiVersion: kahu.io/v1beta1
kind: Backup
spec:
  metadataLocation: nfs
  references:
  - {from: shops.example.com, path: spec.secret, kind: Secret}
  - {from: Shop, path: "spec.stores[*].auth['secret.name']", kind: "", namespacePath: "spec.stores[*].namespace", optional: true}
  - {from: shops.example.com, path: "metadata.annotations['example.com/ca']", kind: certificates.cert-manager.io, namespacePath: null}`,
		"FilterTwice": `
apiVersion: kahu.io/v1beta1
kind: Backup
spec: {metadataLocation: nfs, includeNamespaces: [shop, shop], includeResources: [{kind: Pod}, {kind: Pod}]}`,
		"View": `
apiVersion: kahu.io/v1beta1
kind: Backup
metadata: {name: ` + strings.Repeat("n", 63) + `-0badcafe}
spec:
  metadataLocation: nfs
  origin: {clusterID: 11111111-2222-3333-4444-555555555555, uid: 66666666-2222-3333-4444-555555555555, name: shop.daily}`,
		"RestoreAsGoSendsIt": `
apiVersion: kahu.io/v1beta1
kind: Restore
metadata: {name: shop, creationTimestamp: null}
spec:
  backupName: shop
  hook: {}
status: {progress: {}}`,
		"RestoreWithNulls": `
apiVersion: kahu.io/v1beta1
kind: Restore
spec:
  backupName: shop
  includeNamespaces: null
  excludeNamespaces: null
  includeResources: null
  excludeResources: null
  labelSelector: null
  namespaceMapping: null
  includeClusterResource: null
  resourcePrefix: ""
  preserveNodePort: null
  preserveClusterIpAddr: null
  hook: {resources: null}
status: {validationErrors: null, startTimestamp: null, completionTimestamp: null}`,
		"RestoreMapped": `
apiVersion: kahu.io/v1beta1
kind: Restore
spec:
  backupName: shop
  namespaceMapping: {shop: copy, bank: bank}
  resourcePrefix: blue-
  includeClusterResource: false
  preserveNodePort: true
  preserveClusterIpAddr: true
  finishedJobs: RunAgain
  restoreStatus: {includeResources: [{kind: Well.example.org}], excludeResources: [{kind: Well, name: dry}]}
  allowIncomplete: true`,
		"Location": `
apiVersion: kahu.io/v1beta1
kind: BackupLocation
spec: {providerName: nfs-provider, config: {key: "key", path: /backups}}`,
		"LocationWithNulls": `
apiVersion: kahu.io/v1beta1
kind: BackupLocation
metadata: {name: nfs, creationTimestamp: null}
spec: {providerName: nfs-provider, config: null, credentialsSecretRef: {}}
status: {}`,
		"LocationWithSecret": `
apiVersion: kahu.io/v1beta1
kind: BackupLocation
spec: {providerName: nfs-provider, credentialsSecretRef: {name: nfs.key}}`,
		"Provider": `
apiVersion: kahu.io/v1beta1
kind: Provider
spec:
  version: v1
  type: VolumeProvider
  manifest: {vendor: example}
  capabilities: {NEED_SNAPSHOT: true, NEED_VOLUME: false}
  supportedVolumeProvisioners: [csi.example.com]
status: {state: Available}`,
		"ProviderWithNothing": `
apiVersion: kahu.io/v1beta1
kind: Provider
metadata: {name: nfs, creationTimestamp: null}
spec: {}
status: {}`,
	}
	for name, manifest := range cases {
		t.Run(name, func(t *testing.T) {
			created, err := try(t, parse(t, manifest))
			if err != nil {
				t.Fatalf("refused: %v", err)
			}
			typed := newObject(t, created.GetKind())
			if err := runtime.DefaultUnstructuredConverter.FromUnstructured(created.Object, typed); err != nil {
				t.Errorf("our types cannot read it: %v", err)
			}
		})
	}
}

// TestDefaults shows what the API server fills in.
func TestDefaults(t *testing.T) {
	for name, manifest := range map[string]string{
		"Absent": "{metadataLocation: nfs}",
		"Null":   "{metadataLocation: nfs, deletionPolicy: null}",
	} {
		t.Run(name, func(t *testing.T) {
			created, err := try(t, parse(t, "apiVersion: kahu.io/v1beta1\nkind: Backup\nspec: "+manifest))
			if err != nil {
				t.Fatalf("refused: %v", err)
			}
			want := map[string]any{"metadataLocation": "nfs", "deletionPolicy": "Delete"}
			if diff := cmp.Diff(want, created.Object["spec"]); diff != "" {
				t.Errorf("spec differs (-want +got):\n%s", diff)
			}
		})
	}
}

// TestLargestAccepted shows that the rules can be evaluated on the largest specs
// that the schema allows: the server gives up on rules that take too long.
func TestLargestAccepted(t *testing.T) {
	for _, name := range []string{"Backup", "Restore"} {
		t.Run(name, func(t *testing.T) {
			if _, err := try(t, largest(t, name, 1024)); err != nil {
				t.Errorf("creation: %v", err)
			}
			// What is kept must fit into etcd, so the names are shorter here.
			created := create(t, largest(t, name, 64))
			created.SetLabels(map[string]string{"changed": "yes"})
			if err := update(t, created); err != nil {
				t.Errorf("update: %v", err)
			}
		})
	}
}

// largest returns a run with full lists, and names of this many characters.
func largest(t *testing.T, name string, length int) *unstructured.Unstructured {
	t.Helper()
	namespaces, filters, mapping := []any{}, []any{}, map[string]any{}
	for i := range 1000 {
		namespaces = append(namespaces, fmt.Sprintf("%063d", i))
		filters = append(filters, map[string]any{
			"kind": strings.Repeat("K", 62) + ".example." + strings.Repeat("g", 180), "name": fmt.Sprintf("%0*d", length, i),
		})
	}
	for i := range 256 {
		mapping[fmt.Sprintf("%063d", i)] = fmt.Sprintf("t%062d", i)
	}
	spec := map[string]any{
		"includeNamespaces": namespaces, "excludeNamespaces": namespaces,
		"includeResources": filters, "excludeResources": filters,
	}
	if name == "Backup" {
		spec["metadataLocation"] = "nfs"
	} else {
		spec["backupName"], spec["namespaceMapping"] = "shop", mapping
	}
	object := parse(t, "apiVersion: kahu.io/v1beta1\nkind: "+name+"\nmetadata: {name: largest}")
	object.Object["spec"] = spec
	return object
}

// newObject returns an empty object of one of our kinds.
func newObject(t *testing.T, name string) runtime.Object {
	t.Helper()
	scheme := runtime.NewScheme()
	if err := kahuv1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	object, err := scheme.New(kahuv1.GroupVersion.WithKind(name))
	if err != nil {
		t.Fatal(err)
	}
	return object
}
