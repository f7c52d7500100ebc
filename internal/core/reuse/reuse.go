package reuse

import "github.com/soda-cdm/kahu/internal/core"

// Verdict says what volume a claim gets.
type Verdict uint8

const (
	// Same is the one that it had, as far as the restore can help it. Its PersistentVolume is dealt with as any object is.
	Same Verdict = iota
	// Again is the one that it had, whose PersistentVolume is there and still reserved for the claim that was deleted.
	Again
	// Doubtful is the one that it had, which somebody out of sight may use too.
	Doubtful
	// New is a new one. Its PersistentVolume of the backup is not created, and the claim does not name it.
	New
)

// Case is a claim with the volume that it had.
type Case struct {
	// Target is the claim's name in the cluster.
	Target core.Key
	// Chosen tells that the cluster chose its volume, and not a person by name.
	Chosen bool
	// Copied tells that the claim gets another name or namespace than it had.
	Copied bool
	// There tells that a claim of its name is in the cluster, and stays.
	There bool
	// Elsewhere tells that the backup is of another cluster.
	Elsewhere bool
	// Restored is the PersistentVolume of the backup; nil where the restore does not bring it.
	Restored *Volume
	// Living is the PersistentVolume of its name in the cluster, nil where there is none; Made tells that this restore has
	// made it in an earlier attempt.
	Living *Volume
	Made   bool
	// Others are the PersistentVolumes of other names in the cluster that stand for the same storage.
	Others []Volume
}

// rule decides a case, or leaves it to the next one.
type rule func(c *Case) (verdict Verdict, why string, decided bool)

// Decide returns what volume the claim gets, and why.
func (c *Case) Decide() (Verdict, string) {
	for _, rule := range []rule{ownWork, notBrought, nameTaken, thereAlready, storageTaken, storageGone, outOfSight} {
		if verdict, why, decided := rule(c); decided {
			return verdict, why
		}
	}
	return Same, ""
}

// ownWork: what an earlier attempt has decided stands.
func ownWork(c *Case) (Verdict, string, bool) {
	return Same, "", c.Made && c.Living != nil
}

// notBrought: without its PersistentVolume, a claim has the one of that name that is there for it, or waits for the one that a
// person has named. One that the cluster chose never comes.
func notBrought(c *Case) (Verdict, string, bool) {
	if c.Restored != nil {
		return Same, "", false
	}
	free := c.Living != nil && !c.Living.Going && !c.released() && (c.Living.Claim.Name == "" || c.Living.Claim == c.Target)
	switch {
	case c.Copied:
		return New, "it is a copy, and its PersistentVolume is not in the restore", true
	case free, !c.Chosen:
		return Same, "", true
	case c.Living != nil:
		return New, "its PersistentVolume is not in the restore, and the one of that name is not free", true
	}
	return New, "its PersistentVolume is neither in the restore nor in the cluster", true
}

// nameTaken: the PersistentVolume that is there is not the claim's.
func nameTaken(c *Case) (Verdict, string, bool) {
	switch living := c.Living; {
	case living == nil:
		return Same, "", false
	case living.Claim.Name != "" && living.Claim != c.Target:
		return New, "PersistentVolume " + living.Name + " is that of claim " + nameOf(living.Claim), true
	case living.Storage != c.Restored.Storage:
		return New, "PersistentVolume " + living.Name + " stands for other storage by now", true
	case c.Copied && living.Claim != c.Target:
		return New, "PersistentVolume " + living.Name + " is that of the original", true
	}
	return Same, "", false
}

// thereAlready: the PersistentVolume is there, and the claim's. That of a claim that was deleted is reserved for the UID of that
// one, until somebody takes it out.
func thereAlready(c *Case) (Verdict, string, bool) {
	switch {
	case c.Living == nil || c.Living.Going:
		return Same, "", false
	case c.released() && !c.Living.outlives():
		return New, "the policy of PersistentVolume " + c.Living.Name + " is Delete: its storage goes with the claim that was deleted", true
	case c.released():
		return Again, "PersistentVolume " + c.Living.Name + " is released, and has what was in it when the claim was deleted", true
	}
	return Same, "", true
}

// released tells whether the PersistentVolume that is there is that of a claim that was deleted. The cluster may not have
// noticed yet.
func (c *Case) released() bool {
	switch c.Living.Phase {
	case "Released", "Failed":
		return !c.There
	case "Bound":
		return !c.There && c.Living.Claim == c.Target
	}
	return false
}

// storageTaken: another PersistentVolume stands for the same storage, unless people mean to share it.
func storageTaken(c *Case) (Verdict, string, bool) {
	if len(c.Others) == 0 || c.Restored.shared() {
		return Same, "", false
	}
	other, of := c.Others[0], ""
	if other.Claim.Name != "" {
		of = ", that of claim " + nameOf(other.Claim)
	}
	return New, "PersistentVolume " + other.Name + of + ", stands for the same storage", true
}

// storageGone: what a driver made for a claim, to go with it, went with it.
func storageGone(c *Case) (Verdict, string, bool) {
	return New, "the policy of its PersistentVolume is Delete: the storage went with the claim, or is still that of the original", !c.Restored.outlives()
}

// outOfSight: the cluster of the backup may use the storage still. That a claim goes to its old place says that this is wanted,
// and that it is a copy says that it is not.
func outOfSight(c *Case) (Verdict, string, bool) {
	switch {
	case !c.Elsewhere || c.Restored.shared():
		return Same, "", false
	case c.Copied:
		return New, "it is a copy of a claim of another cluster, which may use the storage still", true
	}
	return Doubtful, "", true
}

func nameOf(claim core.Key) string { return claim.Namespace + "/" + claim.Name }
