package selection

import (
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// namespaces is the plural name of the kind Namespace.
const namespaces = "namespaces"

const (
	storageGroup  = "storage.k8s.io"
	snapshotGroup = "snapshot.storage.k8s.io"
	resourceGroup = "resource.k8s.io"
	webhookGroup  = "admissionregistration.k8s.io"
)

// table returns what objects refer to, a rule for each kind. A new kind is a new line here, and a line in
// docs/selection.md. Left out on purpose are references back to whoever uses an object (claimRef of a volume,
// volumeSnapshotRef of a snapshot's content, subjects of a binding): they would drag namespaces into a backup that
// nobody asked for.
func table() map[schema.GroupResource]rule {
	webhooks := referIn("webhooks[].clientConfig.service.name", "namespace", services())
	template := podSpec("spec.template.spec.")
	return map[schema.GroupResource]rule{
		{Resource: "pods"}:                   all(podSpec("spec."), ephemeralClaims),
		{Resource: "podtemplates"}:           podSpec("template.spec."),
		{Resource: "replicationcontrollers"}: template,
		{Resource: "persistentvolumeclaims"}: all(claimSpec("spec."), refer("spec.volumeName", atCluster("", "persistentvolumes"))),
		{Resource: "persistentvolumes"}:      volume(),
		{Resource: "secrets"}:                tokenOwner,
		{Resource: "serviceaccounts"}:        all(refer("secrets[].name", secrets()), refer("imagePullSecrets[].name", secrets())),

		{Group: webhookGroup, Resource: "mutatingwebhookconfigurations"}:   webhooks,
		{Group: webhookGroup, Resource: "validatingwebhookconfigurations"}: webhooks,
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

		{Group: "flowcontrol.apiserver.k8s.io", Resource: "flowschemas"}: refer(
			"spec.priorityLevelConfiguration.name", atCluster("flowcontrol.apiserver.k8s.io", "prioritylevelconfigurations")),

		{Group: "networking.k8s.io", Resource: "ingresses"}:      ingress(),
		{Group: "networking.k8s.io", Resource: "ingressclasses"}: referAny("spec.parameters"),

		{Group: "rbac.authorization.k8s.io", Resource: "clusterrolebindings"}: referAny("roleRef"),
		{Group: "rbac.authorization.k8s.io", Resource: "rolebindings"}:        referAny("roleRef"),

		{Group: resourceGroup, Resource: "resourceclaims"}:         deviceClasses("spec.devices."),
		{Group: resourceGroup, Resource: "resourceclaimtemplates"}: deviceClasses("spec.spec.devices."),

		{Group: storageGroup, Resource: "storageclasses"}: parameterSecrets,

		{Group: snapshotGroup, Resource: "volumesnapshots"}: all(
			refer("spec.volumeSnapshotClassName", atCluster(snapshotGroup, "volumesnapshotclasses")),
			refer("spec.source.volumeSnapshotContentName", atCluster(snapshotGroup, "volumesnapshotcontents")),
			refer("status.boundVolumeSnapshotContentName", atCluster(snapshotGroup, "volumesnapshotcontents")),
			optional(refer("spec.source.persistentVolumeClaimName", claims()))),
		{Group: snapshotGroup, Resource: "volumesnapshotcontents"}: refer(
			"spec.volumeSnapshotClassName", atCluster(snapshotGroup, "volumesnapshotclasses")),
		{Group: snapshotGroup, Resource: "volumesnapshotclasses"}: parameterSecrets,
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
		refer("spec.ingressClassName", atCluster("networking.k8s.io", "ingressclasses")),
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
