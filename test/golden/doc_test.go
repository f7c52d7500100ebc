// Package golden_test reads what earlier releases have written, for ever: whole locations in testdata, with what must come
// out of them.
//
// A folder of testdata is a generation: what the writers of one day made of a list of cases. A generation is written once, by
//
//	go test ./test/golden -run TestWriteGeneration -write NAME
//
// or with -run TestWriteGeneration/CASE, which writes a part of the cases, and refuses a name that is there. It is never changed afterwards: a test that fails here means that a release does not read
// what an older one has written. Write another generation when writers change: a new version of the format, another field,
// another compressor. The identities and signing keys in it were made for it and protect nothing.
package golden_test
