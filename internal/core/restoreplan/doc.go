// Package restoreplan decides what a restore does to each object, and in which order.
//
// A Planner takes the records of an archive's index, those that were selected, in any order, and gives a Plan: the
// objects to create, in waves, and the objects that are left to a controller, each with its reason. Whether an object
// is in the cluster already is found when it is created, by the API server's own answer.
//
// # What is left to a controller
//
// An object that a controller makes again is not created, where the owner by which the controller knows it is in the
// plan too: two sets of pods for one Deployment would be the result. The rules are a table, see controlled.go. An
// object whose owner is not in the plan is created.
//
// # The order
//
// The order of kinds is a table, see waves.go, each row with its reason. What is found in the objects goes before it:
// an object comes after each of its owners in the plan, whose new UIDs its references need, after its namespace and
// after the definition of its kind. A cycle, which no cluster could have made, is broken at the reference that closes
// it when one goes through the objects in the order of their keys.
//
// # Memory
//
// The planner holds an Item for each object, the references of those that have owners, and nothing of an object's
// labels or content.
package restoreplan
