// Package files shows the files of a volume as a tree, and writes such a tree into a volume: with modes, owners, times,
// extended attributes, access control lists, hard links, holes, pipes, sockets and devices, and names of any bytes.
//
// The tree has the shape that the repository stores: folders, files and symbolic links with names that are text. What does not
// fit into that shape is told by one more file in each folder that needs it (AttributesName), a line of JSON for each entry that
// is out of the ordinary.
package files
