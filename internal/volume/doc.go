// Package volume deals with the volumes of a cluster: it tells what is known of claims, cuts snapshots of many volumes at once,
// and gives the work orders by which providers back volumes up, restore them, and remove their backups.
//
// Snapshots are cut with snapshot.storage.k8s.io, which a cluster need not have. Everything that is made bears the UID of its
// Backup or Restore as a label and a name that follows from it, so that another attempt finds what an interrupted one has made,
// and a sweep finds what nobody needs. Begin with Client.Cut and Client.BackUp.
package volume
