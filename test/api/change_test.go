package api_test

import (
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// TestChange shows which fields of a run can be changed once it exists: none that
// says what the run is about. That a field is written another way, absent, null or
// empty, is no change.
func TestChange(t *testing.T) {
	const (
		backup  = "{metadataLocation: nfs, "
		restore = "{backupName: shop, "
		order   = "{backupName: shop, backupUID: u, providerName: p, way: Offload, claim: {namespace: a, name: b}, persistentVolume: v, "
	)
	cases := map[string]struct {
		kind, before, after string
		// refused is the field that the server names; empty means accepted.
		refused string
	}{
		"Location":                {"Backup", backup + "}", "{metadataLocation: s3}", "spec.metadataLocation"},
		"Subject":                 {"Inspection", "{subject: Report, backupName: a}", "{subject: Objects, backupName: a}", "spec"},
		"Page":                    {"Inspection", "{subject: Report, backupName: a}", "{subject: Report, backupName: a, page: b}", "spec"},
		"IncludeNamespaces":       {"Backup", backup + "includeNamespaces: [a]}", backup + "includeNamespaces: [a, b]}", "spec.includeNamespaces"},
		"IncludeNamespacesAdded":  {"Backup", backup + "}", backup + "includeNamespaces: [a]}", "spec.includeNamespaces"},
		"IncludeNamespacesGone":   {"Backup", backup + "includeNamespaces: [a]}", backup + "}", "spec.includeNamespaces"},
		"IncludeNamespacesEmpty":  {"Backup", backup + "}", backup + "includeNamespaces: []}", ""},
		"ExcludeNamespaces":       {"Backup", backup + "}", backup + "excludeNamespaces: [a]}", "spec.excludeNamespaces"},
		"IncludeResources":        {"Backup", backup + "includeResources: [{kind: Pod}]}", backup + "includeResources: [{kind: Pod, name: web}]}", "spec.includeResources"},
		"ExcludeResources":        {"Backup", backup + "excludeResources: [{kind: Pod}]}", backup + "excludeResources: []}", "spec.excludeResources"},
		"References":              {"Backup", backup + "references: [{from: a, path: b}]}", backup + "references: [{from: a, path: c}]}", "spec.references"},
		"ReferencesAdded":         {"Backup", backup + "}", backup + "references: [{from: a, path: c}]}", "spec.references"},
		"RestoreReferences":       {"Restore", restore + "}", restore + "references: [{from: a, path: c}]}", "spec.references"},
		"RestoreReferencesEmpty":  {"Restore", restore + "}", restore + "references: []}", ""},
		"VolumeLocations":         {"Backup", backup + "volumeBackupLocations: [a]}", backup + "volumeBackupLocations: [b]}", "spec.volumeBackupLocations"},
		"VolumeLocationsAdded":    {"Backup", backup + "}", backup + "volumeBackupLocations: [b]}", "spec.volumeBackupLocations"},
		"VolumeRules":             {"Backup", backup + "volumeRules: [{action: Skip}]}", backup + "volumeRules: [{action: Backup}]}", "spec.volumeRules"},
		"VolumeRulesAdded":        {"Backup", backup + "}", backup + "volumeRules: [{action: Skip}]}", "spec.volumeRules"},
		"VolumeRulesGone":         {"Backup", backup + "volumeRules: [{action: Skip, minSize: 1Gi}]}", backup + "}", "spec.volumeRules"},
		"VolumeRulesEmpty":        {"Backup", backup + "}", backup + "volumeRules: []}", ""},
		"Label":                   {"Backup", backup + "label: {matchLabels: {a: b}}}", backup + "label: {matchLabels: {a: c}}}", "spec.label"},
		"LabelAdded":              {"Backup", backup + "}", backup + "label: {matchLabels: {a: c}}}", "spec.label"},
		"EnableVolumeBackup":      {"Backup", backup + "}", backup + "enableVolumeBackup: false}", "spec.enableVolumeBackup"},
		"EnableVolumeBackupSaid":  {"Backup", backup + "}", backup + "enableVolumeBackup: true}", ""},
		"Mode":                    {"Backup", backup + "mode: Auto}", backup + "mode: Full}", "spec.mode"},
		"ModeAdded":               {"Backup", backup + "}", backup + "mode: Incremental}", "spec.mode"},
		"ModeSaid":                {"Backup", backup + "}", backup + "mode: Full}", ""},
		"FullEvery":               {"Backup", backup + "mode: Auto, fullEvery: {age: 24h}}", backup + "mode: Auto, fullEvery: {age: 48h}}", "spec.fullEvery"},
		"FullEveryAdded":          {"Backup", backup + "mode: Auto}", backup + "mode: Auto, fullEvery: {backups: 3}}", "spec.fullEvery"},
		"FullEveryEmpty":          {"Backup", backup + "}", backup + "fullEvery: {}}", ""},
		"Cancel":                  {"Backup", backup + "}", backup + "cancel: true}", ""},
		"CancelTakenBack":         {"Backup", backup + "cancel: true}", backup + "cancel: false}", "spec.cancel"},
		"Copies":                  {"Backup", backup + "}", backup + "copies: [{location: offsite}]}", ""},
		"CopiesOfView":            {"Backup", backup + "origin: {clusterID: c, uid: u, name: shop}}", backup + "origin: {clusterID: c, uid: u, name: shop}, copies: [{location: offsite}]}", ""},
		"CopiesGone":              {"Backup", backup + "copies: [{location: offsite, name: there}]}", backup + "}", ""},
		"CopiesAgain":             {"Backup", backup + "copies: [{location: offsite}]}", backup + "copies: [{location: offsite, token: again}]}", ""},
		"CopyToItself":            {"Backup", backup + "}", backup + "copies: [{location: nfs}]}", "spec.copies"},
		"CancelDropped":           {"Backup", backup + "cancel: true}", backup + "}", "spec.cancel"},
		"CancelAndChange":         {"Backup", backup + "}", backup + "cancel: true, excludeNamespaces: [a]}", "spec.excludeNamespaces"},
		"DeletionPolicy":          {"Backup", backup + "}", backup + "deletionPolicy: Retain}", ""},
		"Hook":                    {"Backup", backup + "hook: {resources: [{name: a, pre: [{exec: {command: [sync]}}]}]}}", backup + "hook: {resources: [{name: a, pre: [{exec: {command: [rm]}}]}]}}", "spec.hook"},
		"HookAdded":               {"Backup", backup + "}", backup + "hook: {resources: [{name: a, pre: [{exec: {command: [sync]}}]}]}}", "spec.hook"},
		"HookGone":                {"Backup", backup + "hook: {quiesceTimeout: 1m}}", backup + "hook: {}}", "spec.hook"},
		"HookEmptied":             {"Backup", backup + "hook: {resources: []}}", backup + "}", ""},
		"EmptyStructs":            {"Backup", backup + "}", backup + "hook: {}, reclaimPolicy: {}, volumeBackupLocations: []}", ""},
		"OriginAdded":             {"Backup", backup + "}", backup + "origin: {clusterID: c, uid: u, name: shop}}", "spec.origin"},
		"OriginGone":              {"Backup", backup + "origin: {clusterID: c, uid: u, name: shop}}", backup + "}", "spec.origin"},
		"Origin":                  {"Backup", backup + "origin: {clusterID: c, uid: u, name: shop}}", backup + "origin: {clusterID: d, uid: u, name: shop}}", "spec.origin"},
		"BackupName":              {"Restore", restore + "}", "{backupName: bank}", "spec.backupName"},
		"RestoreLocation":         {"Restore", restore + "}", restore + "metadataLocation: nfs}", "spec.metadataLocation"},
		"RestoreClusterID":        {"Restore", restore + "metadataLocation: nfs, clusterID: a}", restore + "metadataLocation: nfs, clusterID: b}", "spec.clusterID"},
		"RestoreBackupUID":        {"Restore", restore + "metadataLocation: nfs, backupUID: a}", restore + "metadataLocation: nfs}", "spec.backupUID"},
		"RestoreNamespaces":       {"Restore", restore + "}", restore + "includeNamespaces: [a]}", "spec.includeNamespaces"},
		"RestoreNotNamespaces":    {"Restore", restore + "}", restore + "excludeNamespaces: [a]}", "spec.excludeNamespaces"},
		"RestoreResources":        {"Restore", restore + "}", restore + "includeResources: [{kind: Pod}]}", "spec.includeResources"},
		"RestoreNotResources":     {"Restore", restore + "}", restore + "excludeResources: [{kind: Pod}]}", "spec.excludeResources"},
		"RestoreLabel":            {"Restore", restore + "}", restore + "labelSelector: {matchLabels: {a: c}}}", "spec.labelSelector"},
		"Mapping":                 {"Restore", restore + "namespaceMapping: {a: b}}", restore + "namespaceMapping: {a: c}}", "spec.namespaceMapping"},
		"MappingEmpty":            {"Restore", restore + "}", restore + "namespaceMapping: {}}", ""},
		"IncludeClusterResource":  {"Restore", restore + "}", restore + "includeClusterResource: false}", "spec.includeClusterResource"},
		"PreserveNodePort":        {"Restore", restore + "}", restore + "preserveNodePort: true}", "spec.preserveNodePort"},
		"PreserveNodePortNot":     {"Restore", restore + "}", restore + "preserveNodePort: false}", ""},
		"PreserveClusterIPAddr":   {"Restore", restore + "}", restore + "preserveClusterIpAddr: true}", "spec.preserveClusterIpAddr"},
		"AllowUnknownSigner":      {"Restore", restore + "}", restore + "allowUnknownSigner: true}", "spec.allowUnknownSigner"},
		"AllowIncomplete":         {"Restore", restore + "}", restore + "allowIncomplete: true}", "spec.allowIncomplete"},
		"Transforms":              {"Restore", restore + "transforms: [{mergePatch: {a: 1}}]}", restore + "transforms: [{mergePatch: {a: 2}}]}", "spec.transforms"},
		"TransformNull":           {"Restore", restore + "transforms: [{mergePatch: {a: null}}]}", restore + "transforms: [{mergePatch: {}}]}", "spec.transforms"},
		"TransformValue":          {"Restore", restore + "transforms: [{jsonPatch: [{op: add, path: /a, value: 1}]}]}", restore + "transforms: [{jsonPatch: [{op: add, path: /a, value: [1]}]}]}", "spec.transforms"},
		"TransformsAdded":         {"Restore", restore + "}", restore + "transforms: [{mergePatch: {a: 1}}]}", "spec.transforms"},
		"TransformsEmpty":         {"Restore", restore + "}", restore + "transforms: [], transformSets: null, imageMapping: {}, storageClassMapping: {}}", ""},
		"TransformsSame":          {"Restore", restore + "transforms: [{mergePatch: {a: null}}]}", restore + "transforms: [{mergePatch: {a: null}}]}", ""},
		"TransformSets":           {"Restore", restore + "transformSets: [a]}", restore + "transformSets: [b]}", "spec.transformSets"},
		"ImageMapping":            {"Restore", restore + "imageMapping: {a: b}}", restore + "imageMapping: {a: c}}", "spec.imageMapping"},
		"StorageClassMapping":     {"Restore", restore + "}", restore + "storageClassMapping: {a: c}}", "spec.storageClassMapping"},
		"TransformSet":            {"TransformSet", "{}", "{transforms: [{mergePatch: {a: 1}}]}", ""},
		"FinishedJobs":            {"Restore", restore + "}", restore + "finishedJobs: RunAgain}", "spec.finishedJobs"},
		"FinishedJobsSaid":        {"Restore", restore + "}", restore + "finishedJobs: Keep}", ""},
		"RestoreStatusAdded":      {"Restore", restore + "}", restore + "restoreStatus: {includeResources: [{kind: Job}]}}", "spec.restoreStatus"},
		"RestoreStatus":           {"Restore", restore + "restoreStatus: {includeResources: [{kind: Job}]}}", restore + "restoreStatus: {includeResources: [{kind: Pod}]}}", "spec.restoreStatus"},
		"Existing":                {"Restore", restore + "existingResourcePolicy: Update}", restore + "existingResourcePolicy: Fail}", "spec.existingResourcePolicy"},
		"ExistingAdded":           {"Restore", restore + "}", restore + "existingResourcePolicy: Update}", "spec.existingResourcePolicy"},
		"ExistingSaid":            {"Restore", restore + "}", restore + "existingResourcePolicy: Skip}", ""},
		"DryRun":                  {"Restore", restore + "}", restore + "dryRun: true}", "spec.dryRun"},
		"RestoreCancel":           {"Restore", restore + "}", restore + "cancel: true}", ""},
		"RestoreCancelTakenBack":  {"Restore", restore + "cancel: true}", restore + "}", "spec.cancel"},
		"RestoreHook":             {"Restore", restore + "hook: {resources: [{name: a, post: [{exec: {command: [warm]}}]}]}}", restore + "hook: {resources: [{name: a, post: [{exec: {command: [rm]}}]}]}}", "spec.hook"},
		"RestoreHookAdded":        {"Restore", restore + "}", restore + "hook: {resources: [{name: a, pre: [{exec: {command: [warm]}}]}]}}", "spec.hook"},
		"RestoreHookEmptied":      {"Restore", restore + "hook: {resources: []}}", restore + "}", ""},
		"OrderCancel":             {"VolumeBackupContent", order + "}", order + "cancel: true, deletionPolicy: Delete}", ""},
		"OrderSnapshotAdded":      {"VolumeBackupContent", order + "}", order + "snapshot: {driver: d, handle: h}}", "spec.snapshot"},
		"OrderSource":             {"VolumeBackupContent", order + "source: {namespace: a, name: b}}", order + "source: {namespace: a, name: c}}", "spec.source"},
		"OrderSourceAdded":        {"VolumeBackupContent", order + "}", order + "source: {namespace: a, name: c}}", "spec.source"},
		"OrderBase":               {"VolumeBackupContent", order + "base: {handle: h, attributes: {a: b}}}", order + "base: {handle: h, attributes: {a: c}}}", "spec.base"},
		"OrderBaseGone":           {"VolumeBackupContent", order + "base: {handle: h}}", order + "}", "spec.base"},
		"OrderExisting":           {"VolumeBackupContent", order + "existing: {handle: h}}", order + "existing: {handle: i}}", "spec.existing"},
		"OrderExistingAdded":      {"VolumeBackupContent", order + "}", order + "existing: {handle: i}}", "spec.existing"},
		"OrderExistingSame":       {"VolumeBackupContent", order + "existing: {handle: h, attributes: {a: b}}}", order + "existing: {handle: h, attributes: {a: b}}, deletionPolicy: Delete}", ""},
		"OrderTimeout":            {"VolumeBackupContent", order + "timeout: 1h}", order + "timeout: 2h}", "spec.timeout"},
		"OrderTimeoutGone":        {"VolumeBackupContent", order + "timeout: 1h}", order + "}", "spec.timeout"},
		"OrderTimeoutSaid":        {"VolumeBackupContent", order + "timeout: 1h}", order + "timeout: 1h0m0s}", ""},
		"OrderTimeoutNone":        {"VolumeBackupContent", order + "timeout: 0s}", order + "}", ""},
		"RestoreWithEmptyStructs": {"Restore", restore + "}", restore + "hook: {resources: null}, resourcePrefix: '', labelSelector: null}", ""},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			object := parse(t, "apiVersion: kahu.io/v1beta1\nkind: "+c.kind+"\nmetadata: {generateName: change-}\nspec: "+c.before)
			unstructured.RemoveNestedField(object.Object, "metadata", "name")
			created := create(t, object)
			created.Object["spec"] = parse(t, "spec: "+c.after).Object["spec"]
			err := update(t, created)
			if c.refused == "" {
				if err != nil {
					t.Errorf("refused: %v", err)
				}
				return
			}
			checkRefused(t, err, refusal{c.refused, c.refused})
		})
	}
}
