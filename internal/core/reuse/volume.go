package reuse

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/soda-cdm/kahu/internal/core"
)

const (
	annotationProvisioned = "pv.kubernetes.io/provisioned-by"
	annotationBound       = "pv.kubernetes.io/bound-by-controller"
)

// Volume is what is known of a PersistentVolume.
type Volume struct {
	Name string
	// Claim is whom it is reserved for, without a name where that is nobody; Namespace and Name alone are set.
	Claim core.Key
	// Phase is as in its status; empty in what is not in a cluster.
	Phase string
	// Storage names the piece of storage that it stands for: equal of those that stand for the same. Empty: nobody knows.
	Storage string
	// Retained tells that the storage stays when the claim goes, Provisioned that a driver made it for the claim, CSI that it is
	// one of CSI, and Many that it can be mounted for writing in many places at once, or for reading alone.
	Retained, Provisioned, CSI, Many bool
	// Going tells that its deletion has been asked for.
	Going bool
}

// VolumeOf reads a PersistentVolume.
func VolumeOf(object map[string]any) Volume {
	metadata, spec := at(object, "metadata"), at(object, "spec")
	annotations, claim := at(metadata, "annotations"), at(spec, "claimRef")
	_, going := metadata["deletionTimestamp"]
	found := Volume{
		Name: text(metadata, "name"), Phase: text(at(object, "status"), "phase"), Going: going,
		Claim:       core.Key{Namespace: text(claim, "namespace"), Name: text(claim, "name")},
		Provisioned: text(annotations, annotationProvisioned) != "",
		// The API server sets the field; what people create without it is retained.
		Retained: text(spec, "persistentVolumeReclaimPolicy") != "Delete",
		Storage:  storageOf(spec),
	}
	_, found.CSI = spec["csi"]
	modes, _ := spec["accessModes"].([]any)
	found.Many = len(modes) > 0 && !slices.ContainsFunc(modes, func(mode any) bool { return mode != "ReadWriteMany" && mode != "ReadOnlyMany" })
	return found
}

// outlives tells whether the storage is there when the claim is gone. A driver of CSI deletes also what it has not made, as a policy of
// Delete is honored for every volume of CSI; nobody else does.
func (v Volume) outlives() bool { return v.Retained || !v.Provisioned && !v.CSI }

// shared tells whether the storage is meant to be used under several names, as a person has made each of them.
func (v Volume) shared() bool { return v.Retained && !v.Provisioned && v.Many }

// identities are the fields that say which piece of storage a source of a volume stands for. Of a source that is not named
// here, every field counts.
func identities() map[string][]string {
	return map[string][]string{
		"csi":                  {"driver", "volumeHandle"},
		"nfs":                  {"server", "path"},
		"hostPath":             {"path"},
		"local":                {"path"},
		"iscsi":                {"targetPortal", "iqn", "lun"},
		"fc":                   {"targetWWNs", "lun", "wwids"},
		"cephfs":               {"monitors", "path"},
		"rbd":                  {"monitors", "pool", "image"},
		"glusterfs":            {"endpoints", "path"},
		"azureFile":            {"secretName", "shareName"},
		"azureDisk":            {"diskURI"},
		"awsElasticBlockStore": {"volumeID"},
		"cinder":               {"volumeID"},
		"portworxVolume":       {"volumeID"},
		"gcePersistentDisk":    {"pdName"},
		"vsphereVolume":        {"volumePath"},
	}
}

// settings are the fields of a PersistentVolume that are no source.
func settings() []string {
	return []string{
		"accessModes", "capacity", "claimRef", "mountOptions", "nodeAffinity", "persistentVolumeReclaimPolicy",
		"storageClassName", "volumeAttributesClassName", "volumeMode",
	}
}

// storageOf names the piece of storage of a PersistentVolume. A path on a node is one on that node.
func storageOf(spec map[string]any) string {
	var parts []any
	for source, value := range spec {
		fields, is := value.(map[string]any)
		if !is || slices.Contains(settings(), source) {
			continue
		}
		parts = append(parts, source)
		if names, known := identities()[source]; known {
			for _, name := range names {
				parts = append(parts, fields[name])
			}
		} else {
			parts = append(parts, fields)
		}
		if source == "hostPath" || source == "local" {
			parts = append(parts, spec["nodeAffinity"])
		}
		break // The API server takes one source, and no more.
	}
	if len(parts) == 0 {
		return ""
	}
	name, err := json.Marshal(parts)
	if err != nil {
		return ""
	}
	return string(name)
}

// Claim is what is known of a claim in a backup.
type Claim struct {
	// Volume is the name of its PersistentVolume; empty: it has none.
	Volume string
	// Chosen tells that the cluster chose the volume for it, and not a person by its name.
	Chosen bool
	// Class is its storage class, which is empty where nobody makes volumes for it; NoClass tells that it names none at all.
	Class   string
	NoClass bool
}

// ClaimOf reads a PersistentVolumeClaim.
func ClaimOf(object map[string]any) Claim {
	spec, annotations := at(object, "spec"), at(at(object, "metadata"), "annotations")
	found := Claim{
		Volume: text(spec, "volumeName"), Chosen: text(annotations, annotationBound) != "", Class: text(spec, "storageClassName"),
	}
	_, named := spec["storageClassName"]
	if old := text(annotations, "volume.beta.kubernetes.io/storage-class"); old != "" {
		found.Class, named = old, true
	}
	found.NoClass = !named
	return found
}

// Provisions tells whether somebody makes a volume for a claim that has none.
func (c Claim) Provisions() bool { return c.NoClass || strings.TrimSpace(c.Class) != "" }

func at(object map[string]any, field string) map[string]any {
	found, _ := object[field].(map[string]any)
	return found
}

func text(object map[string]any, field string) string {
	found, _ := object[field].(string)
	return found
}
