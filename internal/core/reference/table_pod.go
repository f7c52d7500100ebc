package reference

// podSpec is the rule for a pod's spec, wherever it stands: the prefix is the path to it and ends in a dot.
func podSpec(prefix string) rule {
	return all(
		account(prefix),
		optional(refer(prefix+"subdomain", services())),
		refer(prefix+"imagePullSecrets[].name", secrets()),
		refer(prefix+"priorityClassName", priorityClasses()),
		refer(prefix+"runtimeClassName", atCluster("node.k8s.io", "runtimeclasses")),
		resourceClaims(prefix),
		refer(prefix+"schedulingGroup.podGroupName", inNamespace(schedulingGroup, "podgroups")),
		environment(prefix+"initContainers[]."),
		environment(prefix+"containers[]."),
		environment(prefix+"ephemeralContainers[]."),
		podVolumes(prefix+"volumes[]."),
	)
}

// account is the rule for the service account of a pod. A pod that names none gets the one that is called default,
// which each namespace has by itself; but it may have image secrets and roles that people gave to it.
func account(prefix string) rule {
	return func(of Subject, add func(need Need)) {
		refer(prefix+"serviceAccountName", accounts())(of, add)
		walk(of.content, prefix+"serviceAccountName", "", func(at place) {
			if text(at.parent, at.leaf) == "" {
				add(Need{
					Resource: accounts().resource, Namespace: of.Namespace, Name: "default",
					Optional: true, Implied: true, Field: at.field,
				})
			}
		})
	}
}

func accounts() target { return inNamespace("", "serviceaccounts") }

// environment is the rule for the variables of a container.
func environment(container string) rule {
	return all(
		refer(container+"env[].valueFrom.configMapKeyRef.name", configMaps()),
		refer(container+"env[].valueFrom.secretKeyRef.name", secrets()),
		refer(container+"envFrom[].configMapRef.name", configMaps()),
		refer(container+"envFrom[].secretRef.name", secrets()),
	)
}

// podVolumes is the rule for the volumes of a pod.
func podVolumes(volume string) rule {
	return all(
		refer(volume+"configMap.name", configMaps()),
		refer(volume+"secret.secretName", secrets()),
		refer(volume+"projected.sources[].configMap.name", configMaps()),
		refer(volume+"projected.sources[].secret.name", secrets()),
		refer(volume+"projected.sources[].clusterTrustBundle.name", atCluster("certificates.k8s.io", "clustertrustbundles")),
		refer(volume+"persistentVolumeClaim.claimName", claims()),
		eachIn(volume+"ephemeral.volumeClaimTemplate", claimSpec("spec.")),
		refer(volume+"azureFile.secretName", secrets()),
		refer(volume+"cephfs.secretRef.name", secrets()),
		refer(volume+"cinder.secretRef.name", secrets()),
		refer(volume+"csi.nodePublishSecretRef.name", secrets()),
		refer(volume+"flexVolume.secretRef.name", secrets()),
		refer(volume+"glusterfs.endpoints", inNamespace("", "endpoints")),
		refer(volume+"iscsi.secretRef.name", secrets()),
		refer(volume+"rbd.secretRef.name", secrets()),
		refer(volume+"scaleIO.secretRef.name", secrets()),
		refer(volume+"storageos.secretRef.name", secrets()),
	)
}
