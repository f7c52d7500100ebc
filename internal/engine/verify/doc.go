// Package verify reads a backup back and finds what is not as it was written.
//
// Begin with verify.go: the list in Runner.Run is the files of a backup, in the order in which they are read. segments.go
// compares index and segments, sealed.go is about encrypted backups.
package verify
