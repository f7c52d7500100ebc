package reference

import (
	"cmp"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/runtime/schema"
)

// AnyNamespace stands for the namespace of a Need whose object can be in any.
const AnyNamespace = "*"

// backTable returns the references that Needs leaves out, as they bring nothing into a backup, and that have to follow all
// the same where their objects get other names: a rule for each kind.
func backTable() map[schema.GroupResource]rule {
	return map[schema.GroupResource]rule{
		{Resource: "pods"}:                        formerAccount("spec."),
		{Resource: "podtemplates"}:                formerAccount("template.spec."),
		{Resource: "replicationcontrollers"}:      formerAccount("spec.template.spec."),
		{Group: "apps", Resource: "daemonsets"}:   formerAccount("spec.template.spec."),
		{Group: "apps", Resource: "deployments"}:  formerAccount("spec.template.spec."),
		{Group: "apps", Resource: "replicasets"}:  formerAccount("spec.template.spec."),
		{Group: "apps", Resource: "statefulsets"}: formerAccount("spec.template.spec."),
		{Group: "batch", Resource: "jobs"}:        formerAccount("spec.template.spec."),
		{Group: "batch", Resource: "cronjobs"}:    formerAccount("spec.jobTemplate.spec.template.spec."),

		{Resource: "persistentvolumes"}: referIn("spec.claimRef.name", "namespace", claims()),
		{Group: snapshotGroup, Resource: "volumesnapshotcontents"}: referIn(
			"spec.volumeSnapshotRef.name", "namespace", inNamespace(snapshotGroup, "volumesnapshots")),
		{Group: groupSnapshotGroup, Resource: "volumegroupsnapshotcontents"}: referIn(
			"spec.volumeGroupSnapshotRef.name", "namespace", inNamespace(groupSnapshotGroup, "volumegroupsnapshots")),

		{Resource: "endpoints"}: all(
			referAny("subsets[].addresses[].targetRef"), referAny("subsets[].notReadyAddresses[].targetRef")),
		{Group: "discovery.k8s.io", Resource: "endpointslices"}: referAny("endpoints[].targetRef"),

		{Group: rbacGroup, Resource: "roles"}:                                permissions,
		{Group: rbacGroup, Resource: "clusterroles"}:                         permissions,
		{Group: webhookGroup, Resource: "mutatingadmissionpolicybindings"}:   parameters(),
		{Group: webhookGroup, Resource: "validatingadmissionpolicybindings"}: parameters(),
		{Group: "flowcontrol.apiserver.k8s.io", Resource: "flowschemas"}: referIn(
			"spec.rules[].subjects[].serviceAccount.name", "namespace", accounts()),
	}
}

// backwards visits the references of backTable, those to owners, and the subjects of bindings, which can stand after other
// text.
func (r *Rules) backwards(of Subject, visit func(need Need, before string)) {
	plain := func(need Need) { visit(need, "") }
	if rule := r.back[of.Kind.GroupResource()]; rule != nil {
		rule(of, plain)
	}
	owners(of, plain)
	switch of.Kind.Group + "/" + of.Kind.Resource {
	case rbacGroup + "/rolebindings", rbacGroup + "/clusterrolebindings":
		items, _ := of.content["subjects"].([]any)
		for i, item := range items {
			subject, _ := item.(map[string]any)
			bindsAccount(of, subject, "subjects["+strconv.Itoa(i)+"].name", visit)
		}
	case "flowcontrol.apiserver.k8s.io/flowschemas":
		walk(of.content, "spec.rules[].subjects[].user.name", "", func(at place) {
			userAccount(text(at.parent, at.leaf), at.field, visit)
		})
	}
}

// formerAccount is the rule for the name that serviceAccountName once had, and that the API server fills in beside it.
func formerAccount(prefix string) rule { return refer(prefix+"serviceAccount", accounts()) }

// owners is the rule for the owners of an object, which are in its namespace or at cluster scope.
func owners(of Subject, add func(need Need)) {
	walk(of.content, "metadata.ownerReferences[].name", "", func(at place) {
		group, _, grouped := strings.Cut(text(at.parent, "apiVersion"), "/")
		if !grouped {
			group = ""
		}
		add(Need{
			Group: group, Kind: text(at.parent, "kind"), Namespace: of.Namespace, Name: text(at.parent, at.leaf), Field: at.field,
		})
	})
}

// parameters is the rule for what a policy reads besides an object: of which kind that is stands in the policy.
func parameters() rule { return referIn("spec.paramRef.name", "namespace", target{}) }

// permissions is the rule for the objects for which alone a role gives rights.
func permissions(of Subject, add func(need Need)) {
	items, _ := of.content["rules"].([]any)
	for i, item := range items {
		given, _ := item.(map[string]any)
		names, _ := given["resourceNames"].([]any)
		for n := range names {
			name, _ := names[n].(string)
			field := "rules[" + strconv.Itoa(i) + "].resourceNames[" + strconv.Itoa(n) + "]"
			permitted(given, Need{Namespace: cmp.Or(of.Namespace, AnyNamespace), Name: name, Field: field}, add)
		}
	}
}

// permitted adds the need once for each kind for which a rule gives rights.
func permitted(given map[string]any, need Need, add func(need Need)) {
	groups, _ := given["apiGroups"].([]any)
	resources, _ := given["resources"].([]any)
	for _, group := range groups {
		for _, resource := range resources {
			need.Group, _ = group.(string)
			need.Resource, _ = resource.(string)
			need.Resource, _, _ = strings.Cut(need.Resource, "/")
			add(need)
		}
	}
}

// bindsAccount visits the service account to which a subject of a binding gives rights.
func bindsAccount(of Subject, subject map[string]any, field string, visit func(need Need, before string)) {
	switch name := text(subject, "name"); text(subject, "kind") {
	case "ServiceAccount":
		visit(Need{
			Resource: accounts().resource, Namespace: cmp.Or(text(subject, "namespace"), of.Namespace), Name: name, Field: field,
		}, "")
	case "User":
		userAccount(name, field, visit)
	}
}

// userAccount visits the service account that a user is.
func userAccount(user, field string, visit func(need Need, before string)) {
	rest, isAccount := strings.CutPrefix(user, accountUser)
	namespace, name, whole := strings.Cut(rest, ":")
	if isAccount && whole {
		visit(Need{Resource: accounts().resource, Namespace: namespace, Name: name, Field: field}, accountUser+namespace+":")
	}
}
