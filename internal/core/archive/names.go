package archive

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/soda-cdm/kahu/internal/core"
)

// MarkerName is the name of the file that marks a location. All names are relative to the location's prefix.
const MarkerName = "kahu.json"

// ClustersFolder is the folder in which every cluster has one of its own. Listing it finds all backups.
const ClustersFolder = "clusters/"

const (
	ownerFile       = "owner.json"
	clockFile       = "clock.json"
	segmentsFolder  = "segments/"
	backupsFolder   = "backups/"
	intentFile      = intentStem + intentSuffix
	manifestFile    = "manifest.json"
	intentStem      = "intent"
	indexStem       = "index"
	reportStem      = "report"
	detailsStem     = "details"
	detailsSuffix   = ".json"
	comparisonStem  = "comparison"
	checkpointStem  = "checkpoint"
	intentSuffix    = ".json"
	indexSuffix     = ".zst"
	reportSuffix    = ".jsonl.zst"
	segmentSuffix   = ".tar.zst"
	maxIDSize       = 128
	maxAttemptSize  = 32
	maxBackupName   = 253
	segmentDigits   = 6
	maxSegmentIndex = 999_999
)

// ClusterFolder returns the folder of a cluster, with a slash at its end.
func ClusterFolder(clusterID string) string { return ClustersFolder + clusterID + "/" }

// OwnerName returns the name of the file that says who owns a cluster's folder.
func OwnerName(clusterID string) string { return ClusterFolder(clusterID) + ownerFile }

// ClockName returns the name of a file that is written over and over to learn the time of the store.
func ClockName(clusterID string) string { return ClusterFolder(clusterID) + clockFile }

// SegmentsFolder returns the folder of a cluster's segments, with a slash at its end.
func SegmentsFolder(clusterID string) string { return ClusterFolder(clusterID) + segmentsFolder }

// BackupsFolder returns the folder in which a cluster's backups are, with a slash at its end.
func BackupsFolder(clusterID string) string { return ClusterFolder(clusterID) + backupsFolder }

// BackupID names one backup in a location.
type BackupID struct {
	// ClusterID is the UID of the kube-system namespace of the cluster that was backed up.
	ClusterID string `json:"clusterID"`
	// Name is the name of the Backup object.
	Name string `json:"name"`
	// UID is the UID of the Backup object, so that a name that is used again does no harm.
	UID string `json:"uid"`
}

// Folder returns the folder of the backup's own files, with a slash at its end.
func (b BackupID) Folder() string { return BackupsFolder(b.ClusterID) + b.Name + "/" + b.UID + "/" }

// IntentName returns the name of the file that the first attempt writes first.
func (b BackupID) IntentName() string { return b.IntentNameOf("") }

// IndexName returns the name of the index that the first attempt writes.
func (b BackupID) IndexName() string { return b.IndexNameOf("") }

// ReportName returns the name of the report that the first attempt writes.
func (b BackupID) ReportName() string { return b.ReportNameOf("") }

// IntentNameOf returns the name of the file that a later attempt writes first. For an empty attempt it is that of the
// first one, here and below.
func (b BackupID) IntentNameOf(attempt string) string {
	return b.Folder() + ofAttempt(intentStem, attempt, intentSuffix)
}

// IndexNameOf returns the name of the index that a later attempt writes.
func (b BackupID) IndexNameOf(attempt string) string {
	return b.Folder() + ofAttempt(indexStem, attempt, indexSuffix)
}

// ReportNameOf returns the name of the report that a later attempt writes.
func (b BackupID) ReportNameOf(attempt string) string {
	return b.Folder() + ofAttempt(reportStem, attempt, reportSuffix)
}

// DetailsNameOf returns the name of the encrypted file with what the manifest of an attempt does not say.
func (b BackupID) DetailsNameOf(attempt string) string {
	return b.Folder() + ofAttempt(detailsStem, attempt, detailsSuffix)
}

// ComparisonNameOf returns the name of the encrypted file with which the cluster compares a later backup.
func (b BackupID) ComparisonNameOf(attempt string) string {
	return b.Folder() + ofAttempt(comparisonStem, attempt, indexSuffix)
}

// IsIntent tells whether a file is the intent of an attempt at the backup.
func (b BackupID) IsIntent(name string) bool {
	rest, found := strings.CutPrefix(name, b.Folder()+intentStem)
	attempt, isOne := strings.CutSuffix(rest, intentSuffix)
	return found && isOne && isAttemptPart(attempt)
}

func ofAttempt(stem, attempt, suffix string) string {
	if attempt == "" {
		return stem + suffix
	}
	return stem + "-" + attempt + suffix
}

// CheckpointName returns the name of an attempt's checkpoint of that number, counted from 1.
func (b BackupID) CheckpointName(attempt string, number int) string {
	return b.CheckpointPrefix() + fmt.Sprintf("%s-%0*d", attempt, segmentDigits, number) + indexSuffix
}

// CheckpointPrefix returns what the names of all checkpoints of the backup begin with, and no others.
func (b BackupID) CheckpointPrefix() string { return b.Folder() + checkpointStem + "-" }

// ParseCheckpointName is the inverse of CheckpointName; ok is false for every other name.
func (b BackupID) ParseCheckpointName(name string) (attempt string, number int, ok bool) {
	rest, found := strings.CutPrefix(name, b.CheckpointPrefix())
	attempt, digits, _ := strings.Cut(rest, "-")
	digits, isOne := strings.CutSuffix(digits, indexSuffix)
	number, err := strconv.Atoi(digits)
	if !found || !isOne || err != nil || CheckAttempt(attempt) != nil || number < 1 || number > maxSegmentIndex {
		return "", 0, false
	}
	return attempt, number, b.CheckpointName(attempt, number) == name
}

// ManifestName returns the name of the file that is written last.
func (b BackupID) ManifestName() string { return b.Folder() + manifestFile }

// String returns the backup's name for people.
func (b BackupID) String() string { return b.ClusterID + "/" + b.Name + "/" + b.UID }

// Check returns core.ErrInvalid where the id cannot be part of a file's name.
func (b BackupID) Check() error {
	if err := CheckClusterID(b.ClusterID); err != nil {
		return err
	}
	if len(b.Name) > maxBackupName || !isBackupName(b.Name) {
		return fmt.Errorf("backup name %q: %w", clip(b.Name), core.ErrInvalid)
	}
	if !isID(b.UID) {
		return fmt.Errorf("backup UID %q: %w", clip(b.UID), core.ErrInvalid)
	}
	return nil
}

// ParseManifestName is the inverse of BackupID.ManifestName; ok is false for every other name.
func ParseManifestName(name string) (id BackupID, ok bool) {
	return parseBackupFile(name, manifestFile)
}

// ParseIntentName tells of which backup a file is the intent of the first attempt; ok is false for every other name.
func ParseIntentName(name string) (id BackupID, ok bool) { return parseBackupFile(name, intentFile) }

func parseBackupFile(name, file string) (BackupID, bool) {
	id, ok := ParseBackupFile(name)
	if !ok || id.Folder()+file != name {
		return BackupID{}, false
	}
	return id, true
}

// ParseBackupFile tells in which backup's folder a file lies; ok is false for a file that lies in none.
func ParseBackupFile(name string) (id BackupID, ok bool) {
	parts := strings.Split(name, "/")
	if len(parts) != 6 {
		return BackupID{}, false
	}
	id = BackupID{ClusterID: parts[1], Name: parts[3], UID: parts[4]}
	if id.Check() != nil || id.Folder()+parts[5] != name {
		return BackupID{}, false
	}
	return id, true
}

// IsOwnFile tells whether the name is one that a file of an attempt at the backup has, the manifest excepted.
func (b BackupID) IsOwnFile(name string) bool {
	if _, _, isCheckpoint := b.ParseCheckpointName(name); isCheckpoint {
		return true
	}
	rest, found := strings.CutPrefix(name, b.Folder())
	if !found {
		return false
	}
	for _, file := range []struct{ stem, suffix string }{
		{intentStem, intentSuffix},
		{indexStem, indexSuffix},
		{comparisonStem, indexSuffix},
		{reportStem, reportSuffix},
		{detailsStem, detailsSuffix},
	} {
		attempt, isOne := strings.CutPrefix(rest, file.stem)
		if attempt, isOne = cutSuffix(attempt, file.suffix, isOne); isOne && isAttemptPart(attempt) {
			return true
		}
	}
	return false
}

func cutSuffix(text, suffix string, is bool) (string, bool) {
	rest, found := strings.CutSuffix(text, suffix)
	return rest, is && found
}

// isAttemptPart tells whether the text can stand between the stem and the suffix of a file's name.
func isAttemptPart(text string) bool {
	return text == "" || text[0] == '-' && CheckAttempt(text[1:]) == nil
}

// SegmentID names one segment in a location.
type SegmentID struct {
	// ClusterID is the cluster in whose folder the segment is.
	ClusterID string
	// Attempt is the attempt that wrote it.
	Attempt string
	// Number counts the segments of the attempt, from 1.
	Number int
}

// Name returns the segment's file name.
func (s SegmentID) Name() string {
	return SegmentsFolder(s.ClusterID) + s.Attempt + fmt.Sprintf("-%0*d", segmentDigits, s.Number) + segmentSuffix
}

// Check returns core.ErrInvalid where the id cannot be part of a file's name.
func (s SegmentID) Check() error {
	if err := CheckClusterID(s.ClusterID); err != nil {
		return err
	}
	if err := CheckAttempt(s.Attempt); err != nil {
		return err
	}
	if s.Number < 1 || s.Number > maxSegmentIndex {
		return fmt.Errorf("segment number %d: %w", s.Number, core.ErrInvalid)
	}
	return nil
}

// SegmentPrefix returns what the names of all segments of one attempt begin with, and no others.
func SegmentPrefix(clusterID, attempt string) string {
	return SegmentsFolder(clusterID) + attempt + "-"
}

// ParseSegmentName is the inverse of SegmentID.Name; ok is false for every other name.
func ParseSegmentName(name string) (id SegmentID, ok bool) {
	rest, found := strings.CutPrefix(name, ClustersFolder)
	if !found {
		return SegmentID{}, false
	}
	clusterID, rest, _ := strings.Cut(rest, "/"+segmentsFolder)
	attempt, rest, _ := strings.Cut(rest, "-")
	digits, found := strings.CutSuffix(rest, segmentSuffix)
	if !found || len(digits) != segmentDigits {
		return SegmentID{}, false
	}
	number, err := strconv.Atoi(digits)
	if err != nil {
		return SegmentID{}, false
	}
	id = SegmentID{ClusterID: clusterID, Attempt: attempt, Number: number}
	if id.Check() != nil || id.Name() != name {
		return SegmentID{}, false
	}
	return id, true
}

// CheckClusterID returns core.ErrInvalid where the id cannot be a folder's name.
func CheckClusterID(clusterID string) error {
	if !isID(clusterID) {
		return fmt.Errorf("cluster id %q: %w", clip(clusterID), core.ErrInvalid)
	}
	return nil
}

// CheckAttempt returns core.ErrInvalid unless the attempt is 1 to 32 letters from a to z or digits. An attempt must
// be new for every run that writes into the folder of a cluster.
func CheckAttempt(attempt string) error {
	if attempt == "" || len(attempt) > maxAttemptSize || !consists(attempt, isLowerOrDigit) {
		return fmt.Errorf("attempt %q is not 1 to %d of a-z and 0-9: %w", clip(attempt), maxAttemptSize, core.ErrInvalid)
	}
	return nil
}

func isLowerOrDigit(char byte) bool { return 'a' <= char && char <= 'z' || '0' <= char && char <= '9' }

func isLabel(char byte) bool { return isLowerOrDigit(char) || char == '-' }

func isIdentity(char byte) bool { return isLabel(char) || 'A' <= char && char <= 'Z' }

// consists tells whether all bytes of the text are of that sort. These checks are made for every object.
func consists(text string, of func(char byte) bool) bool {
	for i := range len(text) {
		if !of(text[i]) {
			return false
		}
	}
	return true
}

// isID accepts what identities are made of: letters, digits and hyphens.
func isID(id string) bool {
	return id != "" && len(id) <= maxIDSize && consists(id, isIdentity)
}

// isBackupName accepts the names of objects: a DNS subdomain.
func isBackupName(name string) bool {
	for label := range strings.SplitSeq(name, ".") {
		if label == "" || !consists(label, isLabel) ||
			label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
	}
	return true
}

// clip keeps a text that may come from anywhere at a length that fits a message.
func clip(text string) string {
	const most = 200
	if len(text) <= most {
		return text
	}
	return text[:most] + "..."
}
