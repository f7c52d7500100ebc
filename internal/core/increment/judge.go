package increment

import (
	"fmt"
	"strconv"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/archive"
	"github.com/soda-cdm/kahu/internal/core/seal"
)

// Run is what a run knows of itself before it begins.
type Run struct {
	ID         archive.BackupID
	LocationID string
	// Epoch is the id of the key with which it encrypts, Signer who signs it; both are empty where nothing is encrypted.
	Epoch  string
	Signer seal.Signer
}

// maxSegments bounds the segments of a base: a manifest with twice as many could not be written any more.
const maxSegments = 10_000

// Judge tells from its manifest why a candidate cannot be the base of the run; the reason is empty where it can.
func Judge(run Run, candidate Candidate, manifest *archive.Manifest) (Reason, string) {
	switch {
	case manifest.ID != candidate.ID || manifest.LocationID != run.LocationID || manifest.ID.ClusterID != run.ID.ClusterID:
		return BaseGone, fmt.Sprintf("backup %s is of another location or cluster", candidate.ID.Name)
	case manifest.Attempt != candidate.Attempt:
		return BaseAdopted, fmt.Sprintf("the manifest of backup %s was not written by the attempt on record", candidate.ID.Name)
	case manifest.Encryption.Epoch != run.Epoch:
		return KeyChanged, fmt.Sprintf("backup %s is %s, this one %s: whoever can read one must be able to read both",
			candidate.ID.Name, keyed(manifest.Encryption.Epoch), keyed(run.Epoch))
	case manifest.Signer != run.Signer:
		return SignerChanged, fmt.Sprintf("backup %s is signed by somebody else", candidate.ID.Name)
	case len(manifest.Segments) > maxSegments, len(manifest.Attempts()) > archive.MaxUses:
		return TooManySegments, fmt.Sprintf("backup %s refers to %s", candidate.ID.Name, core.Count(int64(len(manifest.Segments)), "segment"))
	}
	return "", ""
}

func keyed(epoch string) string {
	if epoch == "" {
		return "not encrypted"
	}
	return "encrypted with the key " + epoch
}

// The reasons why the objects of a kind are read, although there is a base.
const (
	// ServerChanged: another version of the API server may give fields that were not written another form.
	ServerChanged Reason = "ServerChanged"
	// VersionChanged: the kind is served in another version.
	VersionChanged Reason = "VersionChanged"
	// DefinitionChanged: the definition of the kind was changed, or says nothing of how objects are served.
	DefinitionChanged Reason = "DefinitionChanged"
	// NotListed: the base has single objects of the kind, because others need them, and no list of it.
	NotListed Reason = "NotListed"
	// ContentUnreadable: it matters what is in the objects, and this cluster cannot read what the base has of them.
	ContentUnreadable Reason = "ContentUnreadable"
	// VersionsWentBack: the list of the kind has an earlier resourceVersion than it had in the base.
	VersionsWentBack Reason = "VersionsWentBack"
)

// Prove tells why an object of the kind whose UID and resourceVersion are those of the base may have changed; the reason is
// empty where it cannot have. Server versions are those of the API server, now and when the base was made.
func Prove(kind core.Kind, server string, base archive.IndexedKind, baseServer string) Reason {
	switch {
	case kind.Version != base.Kind.Version:
		return VersionChanged
	case kind.Namespaced != base.Kind.Namespaced || kind.Custom != base.Kind.Custom:
		return DefinitionChanged
	case kind.Custom && (kind.Definition == "" || kind.Definition != base.Kind.Definition):
		return DefinitionChanged
	case server == "" || server != baseServer:
		return ServerChanged
	case base.ListResourceVersion == "":
		return NotListed
	}
	return ""
}

// WentBack tells whether the version of a list, now, is none that can follow the one of the base.
func WentBack(base, now string) bool {
	before, err := strconv.ParseUint(base, 10, 64)
	if err != nil {
		return true
	}
	after, err := strconv.ParseUint(now, 10, 64)
	return err != nil || after < before
}
