// Package reference knows how objects of Kubernetes name one another.
//
// An object names another one in a field: a Pod names a Secret. Rules find these Needs, one small rule for each kind,
// in a table. Other references are found from their far end only: a Service selects Pods by their labels, a
// RoleBinding names a ServiceAccount. Inbound notes what is in a backup and could be meant by such references, says
// which kinds and namespaces must be searched for them, and judges each object found there.
//
// What is read of an object is a Subject: what no rule reads is not even decoded. Kinds that people add can declare
// their references: a Declaration is a rule that was written by somebody else.
//
// Everything here is pure. Which of the objects found are taken is decided in package selection.
package reference
