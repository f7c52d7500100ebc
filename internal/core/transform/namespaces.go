package transform

import (
	"slices"
	"strings"
)

// labelNamespaceName is the label by which selectors name a namespace.
const labelNamespaceName = "kubernetes.io/metadata.name"

// namespaceFields are the fields in which objects name namespaces, by plural.group. The parts of a path are divided by
// dots, and one that ends in [] is a list of which every item counts. The last part says what is there: a label
// selector of namespaces where it is namespaceSelector, a name otherwise.
func namespaceFields() map[string][]string {
	template := podFields("spec.template.spec.")
	webhooks := []string{"webhooks[].clientConfig.service.namespace", "webhooks[].namespaceSelector"}
	binding := []string{"spec.paramRef.namespace", "spec.matchResources.namespaceSelector"}
	policy := []string{"spec.matchConstraints.namespaceSelector"}
	network := []string{"spec.ingress[].from[].namespaceSelector", "spec.egress[].to[].namespaceSelector"}
	return map[string][]string{
		"pods":                   podFields("spec."),
		"podtemplates":           podFields("template.spec."),
		"replicationcontrollers": template,
		"daemonsets.apps":        template,
		"deployments.apps":       template,
		"replicasets.apps":       template,
		"statefulsets.apps":      append(slices.Clone(template), "spec.volumeClaimTemplates[].spec.dataSourceRef.namespace"),
		"jobs.batch":             template,
		"cronjobs.batch":         podFields("spec.jobTemplate.spec.template.spec."),

		"serviceaccounts":                                {"secrets[].namespace"},
		"persistentvolumes":                              volumeFields(),
		"persistentvolumeclaims":                         {"spec.dataSourceRef.namespace"},
		"volumesnapshotcontents.snapshot.storage.k8s.io": {"spec.volumeSnapshotRef.namespace"},

		"endpoints": {
			"subsets[].addresses[].targetRef.namespace", "subsets[].notReadyAddresses[].targetRef.namespace",
		},
		"endpointslices.discovery.k8s.io":    {"endpoints[].targetRef.namespace"},
		"ingressclasses.networking.k8s.io":   {"spec.parameters.namespace"},
		"networkpolicies.networking.k8s.io":  network,
		"networkpolicies.extensions":         network,
		"apiservices.apiregistration.k8s.io": {"spec.service.namespace"},
		"customresourcedefinitions.apiextensions.k8s.io": {
			"spec.conversion.webhook.clientConfig.service.namespace",
		},
		"flowschemas.flowcontrol.apiserver.k8s.io": {
			"spec.rules[].subjects[].serviceAccount.namespace", "spec.rules[].resourceRules[].namespaces[]",
		},
		"validatingwebhookconfigurations.admissionregistration.k8s.io":   webhooks,
		"mutatingwebhookconfigurations.admissionregistration.k8s.io":     webhooks,
		"validatingadmissionpolicies.admissionregistration.k8s.io":       policy,
		"mutatingadmissionpolicies.admissionregistration.k8s.io":         policy,
		"validatingadmissionpolicybindings.admissionregistration.k8s.io": binding,
		"mutatingadmissionpolicybindings.admissionregistration.k8s.io":   binding,
	}
}

// podFields are those of a pod's spec, wherever it stands: the prefix is the path to it and ends in a dot.
func podFields(prefix string) []string {
	fields := []string{prefix + "volumes[].ephemeral.volumeClaimTemplate.spec.dataSourceRef.namespace"}
	for _, affinity := range []string{"affinity.podAffinity.", "affinity.podAntiAffinity."} {
		for _, term := range []string{
			"requiredDuringSchedulingIgnoredDuringExecution[].",
			"preferredDuringSchedulingIgnoredDuringExecution[].podAffinityTerm.",
		} {
			fields = append(fields, prefix+affinity+term+"namespaces[]", prefix+affinity+term+"namespaceSelector")
		}
	}
	return fields
}

// volumeFields are those of a PersistentVolume: its claim, and the secrets with which its storage is reached.
func volumeFields() []string {
	fields := []string{
		"spec.claimRef.namespace", "spec.azureFile.secretNamespace", "spec.glusterfs.endpointsNamespace",
	}
	for _, secret := range []string{
		"cephfs.secretRef", "cinder.secretRef", "flexVolume.secretRef", "iscsi.secretRef", "rbd.secretRef",
		"scaleIO.secretRef", "storageos.secretRef",
		"csi.controllerExpandSecretRef", "csi.controllerPublishSecretRef", "csi.nodeExpandSecretRef",
		"csi.nodePublishSecretRef", "csi.nodeStageSecretRef",
	} {
		fields = append(fields, "spec."+secret+".namespace")
	}
	return fields
}

// mapFields maps the namespaces that the object names in the fields.
func (e *edit) mapFields(fields []string) {
	for _, field := range fields {
		walk(e.object, "", field, func(parent map[string]any, path, leaf string) {
			name, isList := strings.CutSuffix(leaf, "[]")
			switch {
			case leaf == "namespaceSelector":
				e.mapSelector(child(parent, leaf), join(path, leaf))
			case isList:
				e.mapNamespaces(parent, join(path, name), name)
			default:
				e.mapNamespace(parent, path, leaf)
			}
		})
	}
}

// walk visits the maps to which a path leads, with their own paths and the last part of the path.
func walk(from map[string]any, at, path string, visit func(parent map[string]any, at, leaf string)) {
	part, rest, more := strings.Cut(path, ".")
	if !more {
		visit(from, at, part)
		return
	}
	name, isList := strings.CutSuffix(part, "[]")
	if !isList {
		if next := child(from, name); next != nil {
			walk(next, join(at, name), rest, visit)
		}
		return
	}
	for i, item := range list(from, name) {
		if item != nil {
			walk(item, position(join(at, name), i), rest, visit)
		}
	}
}

// mapSelector maps the namespaces that a label selector, which is at the path, names by their label.
func (e *edit) mapSelector(selector map[string]any, path string) {
	e.mapNamespace(child(selector, "matchLabels"), join(path, "matchLabels"), labelNamespaceName)
	for i, expression := range list(selector, "matchExpressions") {
		if text(expression, "key") == labelNamespaceName {
			e.mapNamespaces(expression, join(position(join(path, "matchExpressions"), i), "values"), "values")
		}
	}
}

// mapNamespaces maps the names of namespaces in a list, which is at the path.
func (e *edit) mapNamespaces(parent map[string]any, path, field string) {
	names, _ := parent[field].([]any)
	for i, item := range names {
		name, _ := item.(string)
		if mapped := e.namespace(name); mapped != name && name != "" {
			names[i] = mapped
			e.note(position(path, i), reasonMapped(name, mapped))
		}
	}
}

// namespaceRule gives a namespace the name under which it is restored.
func namespaceRule(e *edit) {
	metadata := child(e.object, "metadata")
	e.mapNamespace(metadata, "metadata", "name")
	e.mapNamespace(child(metadata, "labels"), "metadata.labels", labelNamespaceName)
}

// subjectsRule maps the namespaces of service accounts to which a binding gives rights, in all the ways in which they
// can be named.
func subjectsRule(e *edit) {
	for i, subject := range list(e.object, "subjects") {
		path := position("subjects", i)
		switch text(subject, "kind") {
		case "ServiceAccount":
			e.mapNamespace(subject, path, "namespace")
		case "Group":
			e.mapWithin(subject, path, prefixAccounts)
		case "User":
			e.mapWithin(subject, path, prefixAccount)
		}
	}
}

const (
	prefixAccounts = "system:serviceaccounts:" // the group of the service accounts of a namespace
	prefixAccount  = "system:serviceaccount:"  // the user that a service account is
)

// flowSchemaRule is subjectsRule for the subjects of flow control, which have another form.
func flowSchemaRule(e *edit) {
	for i, rule := range list(child(e.object, "spec"), "rules") {
		for n, subject := range list(rule, "subjects") {
			path := position(join(position("spec.rules", i), "subjects"), n)
			e.mapWithin(child(subject, "group"), join(path, "group"), prefixAccounts)
			e.mapWithin(child(subject, "user"), join(path, "user"), prefixAccount)
		}
	}
}

// mapWithin maps the namespace after the prefix, up to the next colon, in the name of a subject.
func (e *edit) mapWithin(subject map[string]any, path, prefix string) {
	rest, found := strings.CutPrefix(text(subject, "name"), prefix)
	if !found {
		return
	}
	namespace, account, hasAccount := strings.Cut(rest, ":")
	mapped := e.namespace(namespace)
	if mapped == namespace {
		return
	}
	name := prefix + mapped
	if hasAccount {
		name += ":" + account
	}
	subject["name"] = name
	e.note(join(path, "name"), reasonMapped(namespace, mapped))
}

// roleRule maps the names of the namespaces to which rights are given.
func roleRule(e *edit) {
	for i, rule := range list(e.object, "rules") {
		if holds(rule, "apiGroups", "") && holds(rule, "resources", "namespaces") {
			e.mapNamespaces(rule, join(position("rules", i), "resourceNames"), "resourceNames")
		}
	}
}

// holds tells whether a list has the value, or the star that stands for all.
func holds(from map[string]any, field, value string) bool {
	items, _ := from[field].([]any)
	return slices.Contains(items, any(value)) || slices.Contains(items, any("*"))
}

// parametersRule maps the namespaces of the secrets that the parameters of a class name for its driver. Patterns that
// the driver fills in are none.
func parametersRule(e *edit) {
	const path = "parameters"
	parameters := child(e.object, path)
	keys := make([]string, 0, len(parameters))
	for key := range parameters {
		if strings.HasPrefix(key, "csi.storage.k8s.io/") && strings.HasSuffix(key, "-secret-namespace") {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	for _, key := range keys {
		e.mapNamespace(parameters, path, key)
	}
}
