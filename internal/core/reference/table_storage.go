package reference

import (
	"maps"
	"slices"
	"strconv"
	"strings"
)

// maxSetClaims bounds the claims that are looked for in the name of one StatefulSet, as a number of replicas can be
// anything. Claims beyond it come by selection alone.
const maxSetClaims = 10_000

// claimSpec is the rule for the spec of a claim, wherever it stands. A claim and a volume may find each other by the
// name of a class that does not exist; and once a claim is bound, nothing depends on what its data came from.
func claimSpec(prefix string) rule {
	return all(
		optional(refer(prefix+"storageClassName", storageClasses())),
		refer(prefix+"volumeAttributesClassName", attributesClasses()),
		optional(referAny(prefix+"dataSource"), referAny(prefix+"dataSourceRef")),
	)
}

// volume is the rule for a PersistentVolume: its classes, and the secrets with which its storage is reached.
func volume() rule {
	rules := []rule{
		optional(refer("spec.storageClassName", storageClasses())),
		refer("spec.volumeAttributesClassName", attributesClasses()),
		referIn("spec.azureFile.secretName", "secretNamespace", secrets()),
		referIn("spec.glusterfs.endpoints", "endpointsNamespace", inNamespace("", "endpoints")),
		optional(annotation("volume.beta.kubernetes.io/storage-class", storageClasses())),
		annotatedSecret("volume.kubernetes.io/provisioner-deletion-secret-"),
	}
	for _, path := range []string{
		"cephfs.secretRef", "cinder.secretRef", "flexVolume.secretRef", "iscsi.secretRef", "rbd.secretRef",
		"scaleIO.secretRef", "storageos.secretRef",
		"csi.controllerExpandSecretRef", "csi.controllerPublishSecretRef", "csi.nodeExpandSecretRef",
		"csi.nodePublishSecretRef", "csi.nodeStageSecretRef",
	} {
		rules = append(rules, referIn("spec."+path+".name", "namespace", secrets()))
	}
	return all(rules...)
}

// setClaims is the rule for the claims that a StatefulSet makes, one for each template and replica. Some may not be
// there yet.
func setClaims(of Subject, add func(need Need)) {
	spec, _ := of.content["spec"].(map[string]any)
	first, _ := member(spec, "ordinals")["start"].(float64)
	replicas, given := spec["replicas"].(float64)
	if !given {
		replicas = 1
	}
	templates, _ := spec["volumeClaimTemplates"].([]any)
	if len(templates) == 0 || of.Name == "" {
		return
	}
	count := int(min(max(replicas, 0), float64(maxSetClaims/len(templates))))
	start := int(min(max(first, 0), 1<<31))
	for i, item := range templates {
		template, _ := item.(map[string]any)
		name := text(member(template, "metadata"), "name")
		if name == "" {
			continue
		}
		for ordinal := start; ordinal < start+count; ordinal++ {
			add(Need{
				Resource: claims().resource, Namespace: of.Namespace,
				Name:     name + "-" + of.Name + "-" + strconv.Itoa(ordinal),
				Optional: true, Field: "spec.volumeClaimTemplates[" + strconv.Itoa(i) + "]",
			})
		}
	}
}

// ephemeralClaims is the rule for the claims that are made for a pod's generic ephemeral volumes.
func ephemeralClaims(of Subject, add func(need Need)) {
	walk(of.content, "spec.volumes[].ephemeral", "", func(at place) {
		volume := text(at.parent, "name")
		if _, given := at.parent[at.leaf].(map[string]any); !given || volume == "" || of.Name == "" {
			return
		}
		add(Need{
			Resource: claims().resource, Namespace: of.Namespace, Name: of.Name + "-" + volume,
			Optional: true, Field: at.field,
		})
	})
}

// parameterSecrets is the rule for the secrets that the parameters of a class name for its driver. One whose name is
// a pattern that the driver fills in for each volume cannot be followed.
func parameterSecrets(of Subject, add func(need Need)) {
	parameters := member(of.content, "parameters")
	for _, key := range slices.Sorted(maps.Keys(parameters)) {
		purpose, isSecret := strings.CutSuffix(key, "-secret-name")
		name, namespace := text(parameters, key), text(parameters, purpose+"-secret-namespace")
		if !isSecret || !strings.HasPrefix(key, "csi.storage.k8s.io/") || strings.Contains(name+namespace, "${") ||
			namespace == "" {
			continue
		}
		add(Need{
			Resource: secrets().resource, Namespace: namespace, Name: name,
			Optional: true, Field: "parameters[" + key + "]",
		})
	}
}

// tokenOwner is the rule for a Secret with the token of a service account, which is deleted where the account is not
// there.
func tokenOwner(of Subject, add func(need Need)) {
	const account = "kubernetes.io/service-account.name"
	if text(of.content, "type") != "kubernetes.io/service-account-token" {
		return
	}
	add(Need{
		Resource: accounts().resource, Namespace: of.Namespace,
		Name:  text(annotations(of), account),
		Field: "metadata.annotations[" + account + "]",
	})
}

// eachIn is the rule with its paths beginning where the path leads, which may end in [].
func eachIn(path string, inner rule) rule {
	return func(of Subject, add func(need Need)) {
		within := func(content map[string]any, prefix string) {
			of.content = content
			inner(of, func(need Need) {
				need.Field = prefix + need.Field
				add(need)
			})
		}
		walk(of.content, path+".", "", func(at place) { within(at.parent, at.field) })
	}
}

// member returns a member that is an object, or nothing.
func member(from map[string]any, name string) map[string]any {
	value, _ := from[name].(map[string]any)
	return value
}
