package v1beta1

// The types of the conditions. Ready, Reconciling and Stalled are those of
// kstatus: a tool that knows nothing of Kahu can wait for them.
const (
	// ConditionReady is True when the object can be used: a location can be
	// written to, a run has Completed.
	ConditionReady = "Ready"
	// ConditionReconciling is True while work goes on.
	ConditionReconciling = "Reconciling"
	// ConditionStalled is True when nothing goes on until a person acts.
	ConditionStalled = "Stalled"
	// ConditionAccepted is True when the spec of a run was found valid and what it
	// names was found, and False when it was refused.
	ConditionAccepted = "Accepted"
	// ConditionComplete is True when everything that was asked for is in the
	// backup or in the cluster, and False when something is missing, by name.
	ConditionComplete = "Complete"
	// ConditionHooksCompleted is True when every command that was to run in pods around
	// the cut of the volumes has run, False when one failed, and Unknown while they run.
	ConditionHooksCompleted = "HooksCompleted"
	// ConditionVerified is True when the data of a backup was read back and is as it
	// was written, False when it is damaged, and Unknown while it is being read or
	// when it could not be read.
	ConditionVerified = "Verified"
	// ConditionCopied is True when every copy of a backup that was asked for is at its
	// location, False when one could not be made so far, and Unknown while they are
	// being made.
	ConditionCopied = "Copied"
	// ConditionUndone is True when all that a Restore created is gone again, False
	// when something stays, by name, and Unknown while it is being deleted or when
	// nothing was.
	ConditionUndone = "Undone"
	// ConditionDataDeleted is True when the data of a Backup that is being deleted
	// is gone from the location, and False, with the reason, while it is not.
	ConditionDataDeleted = "DataDeleted"
	// ConditionDiscoverable is True when the backups at a location can be listed,
	// and False when its driver cannot list: backups of other clusters, or those
	// whose Backup object was lost, then do not appear by themselves.
	ConditionDiscoverable = "Discoverable"
	// ConditionOwned is True when this cluster's part of a location is its own, and
	// False when another cluster with the same id has written there: deletion
	// stops until a person decides.
	ConditionOwned = "Owned"
	// ConditionInherited is True when this cluster owns the parts of all clusters that
	// spec.inheritedClusters of the location names, and False, with the reason, when
	// one of them is not its own, or not yet.
	ConditionInherited = "Inherited"
	// ConditionCollected is True when the last look for files at a location that
	// nobody needs could be made, and False, with the reason, when it could not:
	// then nothing is removed.
	ConditionCollected = "Collected"
	// ConditionEncrypted is True when what this cluster writes to a location is
	// encrypted for the recipients of its spec.
	ConditionEncrypted = "Encrypted"
	// ConditionReadable is True when this cluster has an identity that opens every
	// key of an encrypted location, and False when it can write backups there that it
	// cannot read.
	ConditionReadable = "Readable"
	// ConditionRecoverable is True when the identity of some recipient of an
	// encrypted location is kept elsewhere, and False when this cluster has them all:
	// with the cluster, every backup would be lost.
	ConditionRecoverable = "Recoverable"
)
