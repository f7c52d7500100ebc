package tool

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestCheckNamesAllThatIsMissing(t *testing.T) {
	folder := t.TempDir()
	for _, name := range []string{"ip", "containerd", "not-executable"} {
		if err := os.WriteFile(filepath.Join(folder, name), nil, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(folder, "runc"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	err := check(1000, []string{folder})
	if err == nil {
		t.Fatal("nothing is missing")
	}
	for _, want := range []string{"takes root", "runc (package runc)", "nft (package nftables)", "packages.sh"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in: %v", want, err)
		}
	}
	for _, not := range []string{"ip (", " containerd ("} {
		if strings.Contains(err.Error(), not) {
			t.Errorf("%q is there, and in: %v", not, err)
		}
	}
}

// Every package that something needs is in the script that installs them.
func TestScriptInstallsWhatIsNeeded(t *testing.T) {
	script, err := os.ReadFile("../../packages.sh")
	if err != nil {
		t.Fatal(err)
	}
	_, after, _ := strings.Cut(string(script), "for package in ")
	list, _, _ := strings.Cut(after, ";")
	for _, program := range needed() {
		if !strings.Contains(" "+list+" ", " "+program.pkg+" ") {
			t.Errorf("%s is not in %q", program.pkg, list)
		}
	}
}
