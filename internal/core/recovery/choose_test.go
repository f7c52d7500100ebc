package recovery_test

import (
	"strings"
	"testing"
	"time"

	"github.com/soda-cdm/kahu/internal/core/archive"
	"github.com/soda-cdm/kahu/internal/core/recovery"
	"github.com/soda-cdm/kahu/internal/core/seal"
)

const (
	anna = seal.Signer("ed25519:anna")
	eve  = seal.Signer("ed25519:eve")
)

func found(cluster, name string, hour int, change ...func(*recovery.Found)) recovery.Found {
	made := recovery.Found{
		ID:        archive.BackupID{ClusterID: cluster, Name: name, UID: "uid-of-" + name},
		Completed: time.Date(2026, time.November, 21, hour, 0, 0, 0, time.UTC), Objects: 7,
	}
	for _, each := range change {
		each(&made)
	}
	return made
}

func incomplete(f *recovery.Found) { f.Missing = 3 }
func damaged(f *recovery.Found)    { f.Unusable = "its manifest does not match its digest" }
func filtered(f *recovery.Found) {
	f.Limits = []string{"only the namespaces \"shop\"", "not the objects \"Secret\""}
}
func empty(f *recovery.Found)  { f.Objects = 0 }
func sealed(f *recovery.Found) { f.Sealed = true }
func byAnna(f *recovery.Found) { f.Signer, f.Epoch = anna, "e" }
func byEve(f *recovery.Found)  { f.Signer, f.Epoch = eve, "e" }
func lots() (all []recovery.Found) {
	for i := range 15 {
		all = append(all, found("a", "b"+string(rune('a'+i)), i))
	}
	return all
}

func TestChoose(t *testing.T) {
	t.Parallel()
	one := []recovery.Found{found("a", "old", 1), found("a", "new", 3), found("a", "middle", 2)}
	for name, test := range map[string]struct {
		found []recovery.Found
		wish  recovery.Wish
		want  string // the backup that is chosen
		wrong string // or what the refusal says
		past  int    // how many were passed over
	}{
		"the newest":                  {found: one, want: "new"},
		"a name":                      {found: one, wish: recovery.Wish{Backup: "old"}, want: "old"},
		"a name that is not":          {found: one, wish: recovery.Wish{Backup: "odl"}, wrong: `no backup called "odl" there; it has middle, new, old`},
		"many names":                  {found: lots(), wish: recovery.Wish{Backup: "x"}, wrong: "bj and 5 more"},
		"nothing":                     {wrong: "no backup"},
		"two clusters":                {found: []recovery.Found{found("aa", "x", 1), found("ab", "y", 2)}, wrong: "--cluster"},
		"one of two":                  {found: []recovery.Found{found("aa", "x", 1), found("ab", "y", 2)}, wish: recovery.Wish{Cluster: "aa"}, want: "x"},
		"how both begin":              {found: []recovery.Found{found("aa", "x", 1), found("ab", "y", 2)}, wish: recovery.Wish{Cluster: "a"}, wrong: "2 clusters"},
		"another cluster":             {found: one, wish: recovery.Wish{Cluster: "b"}, wrong: "3 backups, the newest new"},
		"incomplete":                  {found: append(one, found("a", "newest", 4, incomplete)), want: "new", past: 1},
		"incomplete, allowed":         {found: append(one, found("a", "newest", 4, incomplete)), wish: recovery.Wish{AllowIncomplete: true}, want: "newest"},
		"only incomplete":             {found: []recovery.Found{found("a", "x", 1, incomplete)}, wrong: "--allow-incomplete"},
		"filtered":                    {found: append(one, found("a", "newest", 4, filtered)), want: "new", past: 1},
		"filtered, by name":           {found: append(one, found("a", "newest", 4, filtered)), wish: recovery.Wish{Backup: "newest"}, want: "newest"},
		"only filtered":               {found: []recovery.Found{found("a", "x", 1, filtered)}, wrong: `of only the namespaces "shop", not the objects "Secret": --backup x`},
		"empty":                       {found: append(one, found("a", "newest", 4, empty)), want: "new", past: 1},
		"empty, by name":              {found: append(one, found("a", "newest", 4, empty)), wish: recovery.Wish{Backup: "newest"}, wrong: "no objects"},
		"sealed":                      {found: append(one, found("a", "newest", 4, sealed)), want: "newest"},
		"damaged":                     {found: append(one, found("a", "newest", 4, damaged)), want: "new", past: 1},
		"damaged, of an unknown time": {found: append(one, recovery.Found{ID: archive.BackupID{ClusterID: "a", Name: "z"}, Unusable: "truncated"}), want: "new", past: 1},
		"only damaged":                {found: []recovery.Found{found("a", "x", 1, damaged)}, wrong: "the only backup cannot be taken:\n  x of"},
		"only damaged ones":           {found: []recovery.Found{found("a", "x", 1, damaged), found("a", "y", 2, damaged)}, wrong: "none of the 2 backups can be taken:\n  y of"},
		"signed":                      {found: []recovery.Found{found("a", "x", 1, byAnna), found("a", "y", 2, byAnna)}, want: "y"},
		"planted, not signed":         {found: []recovery.Found{found("a", "x", 1, byAnna), found("a", "planted", 2)}, want: "x", past: 1},
		"planted, signed":             {found: []recovery.Found{found("a", "x", 1, byAnna), found("a", "planted", 2, byEve)}, wrong: "2 different keys"},
		"planted, anna":               {found: []recovery.Found{found("a", "x", 1, byAnna), found("a", "planted", 2, byEve)}, wish: recovery.Wish{Signers: []seal.Signer{anna}}, want: "x", past: 1},
		"planted, all the same":       {found: []recovery.Found{found("a", "x", 1, byAnna), found("a", "planted", 2, byEve)}, wish: recovery.Wish{AllowUnknownSigner: true}, want: "planted"},
		"another signer wanted":       {found: []recovery.Found{found("a", "x", 1, byAnna)}, wish: recovery.Wish{Signers: []seal.Signer{eve}}, wrong: "not believed"},
		"eve in another":              {found: []recovery.Found{found("aa", "x", 1, byAnna), found("ab", "y", 2, byEve)}, wish: recovery.Wish{Cluster: "aa"}, want: "x"},
		"before encryption":           {found: []recovery.Found{found("a", "plain", 1), found("a", "x", 2, byAnna)}, wish: recovery.Wish{Backup: "plain"}, wrong: "not signed"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			choice, err := recovery.Choose(test.found, test.wish)
			if test.wrong != "" {
				if err == nil || !strings.Contains(err.Error(), test.wrong) {
					t.Errorf("chose %s, refused with %v", choice.ID.Name, err)
				}
				return
			}
			if err != nil || choice.ID.Name != test.want || len(choice.Passed) != test.past || choice.Vouched != (len(test.wish.Signers) > 0) {
				t.Errorf("chose %+v, %v", choice, err)
			}
		})
	}
}
