// Package engine holds what the use cases have in common; each of them has a package of its own below this one.
//
// A use case is a small machine over ports: ports.go declares what it asks of a cluster and of a store, and the adapters
// satisfy that. It carries out what package core decides, in parallel where the order allows, streaming in all cases: nothing
// here holds the content of more than a few pages of objects at a time.
//
// Begin with ports.go. Contents reads the files of a backup, encrypted or not; Ledger collects what a run has to say, Meter
// how far it is, and Stopwatch how long its steps take. The use cases do not know one another: what two of them need is here.
package engine
