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
		e.families(spec)
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

// families lets a service that prefers two families of addresses, and need not have them, take what the cluster has: it
// would refuse a second family that it does not have, and adds one that it has to the first.
func (e *edit) families(spec map[string]any) {
	families, _ := spec["ipFamilies"].([]any)
	if text(spec, "ipFamilyPolicy") != "PreferDualStack" || len(families) < 2 {
		return
	}
	spec["ipFamilies"] = families[:1:1]
	e.note("spec.ipFamilies", "the cluster adds the second family if it has one")
}
