package restoreplan

import (
	"strings"

	"github.com/soda-cdm/kahu/internal/core/archive"
)

// ownedRule says that a kind's objects are made again where their controller is an object of one of these kinds.
type ownedRule struct {
	kind   string   // plural.group
	owners []string // plural.group
	reason string
	// prefixed restricts the rule to objects whose names begin with the name of the owner and a dash.
	prefixed bool
}

// ownedRules are about objects whose owner, by the reference with controller: true, is in the plan.
func ownedRules() []ownedRule {
	return []ownedRule{
		{
			kind: podKind,
			owners: []string{
				"replicasets.apps", "statefulsets.apps", "daemonsets.apps", "jobs.batch", "replicationcontrollers",
			},
			reason: "the workload that owns it makes its pods again",
		},
		{
			kind:   "replicasets.apps",
			owners: []string{"deployments.apps"},
			reason: "the Deployment that owns it makes it again",
		},
		{
			kind:   "controllerrevisions.apps",
			owners: []string{"statefulsets.apps", "daemonsets.apps"},
			reason: "the workload that owns it writes its revisions again",
		},
		{
			kind:   "jobs.batch",
			owners: []string{"cronjobs.batch"},
			reason: "the CronJob that owns it makes jobs again when they are due",
		},
		{
			kind:   "endpointslices.discovery.k8s.io",
			owners: []string{serviceKind, endpointsKind},
			reason: "the controller of endpoint slices makes it again for its Service or its Endpoints",
		},
		{
			kind:   claimKind,
			owners: []string{podKind},
			reason: "it is the ephemeral volume of a pod, made again with the pod",
			// A claim of a StatefulSet that has been scaled down belongs to a pod too, and ends with the pod's name.
			prefixed: true,
		},
		{
			kind:   "resourceclaims.resource.k8s.io",
			owners: []string{podKind},
			reason: "it is the claim of a pod, made again with the pod from its template",
		},
		{
			kind:   "workloads.scheduling.k8s.io",
			owners: []string{"jobs.batch"},
			reason: "the Job that owns it makes it again",
		},
		{
			kind:   "podgroups.scheduling.k8s.io",
			owners: []string{"jobs.batch", "workloads.scheduling.k8s.io"},
			reason: "the Job that owns it makes it again",
		},
	}
}

// lateOwner tells whether objects of the kind do not wait for an owner of that kind: a StatefulSet that comes before
// its claims makes new and empty ones of their names. Its controller sets the references again.
func lateOwner(kind, owner string) bool {
	return kind == claimKind && owner == "statefulsets.apps"
}

const (
	labelEndpointsManager = "endpoints.kubernetes.io/managed-by"
	endpointsManager      = "endpoint-controller"
	labelAutomanaged      = "kube-aggregator.kubernetes.io/automanaged"
	labelAddressManager   = "ipaddress.kubernetes.io/managed-by"
	addressManager        = "ipallocator.k8s.io"

	serviceKind        = "services"
	endpointsKind      = "endpoints"
	serviceAccountKind = "serviceaccounts"
	configMapKind      = "configmaps"
	claimKind          = "persistentvolumeclaims"
	podKind            = "pods"
)

// alwaysControlled returns why an object is made again whatever else is in the plan, or nothing.
func alwaysControlled(kind string, record *archive.Record) string {
	switch kind {
	case configMapKind:
		if record.Name == "kube-root-ca.crt" {
			return "Kubernetes writes the certificates of the cluster into every namespace"
		}
	case apiServiceKind:
		if record.Labels[labelAutomanaged] != "" {
			return "the API server registers what it serves itself"
		}
	case "ipaddresses.networking.k8s.io":
		if record.Labels[labelAddressManager] == addressManager {
			return "the API server makes one for each address that it gives to a Service"
		}
	case podKind:
		for _, owner := range record.Owners {
			if owner.Controller && owner.Kind == "Node" && owner.APIVersion == "v1" {
				return "it shows a static pod, which belongs to a node and its files"
			}
		}
	}
	return ""
}

// namedAfterService tells whether the object is made for the Service of the same name by the controller of endpoints.
func namedAfterService(kind string, record *archive.Record) bool {
	return kind == endpointsKind && record.Labels[labelEndpointsManager] == endpointsManager
}

// clusterMade tells whether Kubernetes makes an object of this name by itself in every new namespace.
func clusterMade(kind, name string) bool {
	return kind == serviceAccountKind && name == "default"
}

// reasonEndpoints is why Endpoints are not created that are made for a Service.
const reasonEndpoints = "the controller of endpoints makes it again for the Service of the same name"

// ownedRuleIndex finds the rule for a kind and the kind of its controller.
type ownedRuleIndex map[[2]string]ownedRule

func newOwnedRuleIndex() ownedRuleIndex {
	index := ownedRuleIndex{}
	for _, rule := range ownedRules() {
		for _, owner := range rule.owners {
			index[[2]string{rule.kind, owner}] = rule
		}
	}
	return index
}

// reason returns why the item is made again because of its controller, or nothing.
func (x ownedRuleIndex) reason(item, controller *Item) string {
	rule, found := x[[2]string{item.info.name, controller.info.name}]
	if !found || rule.prefixed && !strings.HasPrefix(item.Name, controller.Name+"-") {
		return ""
	}
	return rule.reason
}
