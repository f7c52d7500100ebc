// Package diff says in which fields two objects differ.
//
// It compares what people write and what controllers report, and leaves out what the API server gives to every object:
// its identity, its versions and times, and who wrote which field. Elements of lists are told apart by what the API
// calls them (the name of a container, the port of a Service), so that one that was put in between does not make all
// behind it look changed.
//
// What a Secret holds never comes out: its fields say that they differ, and nothing of what they were.
package diff
