package reference

import (
	"strings"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/soda-cdm/kahu/internal/core"
)

// Linked is a need that two objects have together, and the reason for which it is one.
type Linked struct {
	Need

	Reason core.Reason
}

// policies are the policies of admission control that are in, and their bindings. A binding names the parameters of a
// policy, and the policy says of which kind these are, so that it takes both to know what is meant.
type policies struct {
	kinds   map[policyKey]schema.GroupKind // of the parameters of the policies that are in
	waiting map[policyKey][]Linked         // what bindings name whose policy was not seen yet
}

// policyKey is a policy: its kind in lower case, without the binding, and its name.
type policyKey struct{ kind, name string }

func newPolicies() policies {
	return policies{kinds: map[policyKey]schema.GroupKind{}, waiting: map[policyKey][]Linked{}}
}

// Linked takes note of a policy of admission control, or of a binding of one, and returns the parameters that are known
// because of it. A binding that chooses its parameters by labels, or in the namespace of each request, names none.
func (i *Inbound) Linked(of Subject) []Linked {
	if of.Kind.Group != webhookGroup {
		return nil
	}
	switch of.Kind.Resource {
	case "mutatingadmissionpolicies", "validatingadmissionpolicies":
		return i.policies.addPolicy(of)
	case "mutatingadmissionpolicybindings", "validatingadmissionpolicybindings":
		return i.policies.addBinding(of)
	}
	return nil
}

func (p policies) addPolicy(of Subject) []Linked {
	named := member(member(of.content, "spec"), "paramKind")
	group, version, grouped := strings.Cut(text(named, "apiVersion"), "/")
	if !grouped {
		group, version = "", group
	}
	kind := schema.GroupKind{Group: group, Kind: text(named, "kind")}
	if kind.Kind == "" || version == "" {
		return nil
	}
	key := policyKey{strings.TrimSuffix(of.Kind.Resource, "policies"), of.Name}
	p.kinds[key] = kind
	known := p.waiting[key]
	delete(p.waiting, key)
	for n := range known {
		known[n].Group, known[n].Kind = kind.Group, kind.Kind
	}
	return known
}

func (p policies) addBinding(of Subject) []Linked {
	spec := member(of.content, "spec")
	named := member(spec, "paramRef")
	key := policyKey{strings.TrimSuffix(of.Kind.Resource, "policybindings"), text(spec, "policyName")}
	wanted := Linked{Reason: of.By(), Need: Need{
		Namespace: text(named, "namespace"), Name: text(named, "name"), Field: "spec.paramRef.name",
		// Without a namespace it is the one of each request, unless the parameters are at cluster scope.
		Optional: text(named, "parameterNotFoundAction") == "Allow" || text(named, "namespace") == "",
	}}
	if wanted.Name == "" {
		return nil
	}
	kind, known := p.kinds[key]
	if !known {
		p.waiting[key] = append(p.waiting[key], wanted)
		return nil
	}
	wanted.Group, wanted.Kind = kind.Group, kind.Kind
	return []Linked{wanted}
}
