// Package pki is Kahu's own small certificate authority, for a place that has no other.
//
// An Authority lives in one folder: one file with its certificate and key. It issues leaf certificates of two sorts: a server's
// carries a name and addresses, a client's carries a common name. A leaf lives for 30 days. It is written into a
// folder of its own as tls.crt, tls.key and ca.crt, the names that a Kubernetes Secret of type kubernetes.io/tls
// has, so that certificates of another origin can be mounted in its place.
//
// A Folder is the other half: it reads such a folder and makes TLS configurations of it. It looks at the files anew
// at every handshake, so that a renewed certificate is used without a restart. Both sides demand TLS 1.3, a
// certificate of the same authority, and the name that they expect: trust comes from the authority and the name
// together, never from an address.
package pki
