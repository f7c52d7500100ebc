// Package compare tells whether a cluster is again what it was: it holds two copies that kubectl made against each
// other, every object and every field.
//
// It shares no code with the product and knows nothing of it; it uses the standard library alone. What it knows is
// what Kubernetes does to an object that is created once more, and that is written down in three tables, which Explain
// prints: the fields that are not compared (LeftOut), the objects that controllers make again (made), and the objects
// that no copy has (outside). Everything else must be equal.
package compare
