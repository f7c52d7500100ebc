// Package restore creates the objects of a backup in a cluster, or says what would come of that.
//
// Begin with restore.go: Runner.Run makes one restore, and the list in run.steps is its steps. Package choice decides which
// objects of the backup are meant, package draft makes of each what the cluster is to have, create.go carries the plan out,
// and package preview asks the API server about it and writes nothing.
package restore
