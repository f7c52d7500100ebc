// Package copyplan decides about copies of a backup at other locations: whether one may be made, what of it is sent in
// which order, when it is tried again, and what all copies of a backup together are like.
//
// A copy has the bytes of the backup: the same files under the same names, the manifest included, whose digest and
// signature therefore stay valid. That it is a copy shows in the manifest, which names the location that it was written
// to. An encrypted backup stays as it is, and the wrapped keys of its epoch go with it.
package copyplan
