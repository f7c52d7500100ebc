package provider

import providerv1 "github.com/soda-cdm/kahu/provider/v1"

// Capability is something that a driver can do or needs. Its text is the key in the capabilities of a Provider object.
type Capability string

// The capabilities. A driver has none but those that it names.
const (
	// CapabilityMetaBackup: the driver stores objects (ObjectStore).
	CapabilityMetaBackup Capability = "MetaBackupService"
	// CapabilityVolumeBackup: the driver backs up volumes.
	CapabilityVolumeBackup Capability = "VolumeBackupService"
	// CapabilityList: the driver is a Lister.
	CapabilityList Capability = "List"
	// CapabilityStat: the driver is a Stater.
	CapabilityStat Capability = "Stat"
	// CapabilityRangeDownload: the driver is a RangeReader.
	CapabilityRangeDownload Capability = "RangeDownload"
	// CapabilityCreateIfAbsent: the driver is a Creator.
	CapabilityCreateIfAbsent Capability = "CreateIfAbsent"
	// CapabilityAtomicOverwrite: an Upload over an object is atomic. Readers get the old content or the new one, whole,
	// at any time, and after an Upload that failed the old one.
	CapabilityAtomicOverwrite Capability = "AtomicOverwrite"
	// CapabilityObjectLock: the driver can hold objects against deletion and overwriting for a time.
	CapabilityObjectLock Capability = "ObjectLock"
	// CapabilityMetaNeedsSnapshot: the driver wants a snapshot before it stores objects.
	CapabilityMetaNeedsSnapshot Capability = "MetaBackupNeedsSnapshot"
	// CapabilityNeedsSnapshot: the driver backs up volumes from snapshots.
	CapabilityNeedsSnapshot Capability = "NeedsSnapshot"
	// CapabilityNeedsVolume: the driver backs up volumes that are mounted for it.
	CapabilityNeedsVolume Capability = "NeedsVolume"
	// CapabilityOffload: the driver takes volumes themselves, and does all the rest.
	CapabilityOffload Capability = "Offload"
	// CapabilityKeepsSnapshot: the snapshot that the driver was given is the backup, and is left where it is.
	CapabilityKeepsSnapshot Capability = "KeepsSnapshot"
	// CapabilityVolumeBase: the driver can build on an earlier backup of the same volume.
	CapabilityVolumeBase Capability = "VolumeBase"
	// CapabilityVolumeState: the driver tells states, bytes and errors of single volumes, and confirms cancellation.
	CapabilityVolumeState Capability = "VolumeState"
)

// CapabilitiesOf returns the capabilities that follow from the interfaces that a driver implements. It knows nothing of
// those that a driver promises by naming them: CapabilityAtomicOverwrite and CapabilityObjectLock, and of a VolumeDriver all
// but CapabilityVolumeBackup.
func CapabilitiesOf(driver Identity) []Capability {
	var capabilities []Capability
	if _, ok := driver.(ObjectStore); ok {
		capabilities = append(capabilities, CapabilityMetaBackup)
	}
	if _, ok := driver.(Lister); ok {
		capabilities = append(capabilities, CapabilityList)
	}
	if _, ok := driver.(Stater); ok {
		capabilities = append(capabilities, CapabilityStat)
	}
	if _, ok := driver.(RangeReader); ok {
		capabilities = append(capabilities, CapabilityRangeDownload)
	}
	if _, ok := driver.(Creator); ok {
		capabilities = append(capabilities, CapabilityCreateIfAbsent)
	}
	if _, ok := driver.(VolumeStore); ok {
		capabilities = append(capabilities, CapabilityVolumeBackup)
	}
	return capabilities
}

// Shorter names for the generated ones.
type (
	service       = providerv1.ProviderCapability_Service_Type
	metaSupport   = providerv1.ProviderCapability_MetaBackupServiceSupport_Type
	volumeSupport = providerv1.ProviderCapability_VolumeBackupServiceSupport_Type
)

func services() map[service]Capability {
	return map[service]Capability{
		providerv1.ProviderCapability_Service_META_BACKUP_SERVICE:   CapabilityMetaBackup,
		providerv1.ProviderCapability_Service_VOLUME_BACKUP_SERVICE: CapabilityVolumeBackup,
	}
}

func metaSupports() map[metaSupport]Capability {
	return map[metaSupport]Capability{
		providerv1.ProviderCapability_MetaBackupServiceSupport_NEED_SNAPSHOT:    CapabilityMetaNeedsSnapshot,
		providerv1.ProviderCapability_MetaBackupServiceSupport_LIST:             CapabilityList,
		providerv1.ProviderCapability_MetaBackupServiceSupport_STAT:             CapabilityStat,
		providerv1.ProviderCapability_MetaBackupServiceSupport_RANGE_DOWNLOAD:   CapabilityRangeDownload,
		providerv1.ProviderCapability_MetaBackupServiceSupport_CREATE_IF_ABSENT: CapabilityCreateIfAbsent,
		providerv1.ProviderCapability_MetaBackupServiceSupport_ATOMIC_OVERWRITE: CapabilityAtomicOverwrite,
		providerv1.ProviderCapability_MetaBackupServiceSupport_OBJECT_LOCK:      CapabilityObjectLock,
	}
}

func volumeSupports() map[volumeSupport]Capability {
	return map[volumeSupport]Capability{
		providerv1.ProviderCapability_VolumeBackupServiceSupport_NEED_SNAPSHOT: CapabilityNeedsSnapshot,
		providerv1.ProviderCapability_VolumeBackupServiceSupport_NEED_VOLUME:   CapabilityNeedsVolume,
		providerv1.ProviderCapability_VolumeBackupServiceSupport_OFFLOAD:       CapabilityOffload,
		providerv1.ProviderCapability_VolumeBackupServiceSupport_KEEP_SNAPSHOT: CapabilityKeepsSnapshot,
		providerv1.ProviderCapability_VolumeBackupServiceSupport_BASE:          CapabilityVolumeBase,
		providerv1.ProviderCapability_VolumeBackupServiceSupport_STATE:         CapabilityVolumeState,
	}
}

// capabilityToProto returns the message for a capability, or nil for one that the contract does not know.
func capabilityToProto(capability Capability) *providerv1.ProviderCapability {
	for number, c := range services() {
		if c == capability {
			return &providerv1.ProviderCapability{Type: &providerv1.ProviderCapability_Service_{
				Service: &providerv1.ProviderCapability_Service{Type: number},
			}}
		}
	}
	for number, c := range metaSupports() {
		if c == capability {
			return &providerv1.ProviderCapability{Type: &providerv1.ProviderCapability_MetaBackupService{
				MetaBackupService: &providerv1.ProviderCapability_MetaBackupServiceSupport{Type: number},
			}}
		}
	}
	for number, c := range volumeSupports() {
		if c == capability {
			return &providerv1.ProviderCapability{Type: &providerv1.ProviderCapability_VolumeBackupService{
				VolumeBackupService: &providerv1.ProviderCapability_VolumeBackupServiceSupport{Type: number},
			}}
		}
	}
	return nil
}

// capabilityFromProto returns the capability of a message, empty for one that is not known here.
func capabilityFromProto(message *providerv1.ProviderCapability) Capability {
	if s := message.GetService(); s != nil {
		return services()[s.GetType()]
	}
	if s := message.GetMetaBackupService(); s != nil {
		return metaSupports()[s.GetType()]
	}
	return volumeSupports()[message.GetVolumeBackupService().GetType()]
}
