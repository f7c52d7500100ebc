// Package increment decides what a backup takes over from an earlier one.
//
// The words. The base is the backup that a run is compared with. An object that is as it was in the base is unchanged: it
// is neither read nor written, and its record points straight at the segment that has it, whoever wrote that. So there is no
// chain: a backup needs its own files and the segments that its manifest names, and no other backup.
//
// What proves that an object is unchanged is its UID and its resourceVersion, as the API server gives each change of an
// object another one. Where the pair proves nothing, the objects are read, and those whose content is that of the base are
// not written: the digest proves it. Choose and Judge decide this for a whole run, Prove for a kind, Walk for each object;
// whatever is in doubt costs time and space, and never correctness.
package increment
