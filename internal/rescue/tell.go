package rescue

import (
	"fmt"
	"time"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/recovery"
)

// maxShown bounds how many of a kind are shown on the terminal; all of them are elsewhere.
const maxShown = 10

// Describe says which backup was chosen, in lines.
func Describe(choice recovery.Choice, now time.Time) []string {
	lines := []string{fmt.Sprintf("Chosen: %s of %s (%s), of cluster %s: %s, %s", choice.ID.Name,
		recovery.Day(choice.Completed), ago(now.Sub(choice.Completed)), choice.ID.ClusterID, core.Count(choice.Objects, "object"), size(choice.Bytes))}
	lines = append(lines, "  It is of: "+choice.Covers())
	if choice.Missing > 0 {
		lines = append(lines, "  "+recovery.MissingWords(choice.Missing))
	}
	switch {
	case choice.Signer == "":
		lines = append(lines, "  It is neither encrypted nor signed: whoever can write to the store can have changed it.")
	case choice.Vouched:
		lines = append(lines, "  It is signed by "+string(choice.Signer)+", as you said.")
	default:
		lines = append(lines, "  It is signed by "+string(choice.Signer)+". Is that the one you know? --signer makes sure.")
	}
	for i, each := range choice.Passed {
		if i == maxShown {
			lines = append(lines, fmt.Sprintf("  Passed over: %d more", len(choice.Passed)-maxShown))
			break
		}
		lines = append(lines, fmt.Sprintf("  Passed over: %s of %s: %s", each.ID.Name, recovery.Day(each.Completed), each.Why))
	}
	return lines
}

// ago says for people how long something is past. The clock that said when may be ahead of this one.
func ago(passed time.Duration) string {
	const day = 24 * time.Hour
	switch {
	case passed >= 2*day:
		return core.Count(int64(passed/day), "day") + " ago"
	case passed >= 2*time.Hour:
		return core.Count(int64(passed/time.Hour), "hour") + " ago"
	case passed >= time.Minute:
		return core.Count(int64(passed/time.Minute), "minute") + " ago"
	case passed > -time.Minute:
		return "just now"
	}
	return "by a clock that is ahead of this one"
}

func size(bytes int64) string {
	const step = 1024
	value, unit := float64(bytes), 0
	units := []string{"B", "KiB", "MiB", "GiB", "TiB"}
	for value >= step && unit < len(units)-1 {
		value /= step
		unit++
	}
	if unit == 0 {
		return fmt.Sprintf("%d B", bytes)
	}
	return fmt.Sprintf("%.1f %s", value, units[unit])
}

// Outcome says what became of a restore: what is back, what is not, and why.
func Outcome(restore *kahuv1.Restore) []string {
	counts := restore.Status.Counts
	lines := []string{fmt.Sprintf("Restored: %s created, %d already there, %d made again by controllers, %d failed, %s%s",
		core.Count(counts.Created, "object"), counts.SkippedExisting, counts.SkippedControlled, counts.Failed,
		core.Count(counts.Warnings, "warning"), took(restore))}
	for i, row := range restore.Status.Failed {
		if i == maxShown {
			break
		}
		name := row.Name
		if row.Namespace != "" {
			name = row.Namespace + "/" + name
		}
		lines = append(lines, fmt.Sprintf("  Not back: %s %s: %s", row.Kind, name, row.Message))
	}
	if more := counts.Failed - maxShown; more > 0 {
		lines = append(lines, fmt.Sprintf("  Not back: %d more", more))
	}
	for i, warning := range restore.Status.Warnings {
		if i == maxShown {
			lines = append(lines, fmt.Sprintf("  Warning: %d more", int(counts.Warnings)-maxShown))
			break
		}
		lines = append(lines, "  Warning: "+warning)
	}
	return lines
}

func took(restore *kahuv1.Restore) string {
	began, ended := restore.Status.StartTimestamp, restore.Status.CompletionTimestamp
	if began == nil || ended == nil {
		return ""
	}
	return ", in " + ended.Sub(began.Time).String()
}

// Next says what to do now. Home is the name of the location that has come back, empty where none has.
func Next(restore *kahuv1.Restore, home string) []string {
	lines := []string{
		"What to do now:",
		"  - See which pods run: kubectl get pods -A. Volumes come back empty, as objects only are backed up.",
		"  - What failed and all warnings, up to 100 of each: kubectl get restores.kahu.io " + restore.Name + " -o yaml",
	}
	if restore.Status.Counts.Failed > 0 {
		lines = append(lines, "  - When it is mended why objects failed, run the same command again: what is there stays as it is")
	}
	if home != "" {
		return append(lines,
			"  - BackupLocation "+home+" is back and is this place: BackupLocation "+LocationName+" and its Secrets were taken away",
			"  - If Kahu ran in the lost cluster, it is back with it: kubectl -n <its namespace> get pods. If not, install it, and back up again soon",
			"  - The backups of the lost cluster are shown and stay. Before any can be deleted, this cluster must take them over:\n"+
				"    kubectl kahu location describe "+home+" names the lost cluster, then kubectl kahu location inherit "+home+" --cluster <its id>")
	}
	return append(lines,
		"  - BackupLocation "+LocationName+" stays, with the Secrets "+credentialsSecret+" and "+identitySecret+
			": install Kahu and use it, or delete them",
		"  - Back up again soon: until then this cluster has no backup of its own")
}
