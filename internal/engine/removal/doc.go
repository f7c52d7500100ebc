// Package removal takes files out of a store: a backup, what the attempts at one left behind, and the files of restores that
// are gone.
//
// Begin with Delete. In which order files go is what keeps an interrupted removal harmless.
package removal
