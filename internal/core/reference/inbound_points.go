package reference

import (
	"cmp"
	"strconv"
	"strings"

	"github.com/soda-cdm/kahu/internal/core"
)

const (
	// bootstrapped is the label of roles and bindings that the API server makes itself.
	bootstrapped = "kubernetes.io/bootstrapping"
	// accountUser and accountGroup begin the names that service accounts have as users and in groups.
	accountUser  = "system:serviceaccount:"
	accountGroup = "system:serviceaccounts"
)

// Points tells whether an object points to something that is in, and why it is to be taken then. The function tells
// which objects are in.
func (i *Inbound) Points(of Subject, in func(need Need) bool) (Link, bool) {
	switch of.Kind.Group + "/" + of.Kind.Resource {
	case "/services":
		if wanted, ok := plainSelector(member(member(of.content, "spec"), "selector")); ok {
			return i.selectsPods(of, "spec.selector", wanted)
		}
		return Link{}, false
	case "policy/poddisruptionbudgets":
		return i.selectsPodsBy(of, "selector")
	case networkingGroup + "/networkpolicies":
		return i.selectsPodsBy(of, "podSelector")
	case "autoscaling/horizontalpodautoscalers":
		return namesAny(of, referAny("spec.scaleTargetRef"), in)
	case "discovery.k8s.io/endpointslices":
		if manager := of.Labels[managerLabel]; strings.HasSuffix(manager, ".k8s.io") {
			return Link{}, false // A controller of Kubernetes makes it again.
		}
		return namesAny(of, sliceService, in)
	case rbacGroup + "/rolebindings", rbacGroup + "/clusterrolebindings":
		return i.binds(of, in)
	}
	return i.wished(of)
}

// namesAny tells whether one of the objects that a rule finds is in.
func namesAny(of Subject, by rule, in func(need Need) bool) (Link, bool) {
	var found Link
	by(of, func(need Need) {
		if found.Reason == "" && need.Name != "" && in(need) {
			found = Link{Reason: core.NeededBy(cmp.Or(need.Kind, kindOf(need.Resource)), need.Namespace, need.Name), Field: need.Field}
		}
	})
	return found, found.Reason != ""
}

// kindOf returns the kind of what the rules of references back name by its plural.
func kindOf(resource string) string {
	if resource == services().resource {
		return "Service"
	}
	return "ServiceAccount"
}

// selectsPodsBy is selectsPods for a field of the spec that is a selector of the usual form.
func (i *Inbound) selectsPodsBy(of Subject, field string) (Link, bool) {
	given, is := member(of.content, "spec")[field].(map[string]any)
	wanted, ok := selectorOf(given)
	if !is || !ok {
		return Link{}, false
	}
	return i.selectsPods(of, "spec."+field, wanted)
}

// selectsPods tells whether a selector matches pods that are in.
func (i *Inbound) selectsPods(of Subject, field string, wanted selector) (Link, bool) {
	found := Link{Field: field}
	for _, set := range i.pods[of.Namespace] {
		if (found.Reason == "" || set.reason < found.Reason) && wanted.matches(set.labels) {
			found.Reason = set.reason
		}
	}
	return found, found.Reason != ""
}

// binds tells whether a binding gives rights to a service account that is in.
func (i *Inbound) binds(of Subject, in func(need Need) bool) (Link, bool) {
	if of.Labels[bootstrapped] != "" {
		return Link{}, false
	}
	subjects, _ := of.content["subjects"].([]any)
	for number, item := range subjects {
		bound, _ := item.(map[string]any)
		if reason := i.bound(of, bound, in); reason != "" {
			return Link{Reason: reason, Field: "subjects[" + strconv.Itoa(number) + "].name"}, true
		}
	}
	return Link{}, false
}

// bound returns the reason for a subject of a binding, or nothing where it is no service account that is in. What is
// bound in a namespace to an account of another one gives rights to that namespace, and belongs there.
func (i *Inbound) bound(of Subject, bound map[string]any, in func(need Need) bool) core.Reason {
	account := Need{Resource: accounts().resource, Namespace: text(bound, "namespace"), Name: text(bound, "name")}
	switch text(bound, "kind") {
	case "ServiceAccount":
		account.Namespace = cmp.Or(account.Namespace, of.Namespace)
	case "User":
		rest, isAccount := strings.CutPrefix(account.Name, accountUser)
		if account.Namespace, account.Name, _ = strings.Cut(rest, ":"); !isAccount {
			return ""
		}
	case "Group":
		return i.boundGroup(of, account.Name)
	}
	elsewhere := of.Namespace != "" && of.Namespace != account.Namespace
	if account.Name == "" || account.Namespace == "" || elsewhere || !in(account) {
		return ""
	}
	return core.NeededBy("ServiceAccount", account.Namespace, account.Name)
}

// boundGroup returns the reason for a group of service accounts: those of one namespace, or all of them.
func (i *Inbound) boundGroup(of Subject, group string) core.Reason {
	namespace, one := strings.CutPrefix(group, accountGroup+":")
	switch {
	case one && of.Namespace != "" && of.Namespace != namespace:
		return ""
	case one:
		return i.accounts[namespace]
	case group != accountGroup:
		return ""
	case of.Namespace != "":
		return i.accounts[of.Namespace]
	}
	var first core.Reason
	for _, reason := range i.accounts {
		if first == "" || reason < first {
			first = reason
		}
	}
	return first
}

// wished tells whether an object that is in asks for this one by its labels.
func (i *Inbound) wished(of Subject) (Link, bool) {
	var found Link
	for _, wish := range i.wishes[of.Kind.GroupResource()] {
		if of.Labels[bootstrapped] != "" || wish.signer != "" && wish.signer != text(member(of.content, "spec"), "signerName") ||
			!wish.selector.matches(of.Labels) {
			continue
		}
		if found.Reason == "" || wish.reason < found.Reason {
			found = Link{Reason: wish.reason, Field: wish.field}
		}
	}
	return found, found.Reason != ""
}
