// Package keyring keeps the keys of encrypted locations: whom they are wrapped for, and which one a backup is made with.
//
// Ring finds the key of a backup with the identities at hand, and Keeper makes keys and wraps them for those who may read.
package keyring
