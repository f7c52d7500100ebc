// Package stored turns what an API server sends into the stored form of objects, which core.Object describes.
//
// The stored form is made from the bytes as they were sent. Objects are never decoded into maps and encoded again:
// a number that no Go type can hold, an escape or the order of keys below the first level would not survive that,
// and neither would the time budget of a list. A Converter cuts one object into its members and puts them together
// anew; a Reader finds the objects in the stream of a list while it holds no more than one of them.
//
// What is not JSON by the letter of RFC 8259 is refused with core.ErrCorrupt: bytes that cannot be read again must
// not get into an archive. No error of this package quotes content.
package stored
