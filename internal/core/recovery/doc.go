// Package recovery decides from which backup a cluster that is gone is brought back, with nothing to go by but what lies at a
// location and what a person remembers of it. Where they do not say which, it is the newest one of everything: a newer one
// with filters may have next to nothing.
//
// Every refusal says what to do: it is read by somebody who has lost a cluster.
package recovery
