package compare

import "slices"

// madeRule is about objects that a component of Kubernetes makes again for what is there.
type madeRule struct {
	what string
	by   string
	kind string
	// owners are the kinds of which one controls the object, if not empty.
	owners []string
	// group returns what the object is made for, or nothing where the rule is not about the object.
	group func(object Object) string
}

// made returns the rules for objects that are made again. Their names are not always the same, so they are counted by
// what they are made for.
func made() []madeRule {
	return []madeRule{
		{
			what: "Pod of a workload", by: "kube-controller-manager, controller of the workload", kind: "Pod",
			owners: []string{"ReplicaSet", "StatefulSet", "DaemonSet", "Job"},
		},
		{
			what: "ReplicaSet of a Deployment", by: "kube-controller-manager, deployment controller", kind: "ReplicaSet",
			owners: []string{"Deployment"},
		},
		{
			what: "ControllerRevision of a workload", by: "kube-controller-manager, controller of the workload",
			kind: "ControllerRevision", owners: []string{"StatefulSet", "DaemonSet"},
		},
		{
			what: "Job of a CronJob", by: "kube-controller-manager, cron job controller", kind: "Job",
			owners: []string{"CronJob"},
		},
		{
			what: "EndpointSlice of a Service or of Endpoints", by: "kube-controller-manager, endpoint slice controllers",
			kind: "EndpointSlice", owners: []string{"Service", "Endpoints"},
		},
		{
			what: "Endpoints of a Service with a selector", by: "kube-controller-manager, endpoints controller",
			kind: "Endpoints", group: func(object Object) string {
				if textAt(object, "metadata", "labels", "endpoints.kubernetes.io/managed-by") != "endpoint-controller" {
					return ""
				}
				return "Service " + textAt(object, "metadata", "name")
			},
		},
		{
			what: "ConfigMap kube-root-ca.crt", by: "kube-controller-manager, root CA publisher", kind: "ConfigMap",
			group: func(object Object) string {
				if textAt(object, "metadata", "name") != "kube-root-ca.crt" {
					return ""
				}
				return "namespace"
			},
		},
		{
			what: "APIService of a definition", by: "kube-apiserver, aggregator", kind: "APIService",
			group: func(object Object) string {
				if textAt(object, "metadata", "labels", "kube-aggregator.kubernetes.io/automanaged") == "" {
					return ""
				}
				return textAt(object, "metadata", "name")
			},
		},
		{
			what: "IPAddress of a Service", by: "kube-apiserver, address allocator", kind: "IPAddress",
			group: func(object Object) string {
				return "Service " + textAt(object, "spec", "parentRef", "name")
			},
		},
	}
}

// Group is what objects that are made again are made for.
type Group struct {
	Kind      string
	Namespace string
	For       string
}

// String returns the group as people read it.
func (g Group) String() string {
	if g.Namespace == "" {
		return g.Kind + " for " + g.For
	}
	return g.Kind + " for " + g.For + " in " + g.Namespace
}

// GroupOf tells whether an object is made again by Kubernetes, and for what.
func GroupOf(object Object) (Group, bool) {
	key := object.Key()
	for _, rule := range made() {
		if rule.kind != key.Kind || !isBuiltIn(key.Group) {
			continue
		}
		if group := rule.groupOf(object); group != "" {
			namespace := key.Namespace
			if key.Kind == "IPAddress" {
				namespace = textAt(object, "spec", "parentRef", "namespace")
			}
			return Group{Kind: key.Kind, Namespace: namespace, For: group}, true
		}
	}
	return Group{}, false
}

func (r *madeRule) groupOf(object Object) string {
	if r.group != nil {
		return r.group(object)
	}
	controller, found := object.controller()
	if !found || !slices.Contains(r.owners, controller.kind) || !isBuiltIn(controller.group) {
		return ""
	}
	return controller.kind + " " + controller.name
}

// isBuiltIn tells whether a group is one of those that have controllers here.
func isBuiltIn(group string) bool {
	return slices.Contains([]string{
		"", "apps", "batch", "discovery.k8s.io", "apiregistration.k8s.io", "networking.k8s.io",
	}, group)
}

// Authored returns the objects that nobody makes again.
func (c Copy) Authored() Copy {
	return c.Where(func(_ Key, object Object) bool {
		_, again := GroupOf(object)
		return !again
	})
}

// Made counts the objects that are made again, by what they are made for.
func (c Copy) Made() map[Group]int {
	counts := map[Group]int{}
	for _, object := range c {
		if group, again := GroupOf(object); again {
			counts[group]++
		}
	}
	return counts
}
