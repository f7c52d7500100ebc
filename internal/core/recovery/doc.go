// Package recovery decides from which backup a cluster that is gone is brought back, with nothing to go by but what lies at a
// location and what a person remembers of it.
//
// Every refusal says what to do: it is read by somebody who has lost a cluster.
package recovery
