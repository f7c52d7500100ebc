package api_test

import (
	"strings"
	"testing"
)

// TestRefused shows what the API server refuses, with the field that it names and
// what it says to do.
func TestRefused(t *testing.T) {
	const (
		backup     = "apiVersion: kahu.io/v1beta1\nkind: Backup\nspec:\n  metadataLocation: nfs\n"
		restore    = "apiVersion: kahu.io/v1beta1\nkind: Restore\nspec:\n  backupName: shop\n"
		location   = "apiVersion: kahu.io/v1beta1\nkind: BackupLocation\nspec:\n  providerName: nfs\n"
		inspection = "apiVersion: kahu.io/v1beta1\nkind: Inspection\nspec:\n"
		set        = "apiVersion: kahu.io/v1beta1\nkind: TransformSet\nspec:\n"
		provider   = "apiVersion: kahu.io/v1beta1\nkind: Provider\nspec:\n  version: v1\n"
	)
	const namespaceName = `must be the name of a namespace: lower-case letters, digits and '-', at most 63 characters, no pattern`
	cases := map[string]struct {
		manifest string
		want     []refusal
	}{
		// What does not exist yet.
		"QuiesceTimeout": {
			backup + "  hook: {quiesceTimeout: -1s}\n",
			[]refusal{{"spec.hook.quiesceTimeout", "spec.hook.quiesceTimeout must be a duration that is not negative, such as 1m"}},
		},
		"HooksWithoutCommands": {
			backup + "  hook: {resources: [{name: a, post: [{exec: {command: [sync]}}]}, {name: b}, {name: c, pre: [], post: [{}]}]}\n",
			[]refusal{
				{"spec.hook.resources[1]", "the set has no command: name one below pre or post, or remove the set"},
				{"spec.hook.resources[2]", "the set has no command: name one below pre or post, or remove the set"},
			},
		},
		"RestoreHookWithoutCommands": {
			restore + "  hook: {resources: [{name: a, post: [{init: {}}]}, {name: b, pre: [{}]}]}\n",
			[]refusal{{"spec.hook.resources[1]", "the set has neither a command nor init containers: name one below pre or post, or remove the set"}},
		},
		"QuiesceTimeoutNoDuration": {
			backup + "  hook: {quiesceTimeout: soon}\n",
			[]refusal{{"spec.hook.quiesceTimeout", "spec.hook.quiesceTimeout must be a duration that is not negative, such as 1m"}},
		},
		"QuiesceTimeoutWithoutUnit": {
			backup + "  hook: {quiesceTimeout: '30'}\n",
			[]refusal{{"spec.hook.quiesceTimeout", "spec.hook.quiesceTimeout must be a duration that is not negative, such as 1m"}},
		},
		"HookTimeoutNegative": {
			backup + "  hook: {resources: [{name: a, pre: [{exec: {command: [sync], timeout: -1s}}]}]}\n",
			[]refusal{{"spec.hook.resources[0].pre[0].exec.timeout", "timeout must be a duration that is not negative, such as 30s"}},
		},
		"HookTimeoutNoDuration": {
			backup + "  hook: {resources: [{name: a, post: [{exec: {command: [sync], timeout: soon}}]}]}\n",
			[]refusal{{"spec.hook.resources[0].post[0].exec.timeout", "timeout must be a duration that is not negative, such as 30s"}},
		},
		"RestoreHookTimeoutNegative": {
			restore + "  hook: {resources: [{name: a, pre: [{exec: {command: [sync], timeout: -1s}}]}]}\n",
			[]refusal{{"spec.hook.resources[0].pre[0].exec.timeout", "timeout must be a duration that is not negative, such as 30s"}},
		},
		"RestoreHookExecTimeoutNegative": {
			restore + "  hook: {resources: [{name: a, post: [{exec: {command: [sync], timeout: -1s}}]}]}\n",
			[]refusal{{"spec.hook.resources[0].post[0].exec.timeout", "timeout must be a duration that is not negative, such as 30s"}},
		},
		"RestoreHookWaitTimeoutNegative": {
			restore + "  hook: {resources: [{name: a, post: [{exec: {command: [sync], waitTimeout: -1s}}]}]}\n",
			[]refusal{{"spec.hook.resources[0].post[0].exec.waitTimeout", "waitTimeout must be a duration that is not negative, such as 5m"}},
		},
		"RestoreHookInitTimeoutNegative": {
			restore + "  hook: {resources: [{name: a, post: [{init: {timeout: -1s}}]}]}\n",
			[]refusal{{"spec.hook.resources[0].post[0].init.timeout", "timeout must be a duration that is not negative, such as 30s"}},
		},
		"VolumeRuleSkipsByWay": {
			backup + "  volumeRules: [{action: Backup}, {action: Skip, way: Snapshot}]\n",
			[]refusal{{"spec.volumeRules[1].action", "a rule that skips backs nothing up: remove way, providerName and snapshotClass, or set action to Backup"}},
		},
		"VolumeRuleClassWithoutSnapshot": {
			backup + "  volumeRules: [{action: Backup, way: Offload, snapshotClass: fast}]\n",
			[]refusal{{"spec.volumeRules[0].snapshotClass", "the way Offload cuts no snapshot: remove snapshotClass, or set way to Snapshot or Volume"}},
		},
		"VolumeRuleGroupWithoutSnapshot": {
			backup + "  volumeRules: [{action: Backup, way: Volume, groupSnapshot: Required}]\n",
			[]refusal{{"spec.volumeRules[0].action", "only snapshots are cut in groups: remove groupSnapshot and groupSnapshotClass, or set action to Backup and way to Snapshot"}},
		},
		"VolumeRuleGroupSkipped": {
			backup + "  volumeRules: [{action: Skip, groupSnapshotClass: fast}]\n",
			[]refusal{{"spec.volumeRules[0].action", "only snapshots are cut in groups: remove groupSnapshot and groupSnapshotClass, or set action to Backup and way to Snapshot"}},
		},
		"VolumeRuleClassOfNoGroup": {
			backup + "  volumeRules: [{action: Backup, groupSnapshot: Never, groupSnapshotClass: fast}]\n",
			[]refusal{{"spec.volumeRules[0].groupSnapshotClass", "groupSnapshot says that no group is cut: remove groupSnapshotClass, or set groupSnapshot to Preferred or Required"}},
		},
		"VolumeRuleOfNoSize": {
			backup + "  volumeRules: [{action: Skip, minSize: 1Gi, maxSize: '1073741823'}]\n",
			[]refusal{{"spec.volumeRules[0].minSize", "minSize is more than maxSize: no claim is of such a size"}},
		},
		"VolumeRuleOfNegativeSize": {
			backup + "  volumeRules: [{action: Skip, minSize: '-1'}]\n", []refusal{{"spec.volumeRules[0].minSize", "should match"}},
		},
		"VolumeRuleOfSizeNothing": {
			backup + "  volumeRules: [{action: Skip, maxSize: 0Gi}]\n",
			[]refusal{{"spec.volumeRules[0].maxSize", "no volume is so small: remove maxSize, or give a greater one such as 10Gi"}},
		},
		"VolumeRuleWithoutAction": {
			backup + "  volumeRules: [{namespaces: [shop]}]\n", []refusal{{"spec.volumeRules[0].action", "Required value"}},
		},
		"VolumeRulePattern": {
			backup + "  volumeRules: [{claims: ['data-*-a'], action: Skip}]\n", []refusal{{"spec.volumeRules[0].claims[0]", "should match"}},
		},
		"VolumeRulesWithoutVolumes": {
			backup + "  enableVolumeBackup: false\n  volumeRules: [{action: Skip}]\n",
			[]refusal{{"spec.volumeRules", "spec.volumeRules say how the data of volumes is backed up, and spec.enableVolumeBackup is false: remove one of them"}},
		},
		"CopyToItself": {
			backup + "  copies: [{location: offsite}, {location: nfs}]\n",
			[]refusal{{"spec.copies", "spec.copies names the location of the backup itself: name another BackupLocation"}},
		},
		"CopyName": {
			backup + "  copies: [{location: offsite, name: Not_A_Name}]\n",
			[]refusal{{"spec.copies[0].name", "should match"}},
		},
		"WithoutMetadata": {
			backup + "  enableMetadataBackup: false\n",
			[]refusal{{"spec.enableMetadataBackup", "a backup without objects is not supported yet: remove spec.enableMetadataBackup, or set it to true"}},
		},
		"UnknownMode": {
			backup + "  mode: Synthetic\n", []refusal{{"spec.mode", "supported values"}},
		},
		"FullEveryWithoutAuto": {
			backup + "  mode: Incremental\n  fullEvery: {backups: 3}\n",
			[]refusal{{"spec.fullEvery", "spec.fullEvery says how often the mode Auto makes a full backup: set spec.mode to Auto, or remove it"}},
		},
		"FullEveryNegative": {
			backup + "  mode: Auto\n  fullEvery: {age: -1h}\n",
			[]refusal{{"spec.fullEvery.age", "spec.fullEvery.age must be a duration that is not negative, such as 24h"}},
		},
		"FullEveryNever": {
			backup + "  mode: Auto\n  fullEvery: {backups: -1}\n", []refusal{{"spec.fullEvery.backups", "should be greater than or equal to 1"}},
		},
		"ResourcePrefix": {
			restore + "  resourcePrefix: Copy.\n",
			[]refusal{{"spec.resourcePrefix", "a prefix is of lower-case letters, digits and hyphens, and begins with a letter"}},
		},
		"InspectionOfBoth": {
			inspection + "  subject: Report\n  restoreName: shop\n  backupName: shop\n",
			[]refusal{{"spec", "name one of spec.backupName and spec.restoreName"}},
		},
		// Transforms.
		"TransformWithoutPatch": {
			restore + "  transforms: [{name: a}]\n", []refusal{{"spec.transforms[0]", "give one of jsonPatch and mergePatch, and not both"}},
		},
		"TransformWithBothPatches": {
			set + "  transforms: [{mergePatch: {a: 1}, jsonPatch: [{op: remove, path: /a}]}]\n",
			[]refusal{{"spec.transforms[0]", "give one of jsonPatch and mergePatch, and not both"}},
		},
		"TransformOp": {
			set + "  transforms: [{jsonPatch: [{op: delete, path: /a}]}]\n", []refusal{{"spec.transforms[0].jsonPatch[0].op", "supported values"}},
		},
		"TransformPath": {
			set + "  transforms: [{jsonPatch: [{op: remove, path: spec}]}]\n", []refusal{{"spec.transforms[0].jsonPatch[0].path", "should match"}},
		},
		"TransformFrom": {
			set + "  transforms: [{jsonPatch: [{op: move, path: /a}]}]\n",
			[]refusal{{"spec.transforms[0].jsonPatch[0].from", "from is for the operations move and copy, which need it"}},
		},
		"TransformMergeList": {
			set + "  transforms: [{mergePatch: [1]}]\n", []refusal{{"spec.transforms[0].mergePatch", "must be of type object"}},
		},
		"TransformOnError": {
			set + "  transforms: [{mergePatch: {a: 1}, onError: Ignore}]\n", []refusal{{"spec.transforms[0].onError", "supported values"}},
		},
		"ImageMappingToNothing": {
			set + "  imageMapping: {a: ''}\n", []refusal{{"spec.imageMapping", "have 1 to 512 characters"}},
		},
		"StorageClassMappingToNothing": {
			restore + "  storageClassMapping: {a: ''}\n", []refusal{{"spec.storageClassMapping", "have 1 to 253 characters"}},
		},
		// What every object must say.
		"InspectionOfNothing": {
			inspection + "  subject: Report\n", []refusal{{"spec", "name one of spec.backupName and spec.restoreName"}},
		},
		"InspectionOfUnknownSubject": {
			inspection + "  subject: Weather\n  backupName: shop\n", []refusal{{"spec.subject", "supported values"}},
		},
		"PlanOfBackup": {
			inspection + "  subject: Plan\n  backupName: shop\n", []refusal{{"spec.subject", "set spec.restoreName"}},
		},
		"FilteredReport": {
			inspection + "  subject: Report\n  backupName: shop\n  includeNamespaces: [a]\n",
			[]refusal{{"spec.subject", "set spec.subject to Objects"}},
		},
		"DiffOfOne": {
			inspection + "  subject: Diff\n  backupName: shop\n", []refusal{{"spec.subject", "one of spec.otherBackupName and spec.live"}},
		},
		"DiffOfBoth": {
			inspection + "  subject: Diff\n  backupName: shop\n  otherBackupName: shop2\n  live: true\n",
			[]refusal{{"spec.subject", "one of spec.otherBackupName and spec.live"}},
		},
		"LiveReport": {
			inspection + "  subject: Report\n  backupName: shop\n  live: true\n", []refusal{{"spec.subject", "are for the subject Diff"}},
		},
		"InspectionPage": {
			inspection + "  subject: Report\n  backupName: shop\n  page: 'no page'\n", []refusal{{"spec.page", "should match"}},
		},
		"BackupWithoutSpec": {
			"apiVersion: kahu.io/v1beta1\nkind: Backup\n",
			[]refusal{{"spec", "Required value"}},
		},
		"BackupWithoutLocation": {
			"apiVersion: kahu.io/v1beta1\nkind: Backup\nspec: {}\n",
			[]refusal{{"spec.metadataLocation", "Required value"}},
		},
		"BackupWithEmptyLocation": {
			"apiVersion: kahu.io/v1beta1\nkind: Backup\nspec: {metadataLocation: ''}\n",
			[]refusal{{"spec.metadataLocation", `"": spec.metadataLocation in body should be at least 1 chars long`}},
		},
		"RestoreWithoutBackup": {
			"apiVersion: kahu.io/v1beta1\nkind: Restore\nspec: {backupName: null}\n",
			[]refusal{{"spec.backupName", "Required value"}},
		},
		"LocationWithoutProvider": {
			"apiVersion: kahu.io/v1beta1\nkind: BackupLocation\nspec: {}\n",
			[]refusal{{"spec.providerName", "Required value"}},
		},
		"EncryptionForNobody": {
			location + "  encryption: {recipients: []}\n",
			[]refusal{{"spec.encryption.recipients", "0: spec.encryption.recipients in body should have at least 1 items"}},
		},
		"EncryptionForAnIdentity": {
			location + "  encryption: {recipients: [AGE-SECRET-KEY-1]}\n",
			[]refusal{{"spec.encryption.recipients", "a recipient of age begins with age1: age-keygen -y shows it; what begins with AGE-SECRET-KEY is secret, and belongs in the Secret of identitySecretRef"}},
		},
		"SignerOfAnotherForm": {
			location + "  encryption: {recipients: [age1a], trustedSigners: [somebody]}\n",
			[]refusal{{"spec.encryption.trustedSigners", "a signer is ed25519: and 44 characters: see status.encryption.signer of the location in the cluster that signs"}},
		},
		// Names that Kubernetes cannot store.
		"BackupNameTooLong": {
			strings.Replace(backup, "spec:", "metadata: {name: "+strings.Repeat("n", 64)+"}\nspec:", 1),
			[]refusal{{"<nil>", "the name of a Backup has at most 63 characters, as it becomes part of the names of files at the location: choose a shorter one"}},
		},
		"IncludedNamespace": {
			backup + "  includeNamespaces: [shop, Shop_1]\n", []refusal{{"spec.includeNamespaces[1]", namespaceName}},
		},
		"ExcludedNamespacePattern": {
			backup + "  excludeNamespaces: [kube-*]\n", []refusal{{"spec.excludeNamespaces[0]", namespaceName}},
		},
		"RestoredNamespace": {
			restore + "  includeNamespaces: [shop.old]\n", []refusal{{"spec.includeNamespaces[0]", namespaceName}},
		},
		"ResourceName": {
			backup + "  includeResources: [{kind: ConfigMap, name: a/b}]\n",
			[]refusal{{"spec.includeResources[0].name", "name is not one that Kubernetes can store: it must not be '.' or '..' nor contain '/' or '%'"}},
		},
		"ResourceNameIsAFolder": {
			restore + "  excludeResources: [{kind: ConfigMap, name: ..}]\n",
			[]refusal{{"spec.excludeResources[0].name", "name is not one that Kubernetes can store: it must not be '.' or '..' nor contain '/' or '%'"}},
		},
		"MappingSource": {
			restore + "  namespaceMapping: {Shop: shop}\n",
			[]refusal{{"spec.namespaceMapping", "the keys of spec.namespaceMapping must be names of namespaces: lower-case letters, digits and '-', at most 63 characters"}},
		},
		"MappingTarget": {
			restore + "  namespaceMapping: {shop: sh op}\n", []refusal{{"spec.namespaceMapping[shop]", namespaceName}},
		},
		"SecretInANamespace": {
			location + "  credentialsSecretRef: {name: other/secret}\n",
			[]refusal{{"spec.credentialsSecretRef.name", "must be the name of a Secret in Kahu's namespace, without the namespace: lower-case letters, digits, '-' and '.'"}},
		},
		// What would mean something else than it looks like.
		"ExpressionThatIsNoExpression": {
			backup + "  excludeResources: [{kind: Secret, name: 'sh.*'}]\n",
			[]refusal{{"spec.excludeResources[0].name", "name looks like an expression: set isRegex to true, or name one object, or leave it empty for every object of the kind"}},
		},
		"KindPattern": {
			backup + "  includeResources: [{kind: 'Deploy*'}]\n",
			[]refusal{{"spec.includeResources[0].kind", "kind must be a Kind, a plural, a short name or plural.group, for example Deployment, deployments, deploy or deployments.apps; for a regular expression set isRegex to true"}},
		},
		"ReferencePath": {
			backup + "  references: [{from: shops.example.com, path: 'spec[0]'}]\n",
			[]refusal{{"spec.references[0].path", "should match"}},
		},
		"ReferenceFromAPattern": {
			backup + "  references: [{from: 'shops.*', path: spec.secret}]\n",
			[]refusal{{"spec.references[0].from", "should match"}},
		},
		"ReferenceNamespaces": {
			restore + "  references: [{from: shops.example.com, path: spec.secret, namespacePath: 'spec.all[*].namespace'}]\n",
			[]refusal{{"spec.references[0].namespacePath", "namespacePath must have [*] only where path has the same before it"}},
		},
		"NoKind": {
			backup + "  includeResources: [{name: web}]\n", []refusal{{"spec.includeResources[0].kind", "Required value"}},
		},
		"TwoNamespacesOntoOne": {
			restore + "  namespaceMapping: {shop: copy, bank: copy}\n",
			[]refusal{{"spec.namespaceMapping", "two namespaces in spec.namespaceMapping have the same target: give each a target of its own"}},
		},
		// Enums.
		"DeletionPolicy": {
			backup + "  deletionPolicy: Keep\n",
			[]refusal{{"spec.deletionPolicy", `Unsupported value: "Keep": supported values: "Delete", "Retain"`}},
		},
		"ProviderType": {
			provider + "  type: TapeProvider\n",
			[]refusal{{"spec.type", `Unsupported value: "TapeProvider": supported values: "MetadataProvider", "VolumeProvider"`}},
		},
		// Bounds.
		"ConfigKey": {
			location + "  config: {" + strings.Repeat("k", 254) + ": v}\n",
			[]refusal{{"spec.config", "a key of spec.config has at most 253 characters and a value at most 16384: shorten it"}},
		},
		"ManifestValue": {
			provider + "  manifest: {k: " + strings.Repeat("v", 4097) + "}\n",
			[]refusal{{"spec.manifest", "a key of spec.manifest has at most 253 characters and a value at most 4096: shorten it"}},
		},
		"CapabilityKey": {
			provider + "  capabilities: {" + strings.Repeat("k", 254) + ": true}\n",
			[]refusal{{"spec.capabilities", "a key of spec.capabilities has at most 253 characters: shorten it"}},
		},
		// A path that leaves the store.
		"OriginLeavesTheStore": {
			backup + "  origin: {clusterID: ../.., uid: u, name: shop/../..}\n",
			[]refusal{
				{"spec.origin.clusterID", `"../..": spec.origin.clusterID in body should match '^[a-z0-9]([-a-z0-9]*[a-z0-9])?$'`},
				{"spec.origin.name", `"shop/../..": spec.origin.name in body should match '^[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*$'`},
			},
		},
		"OriginWithoutUID": {
			backup + "  origin: {clusterID: c, name: shop}\n", []refusal{{"spec.origin.uid", "Required value"}},
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			_, err := try(t, parse(t, c.manifest))
			checkRefused(t, err, c.want...)
		})
	}
}
