package compare

import "strings"

// Mapping is from names of namespaces before to names after.
type Mapping map[string]string

// Name returns the name that a namespace has after.
func (m Mapping) Name(namespace string) string {
	if mapped, found := m[namespace]; found {
		return mapped
	}
	return namespace
}

// Key returns the name that an object has after.
func (m Mapping) Key(key Key) Key {
	key.Namespace = m.Name(key.Namespace)
	if key.Kind == "Namespace" && key.Group == "" {
		key.Name = m.Name(key.Name)
	}
	return key
}

// nameLabel is the label that every namespace has with its own name.
const nameLabel = "kubernetes.io/metadata.name"

// expect returns the object as it is expected after: its namespace, and what refers to a namespace, under other names.
func (m Mapping) expect(object Object) Object {
	if len(m) == 0 {
		return object
	}
	expected := deepCopy(map[string]any(object)).(map[string]any) //nolint:forcetypeassert // it is a map that was copied
	metadata, _ := expected["metadata"].(map[string]any)
	m.rename(metadata, "namespace")
	switch textAt(expected, "kind") {
	case "Namespace":
		m.rename(metadata, "name")
		labels, _ := metadata["labels"].(map[string]any)
		m.rename(labels, nameLabel)
	case "RoleBinding", "ClusterRoleBinding":
		m.subjects(expected)
	case "NetworkPolicy":
		m.peers(expected)
	}
	return expected
}

// subjects renames the namespaces in which the subjects of a binding are.
func (m Mapping) subjects(binding map[string]any) {
	subjects, _ := binding["subjects"].([]any)
	for _, element := range subjects {
		subject, _ := element.(map[string]any)
		m.rename(subject, "namespace")
		name, _ := subject["name"].(string)
		parts := strings.Split(name, ":")
		isAccounts := len(parts) > 2 && parts[0] == "system" &&
			(parts[1] == "serviceaccounts" || parts[1] == "serviceaccount")
		if isAccounts {
			parts[2] = m.Name(parts[2])
			subject["name"] = strings.Join(parts, ":")
		}
	}
}

// peers renames the namespaces that a network policy chooses by name.
func (m Mapping) peers(policy map[string]any) {
	for _, direction := range [][2]string{{"ingress", "from"}, {"egress", "to"}} {
		rules, _ := valueAt(policy, "spec", direction[0]).([]any)
		for _, rule := range rules {
			fields, _ := rule.(map[string]any)
			peers, _ := fields[direction[1]].([]any)
			for _, peer := range peers {
				chosen, _ := peer.(map[string]any)
				labels, _ := valueAt(chosen, "namespaceSelector", "matchLabels").(map[string]any)
				m.rename(labels, nameLabel)
			}
		}
	}
}

func (m Mapping) rename(fields map[string]any, name string) {
	if namespace, isText := fields[name].(string); isText {
		fields[name] = m.Name(namespace)
	}
}

func deepCopy(value any) any {
	switch value := value.(type) {
	case map[string]any:
		fields := make(map[string]any, len(value))
		for name, inner := range value {
			fields[name] = deepCopy(inner)
		}
		return fields
	case []any:
		elements := make([]any, 0, len(value))
		for _, inner := range value {
			elements = append(elements, deepCopy(inner))
		}
		return elements
	}
	return value
}
