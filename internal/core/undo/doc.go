// Package undo decides what of a restore is taken back.
//
// An object says itself who made it: a restore creates under a field manager of its own, which stays in the object's
// account of who wrote which fields. An object that has that manager was created by the restore, and it has not changed
// since where nobody else is in the account but the controllers of Kubernetes itself, and those who wrote its status. Whoever only takes fields away is not in the account; the generation of the object tells of that, where its kind has
// one. An object that has not changed goes; everything else stays, with a reason.
//
// What goes must not take anything else along. So these stay as well: what holds data, what a finalizer from outside of
// Kubernetes stands for, owners of what stays, and namespaces and definitions with anything in them that stays.
package undo
