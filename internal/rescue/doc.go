// Package rescue brings a cluster back from what lies at a location: it looks into the place without writing to it, chooses
// the backup, makes Kahu known to a new cluster, and has its manager restore. All that it makes has a name that does not
// change, so that a second run goes on where the first one ended.
package rescue
