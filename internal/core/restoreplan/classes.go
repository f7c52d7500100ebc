package restoreplan

import (
	"fmt"
	"strings"
)

// ClassWish is a storage class that claims are to have.
type ClassWish struct {
	// Class is its name.
	Class string
	// By is the transform, or the entry of a mapping, that says so; empty where the backup does.
	By string
}

// Missing is what is wrong where the class is not there: what says so is to be corrected, or the class to be made.
func (w ClassWish) Missing() string {
	return w.say(fmt.Sprintf("StorageClass %s is neither in the cluster nor in the restore", w.Class), "one that is there", "create it")
}

// Foreign is what is wrong where the class is of another CSI driver than the snapshots that are the backups: such a class makes no volume
// from them.
func (w ClassWish) Foreign(provisioner, driver string) string {
	wrong := fmt.Sprintf("StorageClass %s is of %s, and the backup is a snapshot of the CSI driver %s", w.Class, provisioner, driver)
	if w.By != "" {
		return fmt.Sprintf("%s: %s: name a class of that driver", w.By, wrong)
	}
	return fmt.Sprintf("%s: map it to a class of that driver with spec.storageClassMapping[%s]", wrong, w.Class)
}

// TakesSnapshots tells whether a class of that provisioner makes volumes from snapshots of a CSI driver, as far as that is known: for one
// of the time before CSI, its translation decides, which the provisioner knows.
func TakesSnapshots(provisioner, driver string) bool {
	return provisioner == "" || driver == "" || provisioner == driver || strings.HasPrefix(provisioner, "kubernetes.io/")
}

// say says what is wrong and what to do: to name what is right where the class was named, or to do something else.
func (w ClassWish) say(wrong, right, instead string) string {
	if w.By != "" {
		return fmt.Sprintf("%s: %s: name %s, or %s", w.By, wrong, right, instead)
	}
	return fmt.Sprintf("%s: %s, or map it to %s with spec.storageClassMapping[%s]", wrong, instead, right, w.Class)
}

// NamesOfClaims names the first of several claims.
func NamesOfClaims(claims []string) string {
	const most = 5
	text := "PersistentVolumeClaims " + strings.Join(claims[:min(len(claims), most)], ", ")
	if more := len(claims) - most; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}
