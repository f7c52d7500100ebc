package v1beta1

// The reasons of conditions and of rows. They are stable: programs may match on
// them. The messages beside them are not, and say what to do.
const (
	// ReasonCompleted: the run did everything that was asked for.
	ReasonCompleted = "Completed"
	// ReasonPreviewed: a dry run is over; what a restore would do is in
	// status.preview, and nothing was written.
	ReasonPreviewed = "Previewed"
	// ReasonPartiallyFailed: something that was asked for is missing; it is listed
	// in the status, and in full in the report at the location.
	ReasonPartiallyFailed = "PartiallyFailed"
	// ReasonProcessing: the run goes on.
	ReasonProcessing = "Processing"
	// ReasonReconciled: everything that the spec asks for is done.
	ReasonReconciled = "Reconciled"
	// ReasonRetrying: something failed that is being tried again.
	ReasonRetrying = "Retrying"
	// ReasonPending: the run has not begun, and will without anybody's help.
	ReasonPending = "Pending"
	// ReasonQueued: the run waits for its turn; the message says what for.
	ReasonQueued = "Queued"
	// ReasonQueuedLong: the run has waited for its turn for more than ten minutes;
	// the message says what for.
	ReasonQueuedLong = "QueuedLong"
	// ReasonDeleting: the object is being deleted.
	ReasonDeleting = "Deleting"
	// ReasonInterrupted: the manager stopped while the run went on; start another.
	ReasonInterrupted = "Interrupted"
	// ReasonCancelled: a person asked for the end of the run; what it had done by
	// then is counted.
	ReasonCancelled = "Cancelled"
	// ReasonFailed: the run ended for a cause that no other reason names; the
	// message tells it.
	ReasonFailed = "Failed"
	// ReasonAccepted: the spec is valid and what it names was found.
	ReasonAccepted = "Accepted"
	// ReasonValidationFailed: the spec is wrong; validationErrors names the fields.
	ReasonValidationFailed = "ValidationFailed"
	// ReasonInvalidTransform: a transform or a mapping in the spec, or in a
	// TransformSet that it names, is wrong; validationErrors names the fields.
	ReasonInvalidTransform = "InvalidTransform"
	// ReasonTransformSetNotFound: no TransformSet has that name.
	ReasonTransformSetNotFound = "TransformSetNotFound"
	// ReasonInvalidExpression: a regular expression or label selector in the spec
	// cannot be read.
	ReasonInvalidExpression = "InvalidExpression"
	// ReasonNamespaceNotFound: a namespace that the spec names does not exist.
	ReasonNamespaceNotFound = "NamespaceNotFound"
	// ReasonNamespaceTerminating: a namespace into which something is to be restored
	// is being deleted, and does not go.
	ReasonNamespaceTerminating = "NamespaceTerminating"
	// ReasonKindNotServed: objects of a kind are to be restored that the cluster does
	// not serve, or not in the version in which they were backed up.
	ReasonKindNotServed = "KindNotServed"
	// ReasonKindNotFound: a kind that the spec names is not served by the cluster,
	// or is not in the backup.
	ReasonKindNotFound = "KindNotFound"
	// ReasonKindNeverSelected: the spec names a kind that is never backed up; the
	// message says why.
	ReasonKindNeverSelected = "KindNeverSelected"
	// ReasonContradiction: the filters exclude all that they include.
	ReasonContradiction = "Contradiction"
	// ReasonInvalidPrefix: objects cannot have the names that the prefix would give
	// them.
	ReasonInvalidPrefix = "InvalidPrefix"
	// ReasonInvalidReference: a reference that the spec declares cannot be followed.
	ReasonInvalidReference = "InvalidReference"
	// ReasonNothingSelected: the filters select nothing. The run is Completed.
	ReasonNothingSelected = "NothingSelected"
	// ReasonHasWarnings: the run is Completed, and something should be read.
	ReasonHasWarnings = "HasWarnings"

	// The reasons in status.incremental of a Backup: why it is full although the spec
	// asked for another mode.

	// ReasonNoBase: there is no backup of this cluster at the location that it could
	// build on.
	ReasonNoBase = "NoBase"
	// ReasonFullDue: in the mode Auto, the last full backup is too old, or has too many
	// after it.
	ReasonFullDue = "FullDue"
	// ReasonBaseGone: the backup that it was to build on is not at the location any more.
	ReasonBaseGone = "BaseGone"
	// ReasonBaseUnreadable: the backup that it was to build on is damaged, or of a newer
	// format.
	ReasonBaseUnreadable = "BaseUnreadable"
	// ReasonBaseDamaged: the backups that it could build on were read back and are
	// damaged, or build on one that is.
	ReasonBaseDamaged = "BaseDamaged"
	// ReasonBaseAdopted: the manifest of the backup that it was to build on was found,
	// and not written, by the attempt on record: nothing proves of which state of the
	// cluster it is.
	ReasonBaseAdopted = "BaseAdopted"
	// ReasonKeyChanged: the backup that it was to build on is encrypted with another key,
	// or only one of the two is encrypted.
	ReasonKeyChanged = "KeyChanged"
	// ReasonSignerChanged: the backup that it was to build on is signed by somebody else.
	ReasonSignerChanged = "SignerChanged"
	// ReasonComparisonMissing: this cluster cannot read the backup that it was to build
	// on, and there is no file to compare with.
	ReasonComparisonMissing = "ComparisonMissing"
	// ReasonComparisonKeyChanged: the file to compare with is encrypted to a key that
	// this cluster does not have any more.
	ReasonComparisonKeyChanged = "ComparisonKeyChanged"
	// ReasonComparisonDamaged: the file to compare with is not as it was written.
	ReasonComparisonDamaged = "ComparisonDamaged"
	// ReasonOwnerChanged: somebody else has written at the location in the name of this
	// cluster.
	ReasonOwnerChanged = "OwnerChanged"
	// ReasonTooManySegments: the backup that it was to build on refers to too many
	// segments.
	ReasonTooManySegments = "TooManySegments"

	// ReasonHookInvalid: a command of a hook, in the spec or in an annotation of a pod,
	// cannot be run as it is; the message names the field or the annotation.
	ReasonHookInvalid = "HookInvalid"
	// ReasonHookFailed: a command of a hook ended with another exit code than 0.
	ReasonHookFailed = "HookFailed"
	// ReasonHookTimedOut: a command of a hook did not end in its time.
	ReasonHookTimedOut = "HookTimedOut"
	// ReasonHookInterrupted: the manager stopped after commands of hooks had begun and
	// before the volumes were cut. The commands after have run; start another.
	ReasonHookInterrupted = "HookInterrupted"
	// ReasonHookChanged: spec.hook of a Restore is another one than when its run was
	// accepted; create another Restore. Of a Backup that was interrupted: what was to
	// run in pods after the cut is not known any more; run it by hand.
	ReasonHookChanged = "HookChanged"
	// ReasonQuiesceTimeout: the volumes were not cut in the time for which an
	// application may be kept from writing. The commands after have run.
	ReasonQuiesceTimeout = "QuiesceTimeout"
	// ReasonCutFailed: the volumes could not be cut. The commands after have run.
	ReasonCutFailed = "CutFailed"
	// ReasonContainerNotFound: a hook names a container that its pod does not have.
	ReasonContainerNotFound = "ContainerNotFound"
	// ReasonContainerNotRunning: the container of a hook does not run.
	ReasonContainerNotRunning = "ContainerNotRunning"
	// ReasonContainerNotReady: after a restore, the container of a hook was not ready in
	// the time that it had for that.
	ReasonContainerNotReady = "ContainerNotReady"
	// ReasonPodNotRunning: the pod of a hook does not run.
	ReasonPodNotRunning = "PodNotRunning"
	// ReasonPodGone: the pod of a hook went away.
	ReasonPodGone = "PodGone"
	// ReasonPodUnreachable: the pod of a hook could not be reached, so that nobody knows
	// whether the command ran.
	ReasonPodUnreachable = "PodUnreachable"

	// ReasonAvailable: the provider or location can be used.
	ReasonAvailable = "Available"
	// ReasonProviderNotFound: no Provider has that name; start its driver, or
	// correct the name.
	ReasonProviderNotFound = "ProviderNotFound"
	// ReasonProviderUnavailable: the provider is registered and its driver or
	// sidecar does not answer.
	ReasonProviderUnavailable = "ProviderUnavailable"
	// ReasonProviderWrongType: the provider does not store objects.
	ReasonProviderWrongType = "ProviderWrongType"
	// ReasonLeaseExpired: the sidecar has not renewed its lease in time.
	ReasonLeaseExpired = "LeaseExpired"
	// ReasonLocationNotFound: no BackupLocation has that name.
	ReasonLocationNotFound = "LocationNotFound"
	// ReasonLocationNotReady: the location exists and cannot be used now; its own
	// conditions say why.
	ReasonLocationNotReady = "LocationNotReady"
	// ReasonLocationUnreachable: the store behind the location does not answer.
	ReasonLocationUnreachable = "LocationUnreachable"
	// ReasonMarkerMissing: the location is known and its kahu.json is gone: it may
	// be another place, or an unmounted one. It is never taken for an empty one.
	ReasonMarkerMissing = "MarkerMissing"
	// ReasonMarkerMismatch: kahu.json has another id than the one known: it is
	// another place.
	ReasonMarkerMismatch = "MarkerMismatch"
	// ReasonMarkerInvalid: kahu.json cannot be read.
	ReasonMarkerInvalid = "MarkerInvalid"
	// ReasonListed: the backups at the location were listed.
	ReasonListed = "Listed"
	// ReasonListingUnsupported: the driver of the location cannot list.
	ReasonListingUnsupported = "ListingUnsupported"
	// ReasonOwned: this cluster was the last to write the owner's nonce.
	ReasonOwned = "Owned"
	// ReasonLocationTwice: another BackupLocation is the same place. The message has the id of the place.
	ReasonLocationTwice = "LocationTwice"
	// ReasonLocationNested: the place lies in that of another BackupLocation, or around it, and no location is made there.
	ReasonLocationNested = "LocationNested"
	// ReasonNotOwner: somebody whom this cluster does not know wrote the owner file of
	// its part: a copy of this cluster, perhaps.
	ReasonNotOwner = "NotOwner"
	// ReasonInherited: this cluster owns the part of the other one.
	ReasonInherited = "Inherited"
	// ReasonWrittenRecently: something was written in the part not long ago, so that
	// its cluster may live. It is taken over when that is long enough ago.
	ReasonWrittenRecently = "WrittenRecently"
	// ReasonAgeUnknown: the store does not say when the part was last written, so that
	// a person has to say that its cluster is gone.
	ReasonAgeUnknown = "AgeUnknown"
	// ReasonClusterNotFound: no cluster of that id has anything at the location.
	ReasonClusterNotFound = "ClusterNotFound"
	// ReasonOwnCluster: the id is that of this cluster itself.
	ReasonOwnCluster = "OwnCluster"
	// ReasonLocationReadOnly: the accessMode of the location is ReadOnly.
	ReasonLocationReadOnly = "LocationReadOnly"
	// ReasonCollected: what nobody needs was removed.
	ReasonCollected = "Collected"
	// ReasonNeedsUnknown: nobody can say which segments a backup needs, so that none
	// is removed.
	ReasonNeedsUnknown = "NeedsUnknown"
	// ReasonStoreFull: the store has no room left.
	ReasonStoreFull = "StoreFull"
	// ReasonStoreDenied: the store refuses the credentials or the operation.
	ReasonStoreDenied = "StoreDenied"
	// ReasonStoreFailed: the store failed in a way that no other reason names.
	ReasonStoreFailed = "StoreFailed"

	// ReasonEncrypted: what is written is encrypted for the recipients.
	ReasonEncrypted = "Encrypted"
	// ReasonEncryptionInvalid: a recipient or a trusted signer cannot be read.
	ReasonEncryptionInvalid = "EncryptionInvalid"
	// ReasonIdentityInvalid: the Secret with identities is not there, or has none.
	ReasonIdentityInvalid = "IdentityInvalid"
	// ReasonSigningKeyInvalid: the Secret with this cluster's signing key cannot be
	// read.
	ReasonSigningKeyInvalid = "SigningKeyInvalid"
	// ReasonIdentityHeld: this cluster has an identity that opens every key.
	ReasonIdentityHeld = "IdentityHeld"
	// ReasonIdentityIncomplete: this cluster has an identity, and some keys of the
	// location it does not open.
	ReasonIdentityIncomplete = "IdentityIncomplete"
	// ReasonWriteOnly: this cluster has no identity: it writes backups, and cannot
	// read them.
	ReasonWriteOnly = "WriteOnly"
	// ReasonIdentityElsewhere: the identity of a recipient is kept elsewhere.
	ReasonIdentityElsewhere = "IdentityElsewhere"
	// ReasonOnlyIdentityInCluster: the identities of all recipients are in the
	// cluster that they protect.
	ReasonOnlyIdentityInCluster = "OnlyIdentityInCluster"
	// ReasonKeyNeeded: the backup is encrypted, and no identity here opens its key;
	// the message names the key, and whose identity opens it.
	ReasonKeyNeeded = "KeyNeeded"
	// ReasonUnknownSigner: the backup is signed by nobody whom the location trusts;
	// set allowUnknownSigner to restore it all the same.
	ReasonUnknownSigner = "UnknownSigner"
	// ReasonSealVerified: every byte of an encrypted backup is as it was written; what
	// is in its files was not looked at, as there is no key here.
	ReasonSealVerified = "SealVerified"

	// ReasonBackupNotFound: no Backup has that name.
	ReasonBackupNotFound = "BackupNotFound"
	// ReasonBackupAmbiguous: several backups at the location have that name.
	ReasonBackupAmbiguous = "BackupAmbiguous"
	// ReasonBackupNotFinished: the Backup has not finished yet.
	ReasonBackupNotFinished = "BackupNotFinished"
	// ReasonBackupFailed: the Backup has no manifest, as it failed.
	ReasonBackupFailed = "BackupFailed"
	// ReasonBackupNeeded: the Backup was deleted while Restores make volumes from it;
	// wait until their claims have their volumes, or delete the Restores.
	ReasonBackupNeeded = "BackupNeeded"
	// ReasonVolumesWaiting: the Restore was deleted while claims need what it keeps
	// ready for their volumes; start pods that use them, or delete them.
	ReasonVolumesWaiting = "VolumesWaiting"
	// ReasonBackupIncomplete: the backup is not complete; set allowIncomplete to
	// restore what it has.
	ReasonBackupIncomplete = "BackupIncomplete"
	// ReasonManifestNotFound: the location has no manifest of that backup.
	ReasonManifestNotFound = "ManifestNotFound"
	// ReasonManifestTooNew: the backup was written by a newer Kahu; use that one.
	ReasonManifestTooNew = "ManifestTooNew"
	// ReasonManifestInvalid: the manifest does not match its own length or digest.
	ReasonManifestInvalid = "ManifestInvalid"
	// ReasonArchiveCorrupt: a file or object of the backup does not match its digest.
	ReasonArchiveCorrupt = "ArchiveCorrupt"
	// ReasonRestoreNotFound: no Restore has that name.
	ReasonRestoreNotFound = "RestoreNotFound"
	// ReasonRestoreNotFinished: the Restore has not finished yet.
	ReasonRestoreNotFinished = "RestoreNotFinished"
	// ReasonReportNotFound: the location has no such file of that run.
	ReasonReportNotFound = "ReportNotFound"
	// ReasonPageInvalid: spec.page is not a nextPage of the same question.
	ReasonPageInvalid = "PageInvalid"
	// ReasonAnswered: the answer is in the status.
	ReasonAnswered = "Answered"
	// ReasonVerified: every byte of the backup was read back and is as it was written.
	ReasonVerified = "Verified"
	// ReasonSampleVerified: the part of the backup that was read back is as it was
	// written.
	ReasonSampleVerified = "SampleVerified"
	// ReasonVerifying: the backup is being read back.
	ReasonVerifying = "Verifying"
	// ReasonCopied: the backup lies at the other location too, and every byte that was
	// sent was compared with its digest.
	ReasonCopied = "Copied"
	// ReasonCopying: the backup is being copied.
	ReasonCopying = "Copying"
	// ReasonSourceNotEncrypted: the backup is not encrypted, and the location that it
	// is to be copied to is: it is not copied there.
	ReasonSourceNotEncrypted = "SourceNotEncrypted"
	// ReasonSameLocation: the copy would be at the place of the backup itself.
	ReasonSameLocation = "SameLocation"
	// ReasonCopyGone: a copy that was made is not at its location any more.
	ReasonCopyGone = "CopyGone"
	// ReasonCopyDiffers: another file is in the place of one of the copy.
	ReasonCopyDiffers = "CopyDiffers"
	// ReasonUndone: what the restore created and what had not changed is gone.
	ReasonUndone = "Undone"
	// ReasonPartiallyUndone: some of what the restore created stays, with a reason.
	ReasonPartiallyUndone = "PartiallyUndone"
	// ReasonUndoing: what the restore created is being deleted.
	ReasonUndoing = "Undoing"
	// ReasonUndoPreviewed: it was looked what would be deleted, and nothing was.
	ReasonUndoPreviewed = "UndoPreviewed"
	// ReasonUndoFailed: the undo could not go on.
	ReasonUndoFailed = "UndoFailed"
	// ReasonChanged: an object was changed since the restore created it, and stays.
	ReasonChanged = "Changed"
	// ReasonHoldsData: data could be lost with an object, which stays.
	ReasonHoldsData = "HoldsData"
	// ReasonHasFinalizers: something outside of the cluster could be undone with an
	// object, which stays.
	ReasonHasFinalizers = "HasFinalizers"
	// ReasonOwnsKept: an object owns another one that stays, and stays with it.
	ReasonOwnsKept = "OwnsKept"
	// ReasonNotEmpty: something that stays is in a namespace, or of a definition.
	ReasonNotEmpty = "NotEmpty"
	// ReasonDeletionRefused: the API server did not delete an object.
	ReasonDeletionRefused = "DeletionRefused"
	// ReasonInvalidSample: the annotation kahu.io/verify-sample is no percentage.
	ReasonInvalidSample = "InvalidSample"
	// ReasonFileMissing: a file of the backup is not there.
	ReasonFileMissing = "FileMissing"
	// ReasonFileDamaged: a file of the backup is not as it was written.
	ReasonFileDamaged = "FileDamaged"
	// ReasonFilesContradict: a file of the backup says what another one does not.
	ReasonFilesContradict = "FilesContradict"
	// ReasonKindUnlistable: the objects of a kind could not be listed.
	ReasonKindUnlistable = "KindUnlistable"
	// ReasonObjectRefused: the API server refused an object.
	ReasonObjectRefused = "ObjectRefused"
	// ReasonTransformFailed: a transform could not be applied to an object, which
	// was therefore not restored.
	ReasonTransformFailed = "TransformFailed"
	// ReasonObjectUnreadable: an object could not be read.
	ReasonObjectUnreadable = "ObjectUnreadable"
	// ReasonObjectExists: an object that was to be created is there already, and
	// existingResourcePolicy is Fail.
	ReasonObjectExists = "ObjectExists"
	// ReasonUpdateRefused: an object that is there could not be made equal to the
	// backup; fields that cannot be changed need Recreate.
	ReasonUpdateRefused = "UpdateRefused"
	// ReasonRecreateRefused: an object that differs was not deleted, as more could
	// be lost with it, or could not be created again.
	ReasonRecreateRefused = "RecreateRefused"
	// ReasonVolumeWithoutProvider: no provider can back up the data of a bound
	// claim; set enableVolumeBackup to false to do without.
	ReasonVolumeWithoutProvider = "VolumeWithoutProvider"
)
