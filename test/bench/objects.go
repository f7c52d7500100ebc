package main

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"iter"
	"math/rand/v2"
	"strconv"
	"strings"
)

// population is what a cluster is filled with: the same for the same numbers.
type population struct {
	objects, namespaces, definitions int
}

const (
	group      = "bench.example.com"
	leastBytes = 1 << 10
	mostBytes  = 4 << 10
)

// body is an object as it is posted, or what is changed of one.
type body struct {
	path   string
	json   []byte
	change bool
}

// tree is JSON on its way.
type tree = map[string]any

func namespaceName(i int) string { return fmt.Sprintf("bench-%03d", i) }

func pluralOf(definition int) string { return fmt.Sprintf("things%03d", definition) }

// custom returns the definitions of the custom resources.
func (p population) custom() iter.Seq[body] {
	return func(yield func(body) bool) {
		for i := range p.definitions {
			plural, kind := pluralOf(i), fmt.Sprintf("Thing%03d", i)
			definition := tree{
				"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
				"metadata": tree{"name": plural + "." + group},
				"spec": tree{
					"group": group, "scope": "Namespaced",
					"names": tree{"plural": plural, "singular": strings.ToLower(kind), "kind": kind, "listKind": kind + "List"},
					"versions": []any{tree{
						"name": "v1", "served": true, "storage": true,
						"schema": tree{"openAPIV3Schema": tree{
							"type": "object",
							"properties": tree{"spec": tree{
								"type": "object",
								"properties": tree{
									"replicas": tree{"type": "integer"}, "text": tree{"type": "string"},
									"parts": tree{"type": "array", "items": tree{
										"type":       "object",
										"properties": tree{"name": tree{"type": "string"}, "value": tree{"type": "string"}},
									}},
								},
							}},
						}},
					}},
				},
			}
			if !yield(bodyOf("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", definition)) {
				return
			}
		}
	}
}

// spaces returns the namespaces.
func (p population) spaces() iter.Seq[body] {
	return func(yield func(body) bool) {
		for i := range p.namespaces {
			namespace := tree{"apiVersion": "v1", "kind": "Namespace", "metadata": tree{"name": namespaceName(i)}}
			if !yield(bodyOf("/api/v1/namespaces", namespace)) {
				return
			}
		}
	}
}

// all returns the objects in the namespaces.
func (p population) all() iter.Seq[body] {
	return func(yield func(body) bool) {
		for i := range p.objects {
			if !yield(p.object(i)) {
				return
			}
		}
	}
}

// object returns one object, of 1 to 4 KiB.
func (p population) object(i int) body {
	random := rand.New(rand.NewPCG(1, uint64(i))) //nolint:gosec // The same objects each time are what is wanted.
	size := leastBytes + random.IntN(mostBytes-leastBytes-256)
	name, namespace := objectName(i), namespaceName(i%p.namespaces)
	makers := p.makers()
	path, object := makers[i/p.namespaces%len(makers)](i, size, random)
	metadata, _ := object["metadata"].(tree)
	if metadata == nil {
		metadata = tree{}
		object["metadata"] = metadata
	}
	metadata["name"], metadata["namespace"] = name, namespace
	metadata["labels"] = tree{"app.kubernetes.io/name": fmt.Sprintf("app-%d", i%50), "tier": []string{"front", "back"}[i%2]}
	return bodyOf(strings.Replace(path, "NAMESPACE", namespace, 1), object)
}

// changes returns changes of every so many objects.
func (p population) changes(every, round int) iter.Seq[body] {
	return func(yield func(body) bool) {
		for i := 0; i < p.objects; i += every {
			of := p.object(i)
			patch := bodyOf(of.path+"/"+objectName(i), tree{"metadata": tree{"annotations": tree{"bench.example.com/round": strconv.Itoa(round)}}})
			patch.change = true
			if !yield(patch) {
				return
			}
		}
	}
}

func objectName(i int) string { return fmt.Sprintf("object-%06d", i) }

// maker makes an object of one kind.
type maker func(i, size int, random *rand.Rand) (path string, object tree)

// makers are the kinds in their shares, of twenty.
func (p population) makers() []maker {
	var all []maker
	for _, each := range []struct {
		share int
		make  maker
	}{
		{8, configMap},
		{4, secret},
		{4, p.thing},
		{1, role},
		{1, serviceAccount},
		{1, networkPolicy},
		{1, deployment},
	} {
		for range each.share {
			all = append(all, each.make)
		}
	}
	return all
}

func configMap(_, size int, random *rand.Rand) (string, tree) {
	return "/api/v1/namespaces/NAMESPACE/configmaps", tree{
		"apiVersion": "v1", "kind": "ConfigMap",
		"data": tree{"settings.yaml": text(size/2, random), "more.properties": text(size/2, random)},
	}
}

func secret(_, size int, random *rand.Rand) (string, tree) {
	var content []byte
	for len(content) < size*3/4 {
		content = binary.LittleEndian.AppendUint64(content, random.Uint64())
	}
	return "/api/v1/namespaces/NAMESPACE/secrets", tree{
		"apiVersion": "v1", "kind": "Secret", "type": "Opaque",
		"data": tree{"content": base64.StdEncoding.EncodeToString(content)},
	}
}

func (p population) thing(i, size int, random *rand.Rand) (string, tree) {
	definition := i % p.definitions
	var parts []any
	for rest := size; rest > 0; rest -= 200 {
		parts = append(parts, tree{"name": fmt.Sprintf("part-%d", len(parts)), "value": text(160, random)})
	}
	return "/apis/" + group + "/v1/namespaces/NAMESPACE/" + pluralOf(definition), tree{
		"apiVersion": group + "/v1", "kind": fmt.Sprintf("Thing%03d", definition),
		"spec": tree{"replicas": i % 7, "text": text(60, random), "parts": parts},
	}
}

func role(_, size int, random *rand.Rand) (string, tree) {
	var rules []any
	for rest := size; rest > 0; rest -= 150 {
		rules = append(rules, tree{
			"apiGroups": []string{"apps"}, "resources": []string{"deployments", "statefulsets"},
			"resourceNames": []string{text(60, random)}, "verbs": []string{"get", "list", "watch"},
		})
	}
	return "/apis/rbac.authorization.k8s.io/v1/namespaces/NAMESPACE/roles", tree{
		"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "rules": rules,
	}
}

func serviceAccount(_, size int, random *rand.Rand) (string, tree) {
	return "/api/v1/namespaces/NAMESPACE/serviceaccounts", tree{
		"apiVersion": "v1", "kind": "ServiceAccount",
		"metadata": tree{"annotations": tree{"bench.example.com/note": text(size, random)}},
	}
}

func networkPolicy(_, size int, random *rand.Rand) (string, tree) {
	var from []any
	for rest := size; rest > 0; rest -= 45 {
		from = append(from, tree{"ipBlock": tree{
			"cidr": fmt.Sprintf("10.%d.%d.0/24", random.IntN(256), random.IntN(256)),
		}})
	}
	return "/apis/networking.k8s.io/v1/namespaces/NAMESPACE/networkpolicies", tree{
		"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
		"spec": tree{"podSelector": tree{}, "policyTypes": []string{"Ingress"}, "ingress": []any{tree{"from": from}}},
	}
}

// deployment is paused and wants no pods, so that no controller makes anything of it.
func deployment(i, size int, random *rand.Rand) (string, tree) {
	var environment []any
	for rest := size; rest > 0; rest -= 120 {
		environment = append(environment, tree{"name": fmt.Sprintf("SETTING_%d", len(environment)), "value": text(80, random)})
	}
	labels := tree{"object": fmt.Sprint(i)}
	return "/apis/apps/v1/namespaces/NAMESPACE/deployments", tree{
		"apiVersion": "apps/v1", "kind": "Deployment",
		"spec": tree{
			"paused": true, "replicas": 0, "selector": tree{"matchLabels": labels},
			"template": tree{
				"metadata": tree{"labels": labels},
				"spec":     tree{"containers": []any{tree{"name": "main", "image": "example.com/app:1", "env": environment}}},
			},
		},
	}
}

// text returns words that compress about as well as configuration does.
func text(size int, random *rand.Rand) string {
	const syllables = "ba ce di fo gu ha je ki lo mu na pe qui ro su ta ve wi xo yu za bri clo dra"
	words := strings.Fields(syllables)
	var made strings.Builder
	for made.Len() < size {
		for range 1 + random.IntN(4) {
			made.WriteString(words[random.IntN(len(words))])
		}
		made.WriteByte(" =-:\n"[random.IntN(5)])
	}
	return strings.TrimSpace(made.String()[:size])
}

func bodyOf(path string, object tree) body {
	content, err := json.Marshal(object)
	if err != nil {
		panic(err) // The objects are ours, and JSON can hold them.
	}
	return body{path: path, json: content}
}
