package model_test

import "encoding/json"

// fresh is a thing's content as the restore is to make it where there is none.
func (r *restored) fresh(each thing, now made) map[string]any {
	w, content := r.asked, bodyOf(now.thing)
	delete(content, "status")
	metadata := content["metadata"].(map[string]any)
	delete(metadata, "deletionTimestamp")
	annotations, _ := metadata["annotations"].(map[string]any)
	spec, _ := content["spec"].(map[string]any)
	switch each.Kind {
	case "Namespace":
		metadata["labels"].(map[string]any)[nameLabel] = now.Name
	case "Pod":
		delete(spec, "nodeName")
	case "Service":
		w.readdress(spec)
	case "PersistentVolumeClaim":
		delete(annotations, boundAnnotation)
		if now.mapped {
			delete(spec, "volumeName")
		}
		w.reclass(spec)
	case "PersistentVolume":
		claim := spec["claimRef"].(map[string]any)
		delete(claim, "uid")
		delete(claim, "resourceVersion")
		claim["name"] = r.called("PersistentVolumeClaim", "a", "c0")
		claim["namespace"] = w.namespace(claim["namespace"].(string))
		w.reclass(spec)
	}
	if w.Marks.marks(each) {
		mark(metadata)
	}
	return content
}

func (w restoreWish) readdress(spec map[string]any) {
	if !w.Addresses && spec["clusterIP"] != "None" {
		delete(spec, "clusterIP")
		delete(spec, "clusterIPs")
	}
	if !w.Ports {
		for _, port := range spec["ports"].([]any) {
			delete(port.(map[string]any), "nodePort")
		}
	}
}

func (w restoreWish) reclass(spec map[string]any) {
	name, _ := spec["storageClassName"].(string)
	if other, mapped := w.Classes[name]; mapped {
		spec["storageClassName"] = other
	}
}

const boundAnnotation = "pv.kubernetes.io/bind-completed"

// merged is what a thing is written over with: its content, and what the cluster owns of the one that is there.
func merged(now, before made) map[string]any {
	content := shape(now.body)
	old := shape(before.body)
	keep := func(path ...string) {
		into, from := content, old
		for _, field := range path[:len(path)-1] {
			next, there := into[field].(map[string]any)
			if !there {
				next = map[string]any{}
				into[field] = next
			}
			into = next
			from, _ = from[field].(map[string]any)
		}
		last := path[len(path)-1]
		if value, lives := from[last]; lives && into[last] == nil {
			into[last] = value
		}
	}
	// A built-in kind's status is nothing that a write changes.
	if keep("status"); kinds[now.Kind].Custom {
		delete(content, "status")
	}
	switch now.Kind {
	case "Pod":
		keep("spec", "nodeName")
	case "Service":
		keep("spec", "clusterIP")
		keep("spec", "clusterIPs")
	case "PersistentVolumeClaim":
		keep("spec", "volumeName")
		keep("metadata", "annotations", boundAnnotation)
	case "PersistentVolume":
		delete(content["spec"].(map[string]any), "claimRef") // It is bound to whom it is bound.
		keep("spec", "claimRef")
	}
	return content
}

// shape is the content without empty maps, and with the types that JSON has.
func shape(content map[string]any) map[string]any {
	text, err := json.Marshal(content)
	if err != nil {
		panic(err)
	}
	made := map[string]any{}
	if err := json.Unmarshal(text, &made); err != nil {
		panic(err)
	}
	return trim(made)
}

func trim(content map[string]any) map[string]any {
	for field, value := range content {
		if inner, isMap := value.(map[string]any); isMap && len(trim(inner)) == 0 {
			delete(content, field)
		}
		if inner, isList := value.([]any); isList {
			for _, element := range inner {
				if each, isMap := element.(map[string]any); isMap {
					trim(each)
				}
			}
		}
	}
	return content
}

// mark gives the label of a transform.
func mark(metadata map[string]any) {
	given, _ := metadata["labels"].(map[string]any)
	if given == nil {
		given = map[string]any{}
	}
	given["marked"] = "yes"
	metadata["labels"] = given
}
