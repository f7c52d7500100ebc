package archive

import (
	"slices"
	"time"
)

// The bounds of what a manifest says of volumes.
const (
	// MaxVolumes bounds the rows.
	MaxVolumes = 5000
	// maxHandle and maxAttributes bound what a provider knows a backup by, in bytes.
	maxHandle     = 1024
	maxAttributes = 64
	maxAttribute  = 4096
)

// Volume is the backup of the data of one claim.
type Volume struct {
	// VolumeNames name the claim. In an encrypted backup they are in the details, in the order of these rows.
	VolumeNames

	// Provider is the volume provider that has the data, Location the BackupLocation whose configuration it was given; empty
	// where it needs none. Way is Offload, Snapshot or Volume.
	Provider string `json:"provider"`
	Location string `json:"location,omitempty"`
	Way      string `json:"way"`
	// Handle and Attributes are what the provider knows the backup by.
	Handle     string            `json:"handle"`
	Attributes map[string]string `json:"attributes,omitempty"`
	// Driver is the CSI driver of the volume; empty where it is none. Size is the capacity of the volume in bytes, Mode
	// Filesystem or Block.
	Driver string `json:"driver,omitempty"`
	Size   int64  `json:"size"`
	Mode   string `json:"mode,omitempty"`
	// Bytes is how much data was dealt with; nil where the provider does not tell.
	Bytes *int64 `json:"bytes,omitempty"`
	// Cut is the instant whose data it is, by the storage system's clock; zero where nobody knows.
	Cut time.Time `json:"cut,omitzero"`
}

// VolumeNames name the claim of a volume in a backup.
type VolumeNames struct {
	// Namespace and Name are the claim's, PersistentVolume is the name of the volume that it was bound to.
	Namespace        string `json:"namespace,omitempty"`
	Name             string `json:"name,omitempty"`
	PersistentVolume string `json:"persistentVolume,omitempty"`
	// StorageClass is the claim's.
	StorageClass string `json:"storageClass,omitempty"`
}

// checkVolumes returns core.ErrInvalid where what is said of volumes cannot be true.
func (m *Manifest) checkVolumes() error {
	if len(m.Volumes) > MaxVolumes {
		return invalid("%d volumes", len(m.Volumes))
	}
	seen := map[VolumeNames]bool{}
	for i := range m.Volumes {
		volume := &m.Volumes[i]
		if err := volume.check(); err != nil {
			return err
		}
		if !m.Encryption.IsZero() {
			if volume.VolumeNames != (VolumeNames{}) {
				return invalid("an encrypted backup keeps the names of its volumes in its details")
			}
			continue
		}
		if volume.Namespace == "" || volume.Name == "" || seen[volume.claim()] {
			return invalid("volume of claim %q", clip(volume.Namespace+"/"+volume.Name))
		}
		seen[volume.claim()] = true
	}
	return nil
}

// claim returns what tells volumes of a backup apart.
func (n VolumeNames) claim() VolumeNames { return VolumeNames{Namespace: n.Namespace, Name: n.Name} }

func (v *Volume) check() error {
	if !slices.Contains([]string{"Offload", "Snapshot", "Volume"}, v.Way) {
		return invalid("a volume is backed up by %q", clip(v.Way))
	}
	if v.Provider == "" || v.Handle == "" || max(len(v.Handle)-maxHandle, len(v.Attributes)-maxAttributes) > 0 || v.Size < 0 {
		return invalid("a volume of provider %q with handle %q", clip(v.Provider), clip(v.Handle))
	}
	for key, value := range v.Attributes {
		if len(key) > maxAttribute || len(value) > maxAttribute {
			return invalid("a volume of provider %q with attribute %q", clip(v.Provider), clip(key))
		}
	}
	return nil
}

// WithoutVolumeNames returns the rows without what names objects, and that.
func WithoutVolumeNames(volumes []Volume) (rows []Volume, names []VolumeNames) {
	for _, volume := range volumes {
		names = append(names, volume.VolumeNames)
		volume.VolumeNames = VolumeNames{}
		rows = append(rows, volume)
	}
	return rows, names
}
