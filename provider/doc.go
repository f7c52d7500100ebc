// Package provider is all that the author of a storage driver for Kahu meets.
//
// A driver stores objects: a name and its bytes. It implements Driver, which is Identity and ObjectStore, and as many
// of Creator, Lister, Stater and RangeReader as its store allows. NewServer serves a driver over gRPC, and a Client,
// which speaks to such a server, is a driver again: in the same process, through a unix socket or over TCP, the
// interfaces are the same.
//
// A driver that backs up volumes implements VolumeDriver, which is Identity and VolumeStore, in place of Driver or besides.
// It is served, and spoken to, in the same way.
//
// What every method promises is written at the interfaces. In short: names pass ValidateName; every call brings the
// Attributes of the backup location, its configuration and credentials, of which a driver keeps nothing; an object
// is stored whole or not at all; errors wrap one of the classes of this package; a call ends soon after its context.
//
// Package provider/conformance has the suite that shows whether a driver keeps these promises, package
// provider/memory a small driver that does.
package provider
