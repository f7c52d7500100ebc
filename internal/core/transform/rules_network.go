package transform

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
		e.removeFrom(port, position("spec.ports", i), reason, "nodePort")
	}
	e.removeFrom(spec, "spec", reason, "healthCheckNodePort")
}
