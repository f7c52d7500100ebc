// Package backup copies objects of a cluster into a store.
//
// Begin with backup.go: Runner.Run makes one backup, and the list in run.do is its steps, each of which has a file of its
// own. Why two attempts at one backup do each other no harm is argued in manifest.go.
package backup
