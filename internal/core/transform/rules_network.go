package transform

import "strings"

// serviceRule takes out the addresses and ports that the old cluster chose. A headless service stays headless, and one
// that is a name for a host outside has neither.
func serviceRule(e *edit) {
	spec := child(e.object, "spec")
	if text(spec, "type") == "ExternalName" {
		return
	}
	if !e.options.PreserveClusterIPs && text(spec, "clusterIP") != "None" {
		e.removeFrom(spec, "spec", "the cluster chooses an address", "clusterIP", "clusterIPs")
	}
	if e.options.PreserveNodePorts {
		return
	}
	const reason = "the cluster chooses a port of its nodes"
	for i, port := range list(spec, "ports") {
		e.removeFrom(port, at("spec.ports", i), reason, "nodePort")
	}
	e.removeFrom(spec, "spec", reason, "healthCheckNodePort")
}

// networkPolicyRule maps the namespaces that a policy names by their label.
func networkPolicyRule(e *edit) {
	spec := child(e.object, "spec")
	for _, direction := range [][2]string{{"ingress", "from"}, {"egress", "to"}} {
		for i, rule := range list(spec, direction[0]) {
			path := join(at(join("spec", direction[0]), i), direction[1])
			for n, peer := range list(rule, direction[1]) {
				e.mapSelector(peer, at(path, n))
			}
		}
	}
}

// mapSelector maps the namespace that the field namespaceSelector of a map, which is at the path, names by its label.
func (e *edit) mapSelector(parent map[string]any, path string) {
	labels := child(parent, "namespaceSelector", "matchLabels")
	e.mapNamespace(labels, join(path, "namespaceSelector", "matchLabels"), labelNamespaceName)
}

// webhooksRule maps the namespaces of the services behind webhooks, and those that webhooks are restricted to.
func webhooksRule(e *edit) {
	for i, webhook := range list(e.object, "webhooks") {
		path := at("webhooks", i)
		e.mapNamespace(child(webhook, "clientConfig", "service"), join(path, "clientConfig", "service"), "namespace")
		e.mapSelector(webhook, path)
	}
}

// apiServiceRule maps the namespace of the service behind an API.
func apiServiceRule(e *edit) {
	e.mapNamespace(child(e.object, "spec", "service"), "spec.service", "namespace")
}

// definitionRule maps the namespace of the service that converts between the versions of a definition.
func definitionRule(e *edit) {
	service := child(e.object, "spec", "conversion", "webhook", "clientConfig", "service")
	e.mapNamespace(service, "spec.conversion.webhook.clientConfig.service", "namespace")
}

// subjectsRule maps the namespaces of service accounts to which a binding gives rights, in all the ways in which they
// can be named.
func subjectsRule(e *edit) {
	for i, subject := range list(e.object, "subjects") {
		path := at("subjects", i)
		switch text(subject, "kind") {
		case "ServiceAccount":
			e.mapNamespace(subject, path, "namespace")
		case "Group":
			e.mapWithin(subject, path, "system:serviceaccounts:")
		case "User":
			e.mapWithin(subject, path, "system:serviceaccount:")
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
