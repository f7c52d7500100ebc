// Package reuse decides whether a claim may have the volume again that it had, when its data is not in the backup.
//
// The PersistentVolume in the backup names a piece of storage as it was then. Where that went with its claim, a
// PersistentVolume that names it still is of no use: pods that mount it never start. Where it belongs to somebody else by now,
// as it does to the original of a copy, two claims would write to one volume. So the PersistentVolume comes back only where
// neither can be the case as far as anybody can know, and everywhere else the claim gets a new volume from its class.
package reuse
