// Package undo takes a restore back: it deletes what the restore created and nobody has changed since.
//
// Begin with Runner.Run. What goes and what stays is decided in package core/undo.
package undo
