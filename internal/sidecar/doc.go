// Package sidecar is the process beside a driver: `kahu meta-service`. It introduces the driver to the cluster, and
// the cluster to the driver.
//
// It waits for the driver, which may come up late, die, and come back; asks it who it is and what it can do; writes
// that into the Provider object; and renews a Lease for as long as the driver says that it is ready. Whether the
// Provider is Available is for the manager to judge, by the Lease: a sidecar that is dead cannot renew it.
//
// To the cluster it serves the driver over TCP with mutual TLS. A call names a BackupLocation and nothing more: the
// sidecar reads the location and its Secret, and gives the driver the configuration and the credentials that it
// finds there. They go no other way: what a client sends as attributes is dropped, and an error of the driver is
// searched for credentials before it leaves.
//
// One sidecar serves one driver, and one driver of a name runs at a time: while a sidecar holds the Lease, one of another place
// stands by, and says so.
package sidecar
