// Package transform changes an object on its way from a backup back into a cluster.
//
// What a Transformer removes is what belonged to the old object and not to what its author wrote: the identity that the
// API server gave it, the status that a controller reported, the address that a cluster chose. Nothing else is
// touched, and every removal is reported with its reason. What it changes are the names of namespaces that the
// restore maps to others.
//
// The rules are small functions, one for each kind that needs any, in a table (see rules.go). Owner references are
// apart (Owners), because they need to know which objects live in the cluster.
package transform
