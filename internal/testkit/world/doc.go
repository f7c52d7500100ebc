// Package world is a cluster and a store in memory, for tests of the use cases.
package world
