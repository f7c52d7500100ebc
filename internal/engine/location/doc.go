// Package location makes a place in a store a location, recognises it again, and finds the backups in it.
//
// Begin with Location.Open. Discover and FindBackups go through what is there.
package location
