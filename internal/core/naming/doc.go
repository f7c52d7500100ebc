// Package naming decides which names restored objects get when a restore puts a prefix before them.
//
// A Names is told of every object of the restore (Add), and of what its StatefulSets make claims of (Set). From then on
// it answers: which name an object gets (Of), whether that is one that the object can have (Check), and, given the
// object itself, it writes that name, and those of the other objects of the restore, where the object names them
// (Rename). A reference to an object that is not in the restore stays what it was.
//
// Not every object gets the prefix: what keeps its name, and why, is in keep.go. Names that nobody marks as such, in
// arguments, host names, expressions, and fields of custom resources that are not declared, cannot be followed; where
// a custom resource seems to have one, Mentions tells.
package naming
