// Package archive is the format of a backup: what lies in a store, byte by byte, and how it is written and read.
//
// # The words
//
// A location is a place in a store that holds backups; its Marker says so. Each cluster has a folder of its own in
// it, which belongs to whoever wrote the Owner file. A backup is named by a BackupID and has a folder with four
// files: the Intent, written first, says what the run is about to do; the index has one Record per object; the
// report says what happened to every item; the Manifest, written last, makes all of it a backup.
//
// The objects themselves are in segments: plain tar files of JSON, at most MaxSegmentSize bytes long, compressed
// with zstd. A segment is a sequence of frames. A frame is an independent piece of zstd, about FrameSize bytes of
// tar cut between two entries, and the smallest thing that can be read: a Record tells in which frame of which
// segment its object is, and where in the frame.
//
//	segment    | frame             | frame             | ... | frame with the end of the tar |
//	frame      | header JSON pad | header JSON pad | ...
//	record       segment, offset and length of the frame, offset and length of the JSON, digest
//
// # Writing
//
// A Packer turns objects into segments and records; several run side by side, their names from one SegmentNamer. An
// IndexBuilder takes the records in any order and gives the index in the only order that it may have, so that the
// index does not depend on which packer was faster. A ReportWriter takes the story. Files that this package writes
// as a stream are measured on their way (MeasuringWriter), because the manifest names every file with its size and
// digest.
//
// # Reading
//
// Nothing is believed. Every file is read through a VerifyingReader, every object is compared with its digest, every
// name is checked before it is used, and everything has a limit: a file that was truncated, altered or made by
// somebody who means harm gives core.ErrCorrupt and no panic, no endless loop and no memory beyond the limits. A file
// of a format that is newer than this code gives a NewerFormatError. Errors of the reader underneath are passed on
// as they are, so that a store that is away is never taken for a damaged backup.
//
// The specification, from which a stranger can write a reader, is docs/format.md.
package archive
