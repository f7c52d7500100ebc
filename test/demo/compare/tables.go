package compare

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// MaxLeftOut is how many paths may be left out at most.
const MaxLeftOut = 25

// Path is one field that is not compared.
type Path struct {
	// Kind is the kind of the objects, or Every.
	Kind string
	// JSON is the exact path. Only status stands for all that is below it.
	JSON string
	// Writer is the component of Kubernetes that writes the field.
	Writer string
	// Mapped tells whether the path is left out only where a namespace came back under another name.
	Mapped bool
}

// Every stands for all kinds in a Path.
const Every = "every kind"

const (
	statusPath = "status"

	apiServer    = "kube-apiserver, for every object that is created"
	jobStrategy  = "kube-apiserver, from the UID of the Job"
	tokens       = "kube-controller-manager, token controller"
	allocator    = "kube-apiserver, address allocator"
	portRegistry = "kube-apiserver, port allocator"
)

// LeftOut returns the fields that are not compared: at most MaxLeftOut.
func LeftOut() []Path {
	return []Path{
		{Kind: Every, JSON: "metadata.uid", Writer: apiServer + "; it must be another one"},
		{Kind: Every, JSON: "metadata.resourceVersion", Writer: apiServer},
		{Kind: Every, JSON: "metadata.creationTimestamp", Writer: apiServer},
		{Kind: Every, JSON: "metadata.generation", Writer: apiServer},
		{Kind: Every, JSON: "metadata.managedFields", Writer: apiServer},
		{Kind: Every, JSON: statusPath, Writer: "the kind's controller; compared where the API serves it as a field like any other"},
		{Kind: "Job", JSON: `metadata.labels["batch.kubernetes.io/controller-uid"]`, Writer: jobStrategy},
		{Kind: "Job", JSON: `metadata.labels["controller-uid"]`, Writer: jobStrategy},
		{Kind: "Job", JSON: `spec.selector.matchLabels["batch.kubernetes.io/controller-uid"]`, Writer: jobStrategy},
		{Kind: "Job", JSON: `spec.template.metadata.labels["batch.kubernetes.io/controller-uid"]`, Writer: jobStrategy},
		{Kind: "Job", JSON: `spec.template.metadata.labels["controller-uid"]`, Writer: jobStrategy},
		{Kind: "PersistentVolume", JSON: "spec.claimRef.uid", Writer: "kube-controller-manager, volume binder"},
		{Kind: "PersistentVolume", JSON: "spec.claimRef.resourceVersion", Writer: "kube-controller-manager, volume binder"},
		{Kind: "Secret", JSON: `metadata.annotations["kubernetes.io/service-account.uid"]`, Writer: tokens},
		{Kind: "Secret", JSON: "data.token", Writer: tokens},
		{Kind: "Secret", JSON: `data["ca.crt"]`, Writer: tokens},
		{Kind: "Secret", JSON: "data.namespace", Writer: tokens, Mapped: true},
		{Kind: "Service", JSON: "spec.clusterIP", Writer: allocator},
		{Kind: "Service", JSON: "spec.clusterIPs[0]", Writer: allocator},
		{Kind: "Service", JSON: "spec.ports[0].nodePort", Writer: portRegistry},
	}
}

// outsideRule is about objects that are in no copy.
type outsideRule struct {
	what string
	why  string
	is   func(key Key) bool
}

func outside() []outsideRule {
	return []outsideRule{
		{
			"Events", "they tell what happened in a cluster, and expire by themselves",
			func(key Key) bool { return key.Kind == "Event" && (key.Group == "" || key.Group == "events.k8s.io") },
		},
		{
			"Leases", "each belongs to a process that runs in its cluster",
			func(key Key) bool { return key.Kind == "Lease" && key.Group == "coordination.k8s.io" },
		},
		{
			"the kinds of kahu.io and the namespace kahu-system", "they are the tool's own, not the application's",
			func(key Key) bool {
				return key.Group == "kahu.io" || key.Namespace == "kahu-system" ||
					key.Kind == "Namespace" && key.Name == "kahu-system"
			},
		},
	}
}

func isOutside(key Key) bool {
	for _, rule := range outside() {
		if rule.is(key) {
			return true
		}
	}
	return false
}

// Explain writes what is not compared, and why.
func Explain(to io.Writer) error {
	table := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
	lines := []string{
		fmt.Sprintf("Fields that are not compared: %d exact paths, of at most %d.", len(LeftOut()), MaxLeftOut),
		"Owner references are compared, but for their UIDs: each must be the UID of the owner that lives now.", "",
		"KIND\tPATH\tWRITTEN BY",
	}
	for _, path := range LeftOut() {
		when := ""
		if path.Mapped {
			when = " (only under a mapped namespace)"
		}
		lines = append(lines, path.Kind+"\t"+path.JSON+"\t"+path.Writer+when)
	}
	lines = append(lines, "", "Objects that are made again and therefore counted, not compared; as many of each group must be back:", "",
		"OBJECT\tMADE BY")
	for _, rule := range made() {
		lines = append(lines, rule.what+"\t"+rule.by)
	}
	lines = append(lines, "", "Objects that are in no copy:", "", "OBJECT\tBECAUSE")
	for _, rule := range outside() {
		lines = append(lines, rule.what+"\t"+rule.why)
	}
	if _, err := io.WriteString(table, strings.Join(lines, "\n")+"\n"); err != nil {
		return fmt.Errorf("writing the tables: %w", err)
	}
	return table.Flush()
}
