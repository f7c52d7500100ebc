// Package seal encrypts the files of a location and signs its manifests.
//
// The words: a Recipient is the public half of a key of an operator, an Identity its secret half; both are keys of age
// (age-encryption.org/v1), classical or post-quantum. An Epoch is the public half of a key to which files are encrypted
// for a while, a Key its secret half, which lies in the location in as many small files as there are recipients, each
// encrypted to one of them: the key is wrapped. So a recipient is added by wrapping once more, and whoever has the Epoch
// alone can write and not read. Decide says when the present epoch will do, and when another one must begin.
//
// A SigningKey signs what a cluster writes, and a Signer is its public half. age says nothing of who wrote a file:
// everybody who knows an Epoch can encrypt to it. That is what the signatures are for.
//
// Secrets of this package have no String method that shows them, and no error repeats what was read.
package seal
