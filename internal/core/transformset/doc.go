// Package transformset carries out the changes that people ask for in the objects of a restore.
//
// A Set is what one TransformSet, or the Restore itself, says: names of images and of storage classes that are mapped
// to others, and an ordered list of Transforms. A Transform is a JSON patch (RFC 6902) or a JSON merge patch (RFC 7386)
// for the objects that its Match chooses. Compile turns sets into a Program, or into problems that name the field and
// what to do; the Program changes one object at a time and keeps count of what matched.
//
// No transform changes which object an object is: its apiVersion, kind, name, namespace and UID. No text that leaves
// this package has a value of an object in it: they could be those of a Secret.
package transformset
