// Package store reaches the stores of backups: it satisfies the file ports of the engine over the drivers of
// providers, and turns their errors into the classes of package core.
//
// A Store is one place of files. Its names are those of the backup format, with slashes; a prefix, where there is
// one, is put before them. Below it stands a chain of decorators, each of which adds one thing to a driver and knows
// nothing of the others: names encoded flat for a driver without folders, functions that an old driver lacks, a
// limit on transfers, an end for a transfer that stands still, a bounded repetition of what can be repeated.
//
// A file is written as a stream, by a FileWriter, and what was written is checked against what the store then says it
// has. A stream of a new file cannot be repeated, as its bytes are not held; but when its answer is lost, or says
// that the file was there already, the content that is there decides.
//
// A Pool holds the connections to meta-services, over mutual TLS, one for each address, and makes Stores of them.
package store
