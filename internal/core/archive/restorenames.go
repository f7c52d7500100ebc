package archive

import (
	"strings"
)

const (
	restoresFolder    = "restores/"
	restoreReportStem = "report-"
	restorePlanStem   = "plan-"
	restoreSuffix     = ".jsonl.zst"
)

// RestoresFolder returns the folder in which the files of a cluster's restores are, with a slash at its end.
func RestoresFolder(clusterID string) string { return ClusterFolder(clusterID) + restoresFolder }

// RestoreID names one restore: the cluster into which it went, and its object there.
type RestoreID struct {
	ClusterID, Name, UID string
}

// Folder returns the folder of the restore's files, with a slash at its end.
func (r RestoreID) Folder() string { return RestoresFolder(r.ClusterID) + r.Name + "/" + r.UID + "/" }

// ReportName returns the name of the report of one attempt.
func (r RestoreID) ReportName(attempt string) string {
	return r.Folder() + restoreReportStem + attempt + restoreSuffix
}

// PlanName returns the name of the plan of one attempt. A plan is written in the format of a report.
func (r RestoreID) PlanName(attempt string) string {
	return r.Folder() + restorePlanStem + attempt + restoreSuffix
}

// Check returns core.ErrInvalid where the id cannot be part of a file's name.
func (r RestoreID) Check() error {
	return BackupID(r).Check() // Their names are made in the same way.
}

// ParseRestoreFile returns the restore to which a file belongs; ok is false for every other name.
func ParseRestoreFile(name string) (id RestoreID, ok bool) {
	parts := strings.Split(name, "/")
	const length = 6
	if len(parts) != length {
		return RestoreID{}, false
	}
	id = RestoreID{ClusterID: parts[1], Name: parts[3], UID: parts[4]}
	if id.Check() != nil {
		return RestoreID{}, false
	}
	rest, found := strings.CutPrefix(name, id.Folder())
	stem, isFile := strings.CutSuffix(rest, restoreSuffix)
	if !found || !isFile {
		return RestoreID{}, false
	}
	for _, kind := range []string{restoreReportStem, restorePlanStem} {
		if attempt, is := strings.CutPrefix(stem, kind); is && CheckAttempt(attempt) == nil {
			return id, true
		}
	}
	return RestoreID{}, false
}
