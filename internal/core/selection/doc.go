// Package selection decides which objects belong in a backup or a restore.
//
// Two questions are answered here, both with pure functions. Filters say what a person wishes; Compile turns them,
// with the kinds that there are, into a Selector, which gives a Verdict for each object. What a selected object needs
// comes with it: package reference finds what one object refers to, and what refers to it; a Closure collects this of all
// selected objects, leaves out what is selected anyway, and says why each of the others is in.
//
// An exclusion always wins, also over a need: what is then missing is a Warning. A few kinds are never backed up;
// Never has them, each with its reason. A kind that is served in two groups is taken once, by Cohabiting.
package selection
