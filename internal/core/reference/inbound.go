package reference

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/soda-cdm/kahu/internal/core"
)

// Inbound finds references from their far end: objects that nobody names, and that point to what is in. It notes what
// is in, says where to search, and judges what is found there. It must not be used by several goroutines at once.
//
// Memory: a set of labels for each different one among the pods that are in, or made by what is in, about 300 bytes
// each; and a name for each namespace.
type Inbound struct {
	pods     map[string]podSets     // by namespace
	accounts map[string]core.Reason // a service account that is in, by namespace
	wishes   map[schema.GroupResource][]wish
	asked    map[Search]bool
	policies policies
}

// Search is a list in which objects may point to what is in.
type Search struct {
	// Resource is the kind; Namespace is empty at cluster scope.
	Resource  schema.GroupResource
	Namespace string
}

// Link is why an object is taken that points to something that is in.
type Link struct {
	// Reason names what it points to, Field is the path of the reference in the object that points.
	Reason core.Reason
	Field  string
}

// podSets are the different sets of labels of the pods of one namespace.
type podSets map[string]podSet

type podSet struct {
	labels labels.Set
	reason core.Reason
}

// wish is a selector by which an object that is in asks for others.
type wish struct {
	selector selector
	signer   string // of trust bundles, which it restricts to those of one signer; empty for others
	reason   core.Reason
	field    string
}

// NewInbound returns an Inbound that has noted nothing.
func NewInbound() *Inbound {
	return &Inbound{
		pods: map[string]podSets{}, accounts: map[string]core.Reason{}, wishes: map[schema.GroupResource][]wish{},
		asked: map[Search]bool{}, policies: newPolicies(),
	}
}

// Note takes note of an object that is in.
func (i *Inbound) Note(of Subject) {
	if set, makesPods := podLabels(of); makesPods {
		i.notePods(of, set)
		i.noteBundles(of, podsOf(of.Kind))
	}
	if of.Kind.GroupResource() == (schema.GroupResource{Resource: "podtemplates"}) {
		i.noteBundles(of, "template.")
	}
	if scalable(of.Kind) {
		i.ask("autoscaling", "horizontalpodautoscalers", of.Namespace)
	}
	switch of.Kind.GroupResource() {
	case schema.GroupResource{Resource: accounts().resource}:
		i.noteAccount(of)
	case schema.GroupResource{Resource: services().resource}:
		if selectsNothing(of) {
			i.ask("discovery.k8s.io", "endpointslices", of.Namespace)
		}
	case schema.GroupResource{Group: rbacGroup, Resource: "clusterroles"}:
		i.noteAggregation(of)
	}
}

// Searches returns the lists to search since it was asked last, ordered.
func (i *Inbound) Searches() []Search {
	searches := make([]Search, 0, len(i.asked))
	for search := range i.asked {
		searches = append(searches, search)
	}
	clear(i.asked)
	slices.SortFunc(searches, func(a, b Search) int {
		return cmp.Or(strings.Compare(a.Resource.String(), b.Resource.String()), strings.Compare(a.Namespace, b.Namespace))
	})
	return searches
}

func (i *Inbound) ask(group, resource, namespace string) {
	i.asked[Search{Resource: schema.GroupResource{Group: group, Resource: resource}, Namespace: namespace}] = true
}

// notePods notes the labels of pods, and that whatever selects pods must be searched for where they are new.
func (i *Inbound) notePods(of Subject, set labels.Set) {
	known := i.pods[of.Namespace]
	if known == nil {
		known = podSets{}
		i.pods[of.Namespace] = known
	}
	key, reason := set.String(), of.By()
	before, found := known[key]
	if found && before.reason <= reason {
		return
	}
	known[key] = podSet{labels: set, reason: reason}
	if found {
		return
	}
	i.ask("", services().resource, of.Namespace)
	i.ask("policy", "poddisruptionbudgets", of.Namespace)
	i.ask(networkingGroup, "networkpolicies", of.Namespace)
}

// noteAccount notes a service account. Roles are bound to it in its own namespace and in the cluster.
func (i *Inbound) noteAccount(of Subject) {
	if before, found := i.accounts[of.Namespace]; !found || of.By() < before {
		i.accounts[of.Namespace] = of.By()
	}
	i.ask(rbacGroup, "rolebindings", of.Namespace)
	i.ask(rbacGroup, "clusterrolebindings", "")
}

// noteAggregation notes by which labels a ClusterRole gathers its rules from others: without them it has none.
func (i *Inbound) noteAggregation(of Subject) {
	selectors, _ := member(of.content, "aggregationRule")["clusterRoleSelectors"].([]any)
	for _, item := range selectors {
		wanted, _ := item.(map[string]any)
		i.wish(schema.GroupResource{Group: rbacGroup, Resource: "clusterroles"}, wanted, wish{
			reason: of.By(), field: "metadata.labels",
		})
	}
}

// noteBundles notes by which labels pods ask for bundles of certificates; the template is the path to theirs.
func (i *Inbound) noteBundles(of Subject, template string) {
	walk(of.content, template+"spec.volumes[].projected.sources[].clusterTrustBundle", "", func(at place) {
		source := member(at.parent, at.leaf)
		signer := text(source, "signerName")
		if wanted, given := source["labelSelector"].(map[string]any); given && signer != "" {
			i.wish(schema.GroupResource{Group: "certificates.k8s.io", Resource: "clustertrustbundles"}, wanted, wish{
				signer: signer, reason: of.By(), field: "metadata.labels",
			})
		}
	})
}

// wish notes a wish once.
func (i *Inbound) wish(resource schema.GroupResource, wanted map[string]any, made wish) {
	read, ok := selectorOf(wanted)
	if !ok {
		return
	}
	made.selector = read
	at := slices.IndexFunc(i.wishes[resource], func(old wish) bool {
		return old.signer == made.signer && old.selector.String() == read.String()
	})
	if at < 0 {
		i.wishes[resource] = append(i.wishes[resource], made)
		i.ask(resource.Group, resource.Resource, "")
		return
	}
	i.wishes[resource][at].reason = min(i.wishes[resource][at].reason, made.reason)
}

// podLabels returns the labels of a pod, or of the pods that an object makes, without those that controllers give to
// the pods of one version of a template: nothing that people write selects by them, and they are all different.
func podLabels(of Subject) (labels.Set, bool) {
	path := podsOf(of.Kind)
	if path == "" && of.Kind.GroupResource() != (schema.GroupResource{Resource: "pods"}) {
		return nil, false
	}
	set := labels.Set{}
	if path == "" {
		maps.Copy(set, of.Labels)
	}
	walk(of.content, path+"metadata.labels", "", func(at place) {
		for key := range member(at.parent, at.leaf) {
			set[key] = text(member(at.parent, at.leaf), key)
		}
	})
	for _, key := range []string{
		"pod-template-hash", "controller-revision-hash", "pod-template-generation", "controller-uid", "batch.kubernetes.io/controller-uid",
	} {
		delete(set, key)
	}
	return set, true
}

// podsOf returns the path to the template of the pods that objects of the kind make, with a dot at its end; empty for
// pods themselves and for what makes none.
func podsOf(kind core.Kind) string {
	switch kind.Group + "/" + kind.Resource {
	case "apps/daemonsets", "apps/deployments", "apps/replicasets", "apps/statefulsets", "batch/jobs", "/replicationcontrollers",
		"extensions/daemonsets", "extensions/deployments", "extensions/replicasets":
		return "spec.template."
	case "batch/cronjobs":
		return "spec.jobTemplate.spec.template."
	}
	return ""
}

// scalable tells whether an autoscaler may scale objects of the kind.
func scalable(kind core.Kind) bool {
	if kind.Custom {
		return kind.Namespaced
	}
	switch kind.Resource {
	case "deployments", "replicasets", "replicationcontrollers", "statefulsets":
		return true
	}
	return false
}
