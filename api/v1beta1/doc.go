// +kubebuilder:object:generate=true
// +groupName=kahu.io

// Package v1beta1 holds the kinds of the API group kahu.io, version v1beta1.
//
// A Provider is a storage driver that has registered. A BackupLocation is a
// provider with its configuration: a place that holds backups. A Backup and a
// Restore are one run each, and its result. All kinds are cluster-scoped.
//
// The package is a superset of the kahu.io/v1beta1 that came before: manifests
// written for that are accepted and mean the same. Clients generated from its Go
// types send empty structs and null lists, and these are accepted too. A field
// whose function does not exist yet is refused when it asks for something.
//
// Everything in a status is bounded: at most 100 rows of anything, and counts
// for the whole. The whole story of a run is in its report at the location.
package v1beta1
