// Package collection decides which files in a cluster's part of a location nobody needs any more.
//
// Segments are shared: the manifest of an incremental backup names segments of earlier runs. So no segment belongs to a
// backup, and none is removed with one as long as somebody else refers to it. Who refers to segments are the manifests,
// precisely, and the intents of runs that are under way, with all segments of the attempts that they name. A segment that
// nobody refers to is garbage. What is garbage stays so for ever, because of four rules that writers keep:
//
//   - A run writes its intent before anything else. The intent names its attempt, the ones on which it goes on, and, where
//     it builds on a base, the attempts of whose segments the manifest of the base names some: archive.Intent.Uses.
//   - A run that builds on a base reads the manifest of the base again after its intent is there. Where it is gone, or has
//     changed, the run is a full one. A location that cannot be listed has no bases.
//   - A run makes its manifest real only while its intent is still there.
//   - Whoever deletes a backup removes the manifest first, and then asks who refers to its segments.
//
// So whoever collects, or deletes, looks in this order, and a [Survey] is filled in it: the segments; the manifests, and
// what is in them; then, with another listing, the intents. A run whose intent is not seen in that order begins so late that
// whatever it builds on is seen in a manifest or in another intent: either way its segments are kept. Two who collect at
// once, or one who falls asleep between decision and removal, do no backup any harm, as garbage never comes to be used again by
// one.
//
// It may by a copy of a backup from another location, which counts on whatever lies there already. So who removes makes sure
// again and again that it is still the owner, and who copies that it is, and nobody was who could still remove: engine.Remover
// says how.
//
// What may still be somebody's is judged by age: a run that no Backup object knows is taken for abandoned when nothing of
// it was written for a time of grace, and garbage goes when nothing of its attempt was written for that time. All times are
// the store's own, the present one too: the clocks of clusters differ, and none is asked.
package collection
