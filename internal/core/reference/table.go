package reference

import (
	"maps"

	"k8s.io/apimachinery/pkg/runtime/schema"
)

// namespaces is the plural name of the kind Namespace.
const namespaces = "namespaces"

const (
	storageGroup       = "storage.k8s.io"
	snapshotGroup      = "snapshot.storage.k8s.io"
	groupSnapshotGroup = "groupsnapshot.storage.k8s.io"
	resourceGroup      = "resource.k8s.io"
	schedulingGroup    = "scheduling.k8s.io"
	webhookGroup       = "admissionregistration.k8s.io"
	networkingGroup    = "networking.k8s.io"
	rbacGroup          = "rbac.authorization.k8s.io"
)

// table returns what objects refer to, a rule for each kind. A new kind is a new line here, and a line in
// docs/selection.md; testdata/references.txt has every field of the API that looks like a reference. Left out on
// purpose are references back to whoever uses an object (claimRef of a volume, volumeSnapshotRef of a snapshot's
// content, subjects of a binding): they would drag namespaces into a backup that nobody asked for.
func table() map[schema.GroupResource]rule {
	rules := tableOfKubernetes()
	maps.Copy(rules, tableOfSnapshots())
	return rules
}

func tableOfKubernetes() map[schema.GroupResource]rule {
	webhooks := referIn("webhooks[].clientConfig.service.name", "namespace", services())
	template := podSpec("spec.template.spec.")
	return map[schema.GroupResource]rule{
		{Resource: "endpoints"}:              optional(sameName("services")),
		{Resource: "pods"}:                   all(podSpec("spec."), ephemeralClaims),
		{Resource: "podtemplates"}:           podSpec("template.spec."),
		{Resource: "replicationcontrollers"}: template,
		{Resource: "persistentvolumeclaims"}: all(
			claimSpec("spec."), refer("spec.volumeName", atCluster("", "persistentvolumes")),
			optional(annotation("volume.beta.kubernetes.io/storage-class", storageClasses()))),
		{Resource: "persistentvolumes"}: volume(),
		{Resource: "secrets"}:           tokenOwner,
		{Resource: "services"}:          handMadeEndpoints,
		{Resource: "serviceaccounts"}:   all(refer("secrets[].name", secrets()), refer("imagePullSecrets[].name", secrets())),

		{Group: webhookGroup, Resource: "mutatingwebhookconfigurations"}:   webhooks,
		{Group: webhookGroup, Resource: "validatingwebhookconfigurations"}: webhooks,
		// Inbound reads these.
		{Group: webhookGroup, Resource: "mutatingadmissionpolicies"}:   nothing,
		{Group: webhookGroup, Resource: "validatingadmissionpolicies"}: nothing,
		{Group: webhookGroup, Resource: "mutatingadmissionpolicybindings"}: refer(
			"spec.policyName", atCluster(webhookGroup, "mutatingadmissionpolicies")),
		{Group: webhookGroup, Resource: "validatingadmissionpolicybindings"}: refer(
			"spec.policyName", atCluster(webhookGroup, "validatingadmissionpolicies")),

		{Group: "apiextensions.k8s.io", Resource: "customresourcedefinitions"}: optional(
			referIn("spec.conversion.webhook.clientConfig.service.name", "namespace", services())),
		{Group: "apiregistration.k8s.io", Resource: "apiservices"}: referIn("spec.service.name", "namespace", services()),

		{Group: "apps", Resource: "daemonsets"}:  template,
		{Group: "apps", Resource: "deployments"}: template,
		{Group: "apps", Resource: "replicasets"}: template,
		{Group: "apps", Resource: "statefulsets"}: all(
			template, refer("spec.serviceName", services()), eachIn("spec.volumeClaimTemplates[]", claimSpec("spec.")), setClaims),

		{Group: "autoscaling", Resource: "horizontalpodautoscalers"}: all(
			referAny("spec.scaleTargetRef"), optional(referAny("spec.metrics[].object.describedObject"))),

		{Group: "batch", Resource: "cronjobs"}: podSpec("spec.jobTemplate.spec.template.spec."),
		{Group: "batch", Resource: "jobs"}:     template,

		{Group: "discovery.k8s.io", Resource: "endpointslices"}: sliceService,

		{Group: "flowcontrol.apiserver.k8s.io", Resource: "flowschemas"}: refer(
			"spec.priorityLevelConfiguration.name", atCluster("flowcontrol.apiserver.k8s.io", "prioritylevelconfigurations")),

		{Group: networkingGroup, Resource: "ingresses"}:      ingress(),
		{Group: networkingGroup, Resource: "ingressclasses"}: referAny("spec.parameters"),
		// Inbound reads these.
		{Group: networkingGroup, Resource: "networkpolicies"}: nothing,
		{Group: "policy", Resource: "poddisruptionbudgets"}:   nothing,

		{Group: rbacGroup, Resource: "clusterroles"}:        nothing, // Inbound reads it.
		{Group: rbacGroup, Resource: "clusterrolebindings"}: referAny("roleRef"),
		{Group: rbacGroup, Resource: "rolebindings"}:        referAny("roleRef"),

		{Group: resourceGroup, Resource: "resourceclaims"}:         deviceClasses("spec.devices."),
		{Group: resourceGroup, Resource: "resourceclaimtemplates"}: deviceClasses("spec.spec.devices."),

		{Group: schedulingGroup, Resource: "podgroups"}: all(
			refer("spec.podGroupTemplateRef.workload.workloadName", inNamespace(schedulingGroup, "workloads")), podGroup("spec.")),
		{Group: schedulingGroup, Resource: "workloads"}: podGroup("spec.podGroupTemplates[]."),

		{Group: storageGroup, Resource: "storageclasses"}: parameterSecrets,
	}
}

// tableOfSnapshots has the kinds of snapshots, which are custom resources that storage drivers know.
func tableOfSnapshots() map[schema.GroupResource]rule {
	return map[schema.GroupResource]rule{
		{Group: snapshotGroup, Resource: "volumesnapshots"}: all(
			refer("spec.volumeSnapshotClassName", atCluster(snapshotGroup, "volumesnapshotclasses")),
			refer("spec.source.volumeSnapshotContentName", atCluster(snapshotGroup, "volumesnapshotcontents")),
			refer("status.boundVolumeSnapshotContentName", atCluster(snapshotGroup, "volumesnapshotcontents")),
			optional(refer("spec.source.persistentVolumeClaimName", claims()))),
		{Group: snapshotGroup, Resource: "volumesnapshotcontents"}: all(
			refer("spec.volumeSnapshotClassName", atCluster(snapshotGroup, "volumesnapshotclasses")),
			annotatedSecret("snapshot.storage.kubernetes.io/deletion-secret-")),
		{Group: snapshotGroup, Resource: "volumesnapshotclasses"}: parameterSecrets,

		{Group: groupSnapshotGroup, Resource: "volumegroupsnapshots"}: all(
			refer("spec.volumeGroupSnapshotClassName", atCluster(groupSnapshotGroup, "volumegroupsnapshotclasses")),
			refer("spec.source.volumeGroupSnapshotContentName", atCluster(groupSnapshotGroup, "volumegroupsnapshotcontents")),
			refer("status.boundVolumeGroupSnapshotContentName", atCluster(groupSnapshotGroup, "volumegroupsnapshotcontents"))),
		{Group: groupSnapshotGroup, Resource: "volumegroupsnapshotcontents"}: refer(
			"spec.volumeGroupSnapshotClassName", atCluster(groupSnapshotGroup, "volumegroupsnapshotclasses")),
		{Group: groupSnapshotGroup, Resource: "volumegroupsnapshotclasses"}: parameterSecrets,
	}
}

func configMaps() target { return inNamespace("", "configmaps") }

func secrets() target { return inNamespace("", "secrets") }

func services() target { return inNamespace("", "services") }

func claims() target { return inNamespace("", "persistentvolumeclaims") }

func storageClasses() target { return atCluster(storageGroup, "storageclasses") }

func attributesClasses() target { return atCluster(storageGroup, "volumeattributesclasses") }

func ingress() rule {
	const paths = "spec.rules[].http.paths[].backend."
	return all(
		optional(annotation("kubernetes.io/ingress.class", atCluster(networkingGroup, "ingressclasses"))),
		refer("spec.ingressClassName", atCluster(networkingGroup, "ingressclasses")),
		refer("spec.tls[].secretName", secrets()),
		refer("spec.defaultBackend.service.name", services()),
		referAny("spec.defaultBackend.resource"),
		refer(paths+"service.name", services()),
		referAny(paths+"resource"),
	)
}

func deviceClasses(prefix string) rule {
	classes := atCluster(resourceGroup, "deviceclasses")
	return all(
		refer(prefix+"requests[].deviceClassName", classes),
		refer(prefix+"requests[].exactly.deviceClassName", classes),
		refer(prefix+"requests[].firstAvailable[].deviceClassName", classes),
	)
}

// podGroup is the rule for pods that are scheduled together: the prefix is the path to it and ends in a dot.
func podGroup(prefix string) rule {
	return all(
		refer(prefix+"priorityClassName", priorityClasses()),
		resourceClaims(prefix),
	)
}

func priorityClasses() target { return atCluster(schedulingGroup, "priorityclasses") }

// resourceClaims is the rule for the claims of devices of a pod or a group of pods.
func resourceClaims(prefix string) rule {
	return all(
		refer(prefix+"resourceClaims[].resourceClaimName", inNamespace(resourceGroup, "resourceclaims")),
		refer(prefix+"resourceClaims[].resourceClaimTemplateName", inNamespace(resourceGroup, "resourceclaimtemplates")),
	)
}

// nothing is the rule for a kind whose objects refer to nothing, and are read all the same.
func nothing(Subject, func(need Need)) {}
