package v1beta1

const (
	// DefaultNamespace is Kahu's own namespace, unless its programs are told another one.
	DefaultNamespace = "kahu-system"
	// ManagerLeaseName is the name of the Lease in Kahu's own namespace that the manager holds which works.
	ManagerLeaseName = "kahu-manager"
	// BackupFinalizer keeps a Backup until its data is gone from the location.
	BackupFinalizer = "kahu.io/backup-data"
	// RestoreFinalizer keeps a Restore until the claims have their volumes that it left to their first pods.
	RestoreFinalizer = "kahu.io/restore-volumes"
	// VolumeFinalizer keeps a VolumeBackupContent or a VolumeRestoreContent until its provider has done what its deletion
	// asks for. The manager creates the object with it, and the sidecar of the provider takes it away.
	VolumeFinalizer = "kahu.io/volume-data"
	// BackupUIDLabel has the UID of the Backup to which a VolumeBackupContent or a snapshot belongs.
	BackupUIDLabel = "kahu.io/backup-uid"
	// RestoreUIDLabel has the UID of the Restore to which a VolumeRestoreContent belongs.
	RestoreUIDLabel = "kahu.io/restore-uid"
	// VolumeBackupAnnotation of a claim says how its data is backed up: skip, offload, snapshot or volume.
	VolumeBackupAnnotation = "kahu.io/volume-backup"
)
