package cli

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
	"time"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
)

// modes are the words for a mode on the command line.
func modes() []kahuv1.BackupMode {
	return []kahuv1.BackupMode{
		kahuv1.BackupModeFull, kahuv1.BackupModeIncremental, kahuv1.BackupModeDifferential, kahuv1.BackupModeAuto,
	}
}

// modeOf returns the mode of that name, in whatever case; nothing for none.
func modeOf(name string) (kahuv1.BackupMode, error) {
	if name == "" {
		return "", nil
	}
	for _, mode := range modes() {
		if strings.EqualFold(name, string(mode)) {
			return mode, nil
		}
	}
	return "", usageError{fmt.Errorf("--mode %s: there are full, incremental, differential and auto", name)}
}

// fullEvery reads how often a full backup is wished for: a number of backups, an age, or both.
func fullEvery(words []string) (kahuv1.FullEvery, error) {
	var every kahuv1.FullEvery
	for _, word := range words {
		number, err := strconv.ParseInt(word, 10, 32)
		if err == nil && number > 0 {
			every.Backups = int32(number)
			continue
		}
		age, err := time.ParseDuration(word)
		if err != nil || age <= 0 {
			return every, usageError{fmt.Errorf("--full-every %s: give a number of backups, such as 24, or an age, such as 24h", word)}
		}
		every.Age.Duration = age
	}
	return every, nil
}

// storedText says how much a backup has written.
func storedText(status *kahuv1.BackupStatus) string {
	of := status.Incremental
	if of == nil || of.Reason != "" {
		return size(status.Sizes.SegmentBytes) + " stored"
	}
	return fmt.Sprintf("%s of them unchanged since %s, %s stored", strconv.FormatInt(of.UnchangedObjects, 10), of.BaseName, size(of.WrittenBytes))
}

// modeColumn says in a word what a backup is, or is to be.
func modeColumn(backup *kahuv1.Backup) string {
	return cmp.Or(string(backup.Status.Mode), string(backup.Spec.Mode), string(kahuv1.BackupModeFull))
}

// modeText says what a backup was, and what it took over.
func modeText(backup *kahuv1.Backup) string {
	status := &backup.Status
	of := status.Incremental
	switch {
	case status.Mode == "" && backup.Spec.Mode == "":
		return ""
	case status.Mode == "":
		return string(backup.Spec.Mode) + ", as it is wished for"
	case of == nil:
		return string(status.Mode)
	case of.Reason != "":
		return fmt.Sprintf("%s, where %s was asked for (%s): %s", status.Mode, backup.Spec.Mode, of.Reason, of.Message)
	}
	return fmt.Sprintf("%s, on %s: %d unchanged, %d read, %d of them written", status.Mode, of.BaseName,
		of.UnchangedObjects, of.ReadObjects, of.WrittenObjects)
}

// sharedText says how much of what a backup needs it has written itself.
func sharedText(status *kahuv1.BackupStatus) string {
	of := status.Incremental
	if of == nil || of.Reason != "" {
		return ""
	}
	return fmt.Sprintf("%s written by this backup, %s by earlier ones", size(of.WrittenBytes), size(of.ReferredBytes))
}
