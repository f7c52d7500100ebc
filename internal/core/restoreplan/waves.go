package restoreplan

import "slices"

// row is one row of the order of kinds.
type row struct {
	name  string
	why   string
	kinds []string // plural.group
}

// The rows that the code refers to.
const (
	rowOthers     = "custom resources"
	rowAggregated = "aggregated objects"
)

const (
	definitionKind = "customresourcedefinitions.apiextensions.k8s.io"
	apiServiceKind = "apiservices.apiregistration.k8s.io"
	namespaceKind  = "namespaces"
)

// rows is the order of kinds. Kinds that are in no row belong to the row of custom resources.
func rows() []row { return slices.Concat(ground(), needs(), work(), gates()) }

// Rows returns a function that tells the place of a kind, plural.group, in the order of kinds. Objects that an aggregated
// API server serves cannot be told from custom resources by their kinds.
func Rows() func(kind string) int {
	order := newOrder()
	return func(kind string) int { return int(order.of(kind)) }
}

// ground is what everything else stands on.
func ground() []row {
	return []row{
		{
			name:  "definitions",
			why:   "nothing of a kind can be created before the API server serves it",
			kinds: []string{definitionKind},
		},
		{
			name:  "namespaces",
			why:   "what lives in a namespace is refused until it is there",
			kinds: []string{namespaceKind},
		},
		{
			name: "classes",
			why:  "objects that name a class are refused until it is there, and those that name none get the default one",
			kinds: []string{
				"priorityclasses.scheduling.k8s.io",
				"runtimeclasses.node.k8s.io",
				"storageclasses.storage.k8s.io",
				"volumeattributesclasses.storage.k8s.io",
				"csidrivers.storage.k8s.io",
				"ingressclasses.networking.k8s.io",
				"deviceclasses.resource.k8s.io",
				"servicecidrs.networking.k8s.io",
				"prioritylevelconfigurations.flowcontrol.apiserver.k8s.io",
				"flowschemas.flowcontrol.apiserver.k8s.io",
				"clustertrustbundles.certificates.k8s.io",
			},
		},
		{
			name:  "volumes",
			why:   "a claim that comes before its volume could be given another one, which is empty",
			kinds: []string{"persistentvolumes"},
		},
	}
}

// needs is what workloads need.
func needs() []row {
	return []row{
		{
			name: "rules",
			why:  "what governs pods is there before the first pod, so that none runs without it for a moment",
			kinds: []string{
				"serviceaccounts",
				"roles.rbac.authorization.k8s.io",
				"rolebindings.rbac.authorization.k8s.io",
				"clusterroles.rbac.authorization.k8s.io",
				"clusterrolebindings.rbac.authorization.k8s.io",
				"limitranges",
				"networkpolicies.networking.k8s.io",
				"poddisruptionbudgets.policy",
			},
		},
		{
			name: "contents",
			why:  "pods wait for what they mount, and a token's secret is removed again where its service account is not there",
			kinds: []string{
				"configmaps",
				"secrets",
				"persistentvolumeclaims",
				"podtemplates",
				"resourceclaimtemplates.resource.k8s.io",
				"resourceclaims.resource.k8s.io",
				"workloads.scheduling.k8s.io",
				"podgroups.scheduling.k8s.io",
			},
		},
		{
			name: "services",
			why:  "the environment of a container names the services that were there before its pod",
			kinds: []string{
				"services",
				"endpoints",
				"endpointslices.discovery.k8s.io",
			},
		},
		{
			name: rowOthers,
			why:  "custom resources own what their controllers made of them, and their controllers are workloads",
		},
	}
}

// work is what does the work, and what acts on that.
func work() []row {
	return []row{
		{
			name: "workloads",
			why:  "all that pods need is there",
			kinds: []string{
				"controllerrevisions.apps",
				"deployments.apps",
				"statefulsets.apps",
				"daemonsets.apps",
				"replicasets.apps",
				"replicationcontrollers",
				"pods",
				"jobs.batch",
				"cronjobs.batch",
			},
		},
		{
			name: "scaling and traffic",
			why:  "they point to services and workloads and act on what they find",
			kinds: []string{
				"horizontalpodautoscalers.autoscaling",
				"ingresses.networking.k8s.io",
			},
		},
	}
}

// gates are what can refuse or break other things.
func gates() []row {
	return []row{
		{
			name:  "quotas",
			why:   "what existed comes back even where a quota would not let it in a second time",
			kinds: []string{"resourcequotas"},
		},
		{
			name:  "API services",
			why:   "one whose server does not run yet makes discovery and the deletion of namespaces fail",
			kinds: []string{apiServiceKind},
		},
		{
			name: rowAggregated,
			why:  "their API servers are workloads, found through API services",
		},
		{
			name: "admission",
			why:  "a webhook whose server does not run yet refuses or delays all that comes after it",
			kinds: []string{
				"validatingadmissionpolicies.admissionregistration.k8s.io",
				"validatingadmissionpolicybindings.admissionregistration.k8s.io",
				"mutatingadmissionpolicies.admissionregistration.k8s.io",
				"mutatingadmissionpolicybindings.admissionregistration.k8s.io",
				"validatingwebhookconfigurations.admissionregistration.k8s.io",
				"mutatingwebhookconfigurations.admissionregistration.k8s.io",
			},
		},
	}
}

// place is a position in the order: a row, then a step within the row.
type place struct{ row, step int32 }

func (p place) compare(other place) int {
	if p.row != other.row {
		return int(p.row - other.row)
	}
	return int(p.step - other.step)
}

// order is the order of kinds, made for asking.
type order struct {
	rows       []row
	ofKind     map[string]int32
	others     int32
	aggregated int32
}

func newOrder() order {
	made := order{rows: rows(), ofKind: map[string]int32{}}
	number := int32(0)
	for _, row := range made.rows {
		for _, kind := range row.kinds {
			made.ofKind[kind] = number
		}
		switch row.name {
		case rowOthers:
			made.others = number
		case rowAggregated:
			made.aggregated = number
		}
		number++
	}
	return made
}

// of returns the row of the kind plural.group.
func (o order) of(kind string) int32 {
	if number, found := o.ofKind[kind]; found {
		return number
	}
	return o.others
}
