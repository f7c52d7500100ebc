package v1beta1

const (
	// DefaultNamespace is Kahu's own namespace, unless its programs are told another one.
	DefaultNamespace = "kahu-system"
	// ManagerLeaseName is the name of the Lease in Kahu's own namespace that the manager holds which works.
	ManagerLeaseName = "kahu-manager"
	// BackupFinalizer keeps a Backup until its data is gone from the location.
	BackupFinalizer = "kahu.io/backup-data"
)
