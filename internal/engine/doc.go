// Package engine holds the use cases: Backup, Restore, Discover, Delete.
//
// Each is a small machine over ports that this package declares and the adapters satisfy. It carries out what
// package core decides, in parallel where the order allows, streaming in all cases: nothing here holds the content
// of more than a few pages of objects at a time.
package engine
