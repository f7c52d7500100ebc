package news

import (
	"fmt"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
)

// ofCopies tells of copies that were made, given up, or could not be made for the first time.
func ofCopies(before, after *kahuv1.Backup) []Item {
	var items []Item
	for i := range after.Status.Copies {
		now, was := &after.Status.Copies[i], copyTo(before, after.Status.Copies[i].Location)
		if was.Token != now.Token {
			was = kahuv1.BackupCopyStatus{}
		}
		switch {
		case now.State == was.State && now.Reason == was.Reason:
		case now.State == kahuv1.StateCompleted:
			items = append(items, Item{false, now.Reason, fmt.Sprintf("The backup was copied to location %s.", now.Location)})
		case now.State == kahuv1.StateFailed:
			items = append(items, Item{true, now.Reason, fmt.Sprintf("The backup was not copied to location %s: %s", now.Location, now.Message)})
		case now.State == kahuv1.StateNew && now.Tries > 0 && now.Reason != was.Reason:
			items = append(items, Item{true, now.Reason, fmt.Sprintf("The backup could not be copied to location %s: %s", now.Location, now.Message)})
		}
	}
	return items
}

// copyTo returns how far the copy to a location is, empty where there is none.
func copyTo(backup *kahuv1.Backup, location string) kahuv1.BackupCopyStatus {
	for i := range backup.Status.Copies {
		if backup.Status.Copies[i].Location == location {
			return backup.Status.Copies[i]
		}
	}
	return kahuv1.BackupCopyStatus{}
}
