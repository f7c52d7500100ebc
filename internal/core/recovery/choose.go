package recovery

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/archive"
	"github.com/soda-cdm/kahu/internal/core/seal"
)

// Found is a backup at the location, as its manifest has it.
type Found struct {
	// ID says which.
	ID archive.BackupID
	// Completed is when it ended, by the clock of its writer.
	Completed time.Time
	// Missing is how many things are missing from it; 0: it is complete.
	Missing int64
	// Objects is how many it has, Bytes the length of their segments.
	Objects, Bytes int64
	// Limits say in words to what its filters limit it, one for each; none: it is of everything.
	Limits []string
	// Sealed tells that its filters are encrypted and nothing at hand opens them. It is chosen as if it were of everything:
	// it cannot be restored before it is opened.
	Sealed bool
	// Epoch is the key that it is encrypted with, Signer who signed it; both are empty where nobody did.
	Epoch  string
	Signer seal.Signer
	// Unusable says why its manifest cannot be read; empty where it can.
	Unusable string
}

// Complete tells whether everything that was asked for is in it.
func (f Found) Complete() bool { return f.Missing == 0 && f.Unusable == "" }

// Covers says in words of what it is.
func (f Found) Covers() string {
	switch {
	case f.Sealed:
		return "what its filters are is not known, as nothing opens it"
	case len(f.Limits) == 0:
		return "everything"
	}
	return strings.Join(f.Limits, ", ")
}

// Wish is what a person remembers.
type Wish struct {
	// Cluster is the id of the cluster that is gone, or how it begins; empty: there is only one.
	Cluster string
	// Backup is the name of the backup; empty: the newest of everything.
	Backup string
	// AllowIncomplete permits one from which something is missing.
	AllowIncomplete bool
	// Signers are whose backups are believed. None: those of whoever signed all that the cluster has signed.
	Signers []seal.Signer
	// AllowUnknownSigner permits what anybody signed, or nobody.
	AllowUnknownSigner bool
}

// Choice is what is restored.
type Choice struct {
	Found

	// Passed are those that are newer, and were passed over, the newest first, each with the reason.
	Passed []Passed
	// Vouched tells that the person named the signer. Otherwise nobody did, and the backup is believed as all that the
	// cluster has signed bears one signature.
	Vouched bool
}

// Passed is a backup that was passed over.
type Passed struct {
	Found

	// Why says the reason.
	Why string
}

// maxNamed bounds how many of a kind are named in a message.
const maxNamed = 10

// Choose returns the newest backup that is what the person remembers, or an error that says what to do.
func Choose(found []Found, wish Wish) (Choice, error) {
	if len(found) == 0 {
		return Choice{}, errors.New("the location holds no backup: see whether it is the right one, or wait until a copy of it is complete")
	}
	ofCluster, err := chooseCluster(found, wish.Cluster)
	if err != nil {
		return Choice{}, err
	}
	named, err := chooseName(ofCluster, wish.Backup)
	if err != nil {
		return Choice{}, err
	}
	believed, err := believedSigners(ofCluster, wish)
	if err != nil {
		return Choice{}, err
	}
	slices.SortStableFunc(named, newerFirst)
	var passed []Passed
	for _, each := range named {
		why := refuse(each, wish, believed)
		if why == "" {
			return Choice{Found: each, Passed: passed, Vouched: len(wish.Signers) > 0}, nil
		}
		passed = append(passed, Passed{Found: each, Why: why})
	}
	return Choice{}, noneLeft(passed)
}

// newerFirst orders by time, and by name where that is the same, so that the answer does not depend on the order of a listing.
// When one was made whose manifest cannot be read is not known: it may be the newest, and comes first.
func newerFirst(a, b Found) int {
	return cmp.Or(cmp.Compare(min(len(b.Unusable), 1), min(len(a.Unusable), 1)), b.Completed.Compare(a.Completed), cmp.Compare(a.ID.String(), b.ID.String()))
}

// chooseCluster returns the backups of the only cluster, or of the one whose id begins so.
func chooseCluster(found []Found, wish string) ([]Found, error) {
	of := map[string][]Found{}
	for _, each := range found {
		if strings.HasPrefix(each.ID.ClusterID, wish) {
			of[each.ID.ClusterID] = append(of[each.ID.ClusterID], each)
		}
	}
	if len(of) == 1 {
		for _, only := range of {
			return only, nil
		}
	}
	if len(of) == 0 {
		return nil, fmt.Errorf("no cluster of which backups lie there has an id that begins with %q; there are:\n%s", wish, listClusters(found))
	}
	return nil, fmt.Errorf("backups of %d clusters lie there: say with --cluster which one is to come back:\n%s", len(of), listClusters(found))
}

// listClusters returns a line for each cluster.
func listClusters(found []Found) string {
	of := map[string][]Found{}
	for _, each := range found {
		of[each.ID.ClusterID] = append(of[each.ID.ClusterID], each)
	}
	var lines []string
	for id, backups := range of {
		slices.SortStableFunc(backups, newerFirst)
		lines = append(lines, fmt.Sprintf("  %s  %s, the newest %s of %s", id, core.Count(int64(len(backups)), "backup"), backups[0].ID.Name, Day(backups[0].Completed)))
	}
	slices.Sort(lines)
	if len(lines) > maxNamed {
		lines = append(lines[:maxNamed], fmt.Sprintf("  and %d more", len(lines)-maxNamed))
	}
	return strings.Join(lines, "\n")
}

// chooseName returns the backups of a name, all where there is none.
func chooseName(found []Found, name string) ([]Found, error) {
	if name == "" {
		return slices.Clone(found), nil
	}
	var of []Found
	names := map[string]bool{}
	for _, each := range found {
		names[each.ID.Name] = true
		if each.ID.Name == name {
			of = append(of, each)
		}
	}
	if len(of) > 0 {
		return of, nil
	}
	var all []string
	for each := range names {
		all = append(all, each)
	}
	slices.Sort(all)
	more := ""
	if len(all) > maxNamed {
		all, more = all[:maxNamed], fmt.Sprintf(" and %d more", len(all)-maxNamed)
	}
	return nil, fmt.Errorf("the cluster has no backup called %q there; it has %s%s", name, strings.Join(all, ", "), more)
}

// believedSigners returns whose backups are believed; none where signatures do not matter, as nothing is signed or the person
// said so.
func believedSigners(found []Found, wish Wish) ([]seal.Signer, error) {
	if wish.AllowUnknownSigner {
		return nil, nil
	}
	if len(wish.Signers) > 0 {
		return wish.Signers, nil
	}
	var signers []seal.Signer
	for _, each := range found {
		if each.Signer != "" && !slices.Contains(signers, each.Signer) {
			signers = append(signers, each.Signer)
		}
	}
	if len(signers) <= 1 {
		return signers, nil
	}
	slices.Sort(signers)
	lines := make([]string, 0, len(signers))
	for _, signer := range signers[:min(len(signers), maxNamed)] {
		lines = append(lines, "  "+string(signer)+"  "+signedBy(found, signer))
	}
	return nil, fmt.Errorf("the backups of the cluster are signed by %d different keys: whoever can write to the store can have made "+
		"those of one. Say with --signer whom you believe, or with --allow-unknown-signer that it does not matter:\n%s",
		len(signers), strings.Join(lines, "\n"))
}

// signedBy says how much a signer has signed.
func signedBy(found []Found, signer seal.Signer) string {
	own := slices.DeleteFunc(slices.Clone(found), func(each Found) bool { return each.Signer != signer })
	slices.SortStableFunc(own, newerFirst)
	if len(own) == 1 {
		return "1 backup, of " + Day(own[0].Completed)
	}
	return fmt.Sprintf("%d backups, from %s to %s", len(own), Day(own[len(own)-1].Completed), Day(own[0].Completed))
}

// refuse says why a backup is passed over; nothing where it is not.
func refuse(each Found, wish Wish, believed []seal.Signer) string {
	switch {
	case each.Unusable != "":
		return each.Unusable
	case len(believed) > 0 && each.Signer == "":
		return "it is not signed, and others are: --allow-unknown-signer takes it all the same"
	case len(believed) > 0 && !slices.Contains(believed, each.Signer):
		return fmt.Sprintf("it is signed by %s, which is not believed: --signer names whom to believe", each.Signer)
	case each.Missing > 0 && !wish.AllowIncomplete:
		return MissingWords(each.Missing) + ": --allow-incomplete takes what it has"
	}
	return tooLittle(each, wish)
}

// tooLittle says why a backup is passed over for what it was asked to have.
func tooLittle(each Found, wish Wish) string {
	switch {
	case each.Objects == 0:
		return "it has no objects"
	case len(each.Limits) > 0 && wish.Backup == "":
		// The last backup may be one that somebody made by hand, of one object: a cluster does not come back from that.
		return fmt.Sprintf("it has %s and is not of everything, but of %s: --backup %s takes it", core.Count(each.Objects, "object"), each.Covers(), each.ID.Name)
	}
	return ""
}

// noneLeft says why there is none.
func noneLeft(passed []Passed) error {
	var lines []string
	for _, each := range passed[:min(len(passed), maxNamed)] {
		lines = append(lines, fmt.Sprintf("  %s of %s: %s", each.ID.Name, Day(each.Completed), each.Why))
	}
	if len(passed) > maxNamed {
		lines = append(lines, fmt.Sprintf("  and %d more", len(passed)-maxNamed))
	}
	which := fmt.Sprintf("none of the %d backups can be taken", len(passed))
	if len(passed) == 1 {
		which = "the only backup cannot be taken"
	}
	return fmt.Errorf("%s:\n%s", which, strings.Join(lines, "\n"))
}

// MissingWords say how much is missing from a backup.
func MissingWords(missing int64) string {
	if missing == 1 {
		return "1 thing is missing from it"
	}
	return fmt.Sprintf("%d things are missing from it", missing)
}

// Day is a time for people.
func Day(at time.Time) string {
	if at.IsZero() {
		return "an unknown time"
	}
	return at.UTC().Format("2006-01-02 15:04 UTC")
}
