// Package repository keeps the data of volumes at a place of the provider contract: deduplicated, compressed, and encrypted
// with a key of its own. Begin at Create and Open; Save stores a tree of files, Load gives it back.
//
// What lies at the place is a repository of kopia, version 3 of its format. Nobody outside of this package knows that.
package repository
