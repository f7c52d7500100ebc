package selection

import (
	"strings"

	"github.com/soda-cdm/kahu/internal/core"
)

// ownGroup is the group of Kahu's own kinds.
const ownGroup = "kahu.io"

const neverOwn = "it is Kahu's own: a backup is found again by what is in its store"

// never is a kind of which no object is ever backed up.
type never struct {
	group, resource, kind string
	reason                string
}

// isOwnSetting tells those of Kahu's own kinds that people write down once, and would have to write again in a new cluster,
// from those that tell of what happened, which comes from the stores.
func isOwnSetting(resource string) bool {
	return resource == "backuplocations" || resource == "transformsets"
}

// neverKinds returns the kinds that are never backed up besides most of Kahu's own. docs/selection.md has the same list.
func neverKinds() []never {
	const (
		event   = "an event tells what happened in this cluster and expires by itself"
		elected = "it is held by a process that runs in this cluster; brought back, it would name a holder that is gone"
		signed  = "it is one request of one process, and is answered or removed within hours"
	)
	return []never{
		{"", "events", "Event", event},
		{"events.k8s.io", "events", "Event", event},
		{"", "nodes", "Node", "a node is registered by its own kubelet; without the machine the object means nothing"},
		{"", "componentstatuses", "ComponentStatus", "it is computed when it is read"},
		{"coordination.k8s.io", "leases", "Lease", elected},
		{"coordination.k8s.io", "leasecandidates", "LeaseCandidate", elected},
		{"certificates.k8s.io", "certificatesigningrequests", "CertificateSigningRequest", signed},
		{"certificates.k8s.io", "podcertificaterequests", "PodCertificateRequest", signed},
		{
			"internal.apiserver.k8s.io", "storageversions", "StorageVersion",
			"API servers write down in it how they encode objects, for one another",
		},
		{"networking.k8s.io", "ipaddresses", "IPAddress", "the API server makes one for each address that a service gets"},
		{"resource.k8s.io", "resourceslices", "ResourceSlice", "drivers publish in it the devices of this cluster's nodes"},
		{"storage.k8s.io", "csinodes", "CSINode", "kubelets publish in it the storage drivers of this cluster's nodes"},
		{
			"storage.k8s.io", "csistoragecapacities", "CSIStorageCapacity",
			"storage drivers publish in it how much space is left",
		},
		{
			"storage.k8s.io", "volumeattachments", "VolumeAttachment",
			"it attaches a volume to a node of this cluster, and is made again when a pod needs the volume",
		},
	}
}

// Never tells whether objects of the kind are never backed up, and why.
func Never(kind core.Kind) (string, bool) {
	if kind.Group == ownGroup && !isOwnSetting(kind.Resource) {
		return neverOwn, true
	}
	for _, never := range neverKinds() {
		if never.group == kind.Group && never.resource == kind.Resource {
			return never.reason, true
		}
	}
	return "", false
}

// NeverObject tells whether this object of a kind that is backed up is itself never backed up, and why.
func NeverObject(kind core.Kind, name string, labels map[string]string) (string, bool) {
	switch {
	case kind.Group == "" && kind.Resource == "configmaps" && name == "kube-root-ca.crt":
		return "the controller manager publishes the cluster's certificate under this name in every namespace", true
	case kind.Group == "apiextensions.k8s.io" && kind.Resource == "customresourcedefinitions" && strings.HasSuffix(name, "."+ownGroup):
		return "it is Kahu's own, and comes with the Kahu that runs: an older one would take fields from it", true
	case kind.Group == "apiregistration.k8s.io" && kind.Resource == "apiservices" &&
		labels["kube-aggregator.kubernetes.io/automanaged"] != "":
		return "the API server makes it for each group that it serves itself", true
	}
	return neverSnapshot(kind, name, labels)
}

// neverSnapshot is NeverObject for what stands for snapshots of volumes.
func neverSnapshot(kind core.Kind, name string, labels map[string]string) (string, bool) {
	if isSnapshot(kind) && isOwnSnapshot(name, labels) || isClaim(kind) && labels["kahu.io/backup-uid"] != "" && isOwnName(name) {
		return "Kahu has made it to back up or restore a volume, and removes it afterwards", true
	}
	return "", false
}

func isClaim(kind core.Kind) bool {
	return kind.Group == "" && kind.Resource == "persistentvolumeclaims"
}

// isSnapshot tells whether objects of the kind stand for snapshots of volumes.
func isSnapshot(kind core.Kind) bool {
	switch kind.Resource {
	case "volumesnapshots", "volumesnapshotcontents":
		return kind.Group == "snapshot.storage.k8s.io"
	case "volumegroupsnapshots", "volumegroupsnapshotcontents":
		return kind.Group == "groupsnapshot.storage.k8s.io"
	}
	return false
}

// isOwnSnapshot tells whether Kahu, or its provider csi, has made a snapshot. Labels tell that of every one, and come a moment
// after the object where the cluster makes it for Kahu; names tell it also where an object is only referred to.
func isOwnSnapshot(name string, labels map[string]string) bool {
	if labels["kahu.io/backup-uid"] != "" || labels["app.kubernetes.io/managed-by"] == "kahu-provider-csi" {
		return true
	}
	return isOwnName(name)
}

// isOwnName tells whether it is a name that Kahu gives to what it makes for a while.
func isOwnName(name string) bool {
	const ofManager, ofProvider = 24, 32 // digits
	digits, ours := strings.CutPrefix(name, "kahu-")
	digits = strings.TrimPrefix(digits, "delete-")
	return ours && (len(digits) == ofManager || len(digits) == ofProvider) && strings.Trim(digits, "0123456789abcdef") == ""
}

// Measures tells whether an API group holds measurements, which are computed when they are asked for, and no objects
// that could be backed up. That the server behind such a group is down takes nothing from a backup.
func Measures(group string) bool {
	switch group {
	case "metrics.k8s.io", "custom.metrics.k8s.io", "external.metrics.k8s.io":
		return true
	}
	return false
}
