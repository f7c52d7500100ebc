package model_test

import (
	"encoding/json"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/testkit/fakecluster"
)

// kinds are the kinds of the model's worlds, by name.
var kinds = map[string]core.Kind{
	"Namespace":                kind("", "Namespace", "namespaces", "ns", false),
	"ConfigMap":                kind("", "ConfigMap", "configmaps", "cm", true),
	"Secret":                   kind("", "Secret", "secrets", "", true),
	"ServiceAccount":           kind("", "ServiceAccount", "serviceaccounts", "sa", true),
	"PersistentVolumeClaim":    kind("", "PersistentVolumeClaim", "persistentvolumeclaims", "pvc", true),
	"PersistentVolume":         kind("", "PersistentVolume", "persistentvolumes", "pv", false),
	"StorageClass":             kind("storage.k8s.io", "StorageClass", "storageclasses", "sc", false),
	"Pod":                      kind("", "Pod", "pods", "po", true),
	"ReplicaSet":               kind("apps", "ReplicaSet", "replicasets", "rs", true),
	"Deployment":               kind("apps", "Deployment", "deployments", "deploy", true),
	"CustomResourceDefinition": kind("apiextensions.k8s.io", "CustomResourceDefinition", "customresourcedefinitions", "crd", false),
	"Service":                  kind("", "Service", "services", "svc", true),
	"Role":                     kind("rbac.authorization.k8s.io", "Role", "roles", "", true),
	"RoleBinding":              kind("rbac.authorization.k8s.io", "RoleBinding", "rolebindings", "", true),
	"Widget":                   custom(kind("example.com", "Widget", "widgets", "wd", true)),
}

func kind(group, name, resource, short string, namespaced bool) core.Kind {
	made := fakecluster.Kind(group, name, resource, namespaced)
	if short != "" {
		made.ShortNames = []string{short}
	}
	return made
}

func custom(kind core.Kind) core.Kind {
	kind.Custom = true
	return kind
}

// thing is an object in words that the model can count with.
type thing struct {
	Kind      string `json:"kind"`
	Namespace string `json:"namespace,omitempty"`
	Name      string `json:"name"`
	// Labels are its labels, Dying tells that its deletion was asked for.
	Labels map[string]string `json:"labels,omitempty"`
	Dying  bool              `json:"dying,omitempty"`
	// Refers are the objects that its fields name: see the forms below. They are in its namespace, or at cluster scope.
	Refers []reference `json:"refers,omitempty"`
	// Owners are objects that it belongs to.
	Owners []owner `json:"owners,omitempty"`
	// Content tells two versions of it from one another.
	Content string `json:"content,omitempty"`
	// Pods are the labels of the pods that it makes, Selects those of the pods that a Service is for.
	Pods    map[string]string `json:"pods,omitempty"`
	Selects map[string]string `json:"selects,omitempty"`
	// Address is the address of a Service, None where it has none.
	Address string `json:"address,omitempty"`
}

// reference is a field that names another object.
type reference struct {
	// Form is how the field is written: env, envSecret, volume, account, pull, claim, volumeName, class, secret, token, role,
	// subject.
	Form string `json:"form"`
	Name string `json:"name"`
	// Namespace is said in the fields that have one: of a subject.
	Namespace string `json:"namespace,omitempty"`
	// Optional is said in the field.
	Optional bool `json:"optional,omitempty"`
}

// owner is an owner reference to an object of the same namespace, or at cluster scope.
type owner struct {
	Kind       string `json:"kind"`
	Name       string `json:"name"`
	Controller bool   `json:"controller,omitempty"`
}

func (t thing) key() string { return t.Kind + " " + t.Namespace + "/" + t.Name }

func keyOf(kind, namespace, name string) string {
	if !kinds[kind].Namespaced {
		namespace = ""
	}
	return kind + " " + namespace + "/" + name
}

// put puts things into a cluster, the owners with the UIDs that they have there.
func put(tb testing.TB, to *fakecluster.Cluster, things []thing) {
	tb.Helper()
	uids := map[string]string{}
	// Nobody owns itself, and owners come before what they own: the things are sorted so.
	for _, each := range things {
		content, err := json.Marshal(each.content(func(owner owner) string {
			if uid, there := uids[keyOf(owner.Kind, each.Namespace, owner.Name)]; there {
				return uid
			}
			return "gone-" + owner.Name
		}))
		if err != nil {
			tb.Fatal(err)
		}
		to.Put(tb, kinds[each.Kind], each.Namespace, each.Name, string(content))
		found, err := to.Get(tb.Context(), kinds[each.Kind], each.Namespace, each.Name)
		if err != nil {
			tb.Fatal(err)
		}
		uids[each.key()] = string(found.UID)
	}
}

// maker makes random worlds.
type maker struct{ *rand.Rand }

func (m maker) chance(percent int) bool { return m.IntN(100) < percent }

func (m maker) pick(from ...string) string { return from[m.IntN(len(from))] }

// some returns a random part of the values, in random order.
func (m maker) some(percent int, from ...string) []string {
	var found []string
	for _, each := range from {
		if m.chance(percent) {
			found = append(found, each)
		}
	}
	m.Shuffle(len(found), func(i, j int) { found[i], found[j] = found[j], found[i] })
	return found
}

// names are the names of namespaces, "d" is never one.
var names = []string{"a", "b", "c"}

// world makes the things of a cluster: owners before what they own.
func (m maker) world() []thing {
	var made []thing
	if m.chance(80) {
		made = append(made, m.labelled(thing{Kind: "CustomResourceDefinition", Name: "widgets.example.com"}))
	}
	for _, name := range m.some(60, "k0", "k1") {
		made = append(made, m.labelled(thing{Kind: "StorageClass", Name: name}))
	}
	for _, name := range m.some(50, "v0", "v1", "v2") {
		made = append(made, m.labelled(thing{Kind: "PersistentVolume", Name: name, Refers: m.refer(50, "class", "k0", "k1")}))
	}
	for i, name := range names {
		if i == 0 || m.chance(60) {
			made = append(made, m.labelled(thing{Kind: "Namespace", Name: name}))
			made = append(made, m.inside(name)...)
		}
	}
	return made
}

func (m maker) labelled(t thing) thing {
	for _, key := range m.some(40, "app", "tier") {
		if t.Labels == nil {
			t.Labels = map[string]string{}
		}
		t.Labels[key] = m.pick("x", "y")
	}
	t.Dying = t.Kind != "Namespace" && m.chance(3)
	if t.Kind == "Deployment" || t.Kind == "ReplicaSet" {
		t.Pods = map[string]string{"app": m.pick("x", "y", "z")}
	}
	if m.chance(30) {
		t.Content = m.pick("one", "two", "\"three\" <&> ü")
	}
	return t
}

// refer makes a reference of the form, or none.
func (m maker) refer(percent int, form string, to ...string) []reference {
	if !m.chance(percent) {
		return nil
	}
	return []reference{{Form: form, Name: m.pick(to...), Optional: m.chance(20)}}
}

// inside makes the things of a namespace. Each name can be the name of things of several kinds.
func (m maker) inside(namespace string) []thing {
	var made []thing
	add := func(kind, name string, refers []reference, owners []owner) {
		made = append(made, m.labelled(thing{Kind: kind, Namespace: namespace, Name: name, Refers: refers, Owners: owners}))
	}
	for _, name := range m.some(40, "c0", "c1", "c2") {
		add("ConfigMap", name, nil, nil)
	}
	for _, name := range m.some(40, "s0", "s1", "s2") {
		add("Secret", name, m.refer(25, "token", "default", "a1"), m.owned(20, made))
	}
	for _, name := range m.some(50, "default", "a1") {
		add("ServiceAccount", name, m.refer(50, "secret", "s0", "s1"), nil)
	}
	for _, name := range m.some(40, "o0", "o1") {
		add("Role", name, nil, nil)
	}
	for _, name := range m.some(40, "b0", "b1") {
		subject := reference{Form: "subject", Name: m.pick("default", "a1"), Namespace: namespace}
		if m.chance(25) {
			subject.Namespace = m.pick("a", "b", "d")
		}
		add("RoleBinding", name, []reference{{Form: "role", Name: m.pick("o0", "o1")}, subject}, nil)
	}
	for _, name := range m.some(40, "c0", "p1") {
		add("PersistentVolumeClaim", name, slices.Concat(m.refer(60, "volumeName", "v0", "v1", "v2"), m.refer(50, "class", "k0", "k1")), nil)
	}
	for _, name := range m.some(50, "w0", "w1") {
		add("Widget", name, nil, m.owned(40, made))
	}
	for _, name := range m.some(50, "d0", "d1") {
		add("Deployment", name, m.pods(), m.owned(20, made))
	}
	for _, name := range m.some(40, "r0", "r1") {
		var owners []owner
		if m.chance(60) {
			owners = []owner{{Kind: "Deployment", Name: m.pick("d0", "d1"), Controller: true}}
		}
		add("ReplicaSet", name, m.pods(), owners)
	}
	for _, name := range m.some(40, "q0", "q1") {
		var owners []owner
		if m.chance(60) {
			owners = []owner{{Kind: "ReplicaSet", Name: m.pick("r0", "r1"), Controller: true}}
		}
		add("Pod", name, m.pods(), owners)
	}
	for _, name := range m.some(40, "e0", "e1") {
		add("Service", name, nil, nil)
		service := &made[len(made)-1]
		service.Selects = map[string]string{m.pick("app", "tier"): m.pick("x", "y")}
		service.Address = m.pick("None", "10.0.0.1", "10.0.0.2")
	}
	return made
}

// owned makes an owner of one of the things, or of one that is not there, or none.
func (m maker) owned(percent int, of []thing) []owner {
	if !m.chance(percent) {
		return nil
	}
	if len(of) == 0 || m.chance(10) {
		return []owner{{Kind: "Widget", Name: "gone"}}
	}
	from := of[m.IntN(len(of))]
	return []owner{{Kind: from.Kind, Name: from.Name, Controller: m.chance(30)}}
}

// pods makes the references of a pod.
func (m maker) pods() []reference {
	return slices.Concat(
		m.refer(40, "env", "c0", "c1", "c2"), m.refer(30, "envSecret", "s0", "s1", "s2"), m.refer(30, "volume", "c0", "c1", "c2"),
		m.refer(30, "claim", "c0", "p1"), m.refer(30, "account", "a1"), m.refer(20, "pull", "s0", "s1"),
	)
}
