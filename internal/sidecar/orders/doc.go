// Package orders carries out the work orders for volumes of one provider: VolumeBackupContents and VolumeRestoreContents.
//
// What is done next about an order is decided in core/volumeorder; here it is done, one step in a pass, and the status says
// what was done. All that must be known to go on is in the object: a process that is started again reads it and goes on, and
// so does a driver that keeps its promises. Statuses are written on top of what was read and no other way, so that of two
// processes one finds that it was too slow, and looks again.
//
// The driver is asked how far it is after pauses that grow from 50 ms to a second; the status tells it once a second.
package orders
