package model_test

import "fmt"

// nameLabel is the label that a Namespace has with its name.
const nameLabel = "kubernetes.io/metadata.name"

// content is the object as a cluster has it, without what a cluster gives: for each owner there is a word in place of
// its UID.
func (t thing) content(uid func(owner owner) string) map[string]any {
	metadata := map[string]any{}
	labels := anyMap(t.Labels)
	if t.Kind == "Namespace" {
		labels[nameLabel] = t.Name
	}
	if len(labels) > 0 {
		metadata["labels"] = labels
	}
	if t.Dying {
		metadata["deletionTimestamp"] = "2026-01-01T00:00:00Z"
	}
	var owners []any
	for _, each := range t.Owners {
		entry := map[string]any{
			"apiVersion": kinds[each.Kind].APIVersion(), "kind": each.Kind, "name": each.Name, "uid": uid(each),
		}
		if each.Controller {
			entry["controller"] = true
		}
		owners = append(owners, entry)
	}
	if len(owners) > 0 {
		metadata["ownerReferences"] = owners
	}
	made := map[string]any{"metadata": metadata}
	t.fill(made)
	if t.Content != "" {
		annotate(made, "content", t.Content)
	}
	return made
}

// fill writes the fields of the kind.
func (t thing) fill(made map[string]any) {
	switch t.Kind {
	case "Pod":
		made["spec"] = t.podSpec()
		made["spec"].(map[string]any)["nodeName"] = "node-1"
		made["status"] = map[string]any{"phase": "Running"}
	case "Deployment", "ReplicaSet":
		made["spec"] = map[string]any{"replicas": 1, "template": map[string]any{
			"metadata": map[string]any{"labels": anyMap(t.Pods)}, "spec": t.podSpec(),
		}}
		made["status"] = map[string]any{"replicas": 1}
	case "PersistentVolumeClaim":
		spec := map[string]any{}
		for _, each := range t.Refers {
			switch each.Form {
			case "volumeName":
				spec["volumeName"] = each.Name
				annotate(made, "pv.kubernetes.io/bind-completed", "yes")
				made["status"] = map[string]any{"phase": "Bound"}
			case "class":
				spec["storageClassName"] = each.Name
			}
		}
		made["spec"] = spec
	case "PersistentVolume":
		spec := map[string]any{"claimRef": map[string]any{"namespace": "a", "name": "c0", "uid": "old", "resourceVersion": "1"}}
		for _, each := range t.Refers {
			spec["storageClassName"] = each.Name
		}
		made["spec"] = spec
	case "ServiceAccount":
		var secrets []any
		for _, each := range t.Refers {
			secrets = append(secrets, map[string]any{"name": each.Name})
		}
		if secrets != nil {
			made["secrets"] = secrets
		}
	case "Service":
		made["spec"] = t.serviceSpec()
	case "RoleBinding":
		t.bind(made)
	case "Secret":
		for _, each := range t.Refers {
			made["type"] = "kubernetes.io/service-account-token"
			annotate(made, "kubernetes.io/service-account.name", each.Name)
		}
	}
}

// serviceSpec is the specification of a Service.
func (t thing) serviceSpec() map[string]any {
	return map[string]any{
		"selector": anyMap(t.Selects), "clusterIP": t.Address, "clusterIPs": []any{t.Address},
		"ports": []any{map[string]any{"port": 80, "nodePort": 30080}},
	}
}

// bind writes whom a RoleBinding gives what.
func (t thing) bind(made map[string]any) {
	for _, each := range t.Refers {
		switch each.Form {
		case "role":
			made["roleRef"] = map[string]any{"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": each.Name}
		case "subject":
			made["subjects"] = []any{map[string]any{"kind": "ServiceAccount", "name": each.Name, "namespace": each.Namespace}}
		}
	}
}

// podSpec is the specification of a pod that has the references.
func (t thing) podSpec() map[string]any {
	spec := map[string]any{"containers": []any{map[string]any{"name": "main"}}}
	var from, volumes, pull []any
	for i, each := range t.Refers {
		named := map[string]any{"name": each.Name}
		if each.Optional {
			named["optional"] = true
		}
		switch each.Form {
		case "env":
			from = append(from, map[string]any{"configMapRef": named})
		case "envSecret":
			from = append(from, map[string]any{"secretRef": named})
		case "volume":
			named["name"] = each.Name
			volumes = append(volumes, map[string]any{"name": fmt.Sprint("v", i), "configMap": named})
		case "claim":
			volumes = append(volumes, map[string]any{
				"name": fmt.Sprint("v", i), "persistentVolumeClaim": map[string]any{"claimName": each.Name},
			})
		case "pull":
			pull = append(pull, map[string]any{"name": each.Name})
		case "account":
			spec["serviceAccountName"] = each.Name
		}
	}
	if from != nil {
		spec["containers"].([]any)[0].(map[string]any)["envFrom"] = from
	}
	if volumes != nil {
		spec["volumes"] = volumes
	}
	if pull != nil {
		spec["imagePullSecrets"] = pull
	}
	return spec
}

func annotate(object map[string]any, key, value string) {
	metadata := object["metadata"].(map[string]any)
	annotations, _ := metadata["annotations"].(map[string]any)
	if annotations == nil {
		annotations = map[string]any{}
		metadata["annotations"] = annotations
	}
	annotations[key] = value
}

func anyMap(from map[string]string) map[string]any {
	made := map[string]any{}
	for key, value := range from {
		made[key] = value
	}
	return made
}
