// Package preview asks the API server, object by object, what would come of a restore, and writes nothing.
//
// Begin with Previewer.Run. judge.go asks about one object, preflight.go looks for what is missing around the objects, plan.go
// writes all of it down.
package preview
