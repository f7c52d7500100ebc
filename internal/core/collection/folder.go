package collection

import (
	"slices"
	"strings"

	"github.com/soda-cdm/kahu/internal/core/archive"
)

// OwnFiles returns the names of the files in the backup's folder that belong to it: the manifest, and those of the attempt
// that wrote it. The intent is among them where an early manifest does not name it.
func OwnFiles(manifest archive.Manifest) []string {
	intent := manifest.ID.IntentName()
	if manifest.Index.Name != manifest.ID.IndexName() {
		intent = manifest.ID.IntentNameOf(manifest.Attempt)
	}
	own := []string{manifest.ID.ManifestName(), intent}
	for _, file := range append(manifest.Files(), manifest.Encryption.Comparison.File) {
		if strings.HasPrefix(file.Name, manifest.ID.Folder()) && file.Name != intent {
			own = append(own, file.Name)
		}
	}
	return own
}

// Leftovers returns those files of a backup's folder that belong to no backup: all but those of the manifest, where there
// is one, and none whose name is not one of Kahu's. The intents are the first, so that no attempt makes a manifest real any
// more whose other files are gone.
func Leftovers(id archive.BackupID, names []string, manifest *archive.Manifest) []string {
	var own, intents, others []string
	if manifest != nil {
		own = OwnFiles(*manifest)
	}
	for _, name := range names {
		switch {
		case slices.Contains(own, name) || !id.IsOwnFile(name):
		case id.IsIntent(name):
			intents = append(intents, name)
		default:
			others = append(others, name)
		}
	}
	return append(intents, others...)
}
