// Package choice decides which objects of a backup are restored: those that the filters choose, and what these need.
//
// Begin with Chooser.Choose. It streams the index; only records that may point to chosen objects are read.
package choice
