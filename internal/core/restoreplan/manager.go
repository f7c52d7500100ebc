package restoreplan

// Manager returns the name under which a restore creates objects. The API server writes it beside the fields of each
// object, so that the object itself says which run made it: an attempt that finds it knows that an earlier one was
// there, and an undo that it is to go. The UID is that of the Restore.
func Manager(uid string) string { return "kahu-restore-" + uid }

// Updater returns the name under which a restore writes over objects that it did not create.
func Updater(uid string) string { return "kahu-restore-update-" + uid }
