// Package removal takes files out of a store: a backup, what the attempts at one left behind, the files of restores that are
// gone, and segments that nobody needs any more.
//
// Begin with Deletion and Collection. In which order files go is what keeps an interrupted removal harmless, and who needs
// what is found out in the order of package collection of core.
package removal
