// Package inspect answers questions about backups page by page: what is in one, what its report says, and how its objects
// differ from those of another backup or of the cluster.
//
// Report, Objects, Lines and Diff are the questions; package core/inspection cuts the answers into pages.
package inspect
