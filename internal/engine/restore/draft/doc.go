// Package draft makes the objects of a cluster out of those of a backup: what a restore would create, before anything is
// written.
//
// Begin with Drafter.Make. Both the restore and its preview work with drafts.
package draft
