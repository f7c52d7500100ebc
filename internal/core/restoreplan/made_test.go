package restoreplan_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/restoreplan"
)

func TestMadeBare(t *testing.T) {
	const bare = `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a","namespace":"b"}}`
	began := time.Date(2026, time.March, 1, 2, 3, 4, 0, time.UTC)
	cases := map[string]struct {
		reason   string
		first    bool
		created  time.Time
		managers []core.Manager
		wished   string
		want     bool
	}{
		"Other":        {"the account names another restore", false, began, []core.Manager{{Name: "kahu-restore-v"}}, bare, false},
		"Updated":      {"this restore has written it, and not made it", false, began, []core.Manager{{Name: "kahu-restore-update-u"}}, bare, false},
		"Bare":         {"nobody is named, and nobody would be", false, began, nil, bare, true},
		"Later":        {"an attempt can take long", false, began.Add(time.Hour), nil, bare, true},
		"Older":        {"it was there before the Restore", false, began.Add(-time.Second), nil, bare, false},
		"First":        {"nothing of this restore can be there", true, began, nil, bare, false},
		"Labelled":     {"this restore would be named, had it made it", false, began, nil, `{"metadata":{"name":"a","labels":{"a":"b"}}}`, false},
		"Filled":       {"it would be named for data", false, began, nil, `{"metadata":{"name":"a"},"data":{"a":"b"}}`, false},
		"Flag":         {"it would be named for a flag", false, began, nil, `{"metadata":{"name":"a"},"immutable":false}`, false},
		"EmptyFields":  {"what is empty is not kept", false, began, nil, `{"metadata":{"name":"a","labels":{}},"data":{},"rules":null,"secrets":[]}`, true},
		"Owned":        {"owners that are not there are dropped", false, began, nil, `{"metadata":{"name":"a","ownerReferences":[{"name":"x"}]}}`, true},
		"StatusOfOld":  {"a status is not part of what is created", false, began, nil, `{"metadata":{"name":"a"},"status":{"a":1}}`, true},
		"ServersOwn":   {"the server says these", false, began, nil, `{"metadata":{"uid":"x","resourceVersion":"1","creationTimestamp":"2026-01-01T00:00:00Z","generation":1}}`, true},
		"StatusOnly":   {"whoever wrote a status is named", false, began, []core.Manager{{Name: "x", Subresource: "status"}}, bare, false},
		"NoMetadata":   {"there is nothing in it", false, began, nil, `{}`, true},
		"StatusOfOurs": {"the restore writes a status of what it has made", false, began, []core.Manager{{Name: "kahu-restore-u", Subresource: "status"}}, bare, true},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			var wished map[string]any
			if err := json.Unmarshal([]byte(tc.wished), &wished); err != nil {
				t.Fatal(err)
			}
			run := restoreplan.Run{UID: "u", Began: began, Resumed: !tc.first}
			made := run.Made(core.Living{Created: tc.created, Managers: tc.managers}).Given(wished)
			if got := made == restoreplan.Bare; got != tc.want {
				t.Errorf("%s: got %d", tc.reason, made)
			}
		})
	}
}

func TestMadeBy(t *testing.T) {
	t.Parallel()
	by := func(names ...string) core.Living {
		living := core.Living{}
		for _, name := range names {
			living.Managers = append(living.Managers, core.Manager{Name: name})
		}
		return living
	}
	cases := map[string]struct {
		living core.Living
		want   restoreplan.Made
	}{
		"created":               {by("kubectl", restoreplan.Manager("u")), restoreplan.Created},
		"created and changed":   {by(restoreplan.Updater("u"), restoreplan.Manager("u")), restoreplan.Created},
		"written over":          {by("kubectl", restoreplan.Updater("u")), restoreplan.Overwritten},
		"of another restore":    {by(restoreplan.Manager("v")), restoreplan.Unmade},
		"of somebody else":      {by("kubectl"), restoreplan.Unmade},
		"only its status is so": {core.Living{Managers: []core.Manager{{Name: restoreplan.Manager("u"), Subresource: "status"}}}, restoreplan.Unmade},
	}
	for name, test := range cases {
		if got := restoreplan.MadeBy(test.living, "u"); got != test.want {
			t.Errorf("%s: got %d, want %d", name, got, test.want)
		}
	}
}

func TestChanged(t *testing.T) {
	t.Parallel()
	own := core.Manager{Name: restoreplan.Manager("u")}
	cases := map[string]struct {
		managers        []core.Manager
		changed, stated bool
	}{
		"nobody else":      {[]core.Manager{own}, false, false},
		"updated":          {[]core.Manager{own, {Name: restoreplan.Updater("u")}}, false, false},
		"its own status":   {[]core.Manager{own, {Name: own.Name, Subresource: "status"}}, false, true},
		"Kubernetes":       {[]core.Manager{own, {Name: "kube-controller-manager"}}, false, false},
		"another's status": {[]core.Manager{own, {Name: "an-operator", Subresource: "status"}}, false, false},
		"somebody":         {[]core.Manager{own, {Name: "kubectl-edit"}}, true, false},
		"who scales":       {[]core.Manager{own, {Name: "kubectl", Subresource: "scale"}}, true, false},
		"another restore":  {[]core.Manager{own, {Name: restoreplan.Manager("v")}}, true, false},
	}
	for name, test := range cases {
		living, run := core.Living{Managers: test.managers}, restoreplan.Run{UID: "u"}
		if changed, stated := run.Changed(living), run.WroteStatus(living); changed != test.changed || stated != test.stated {
			t.Errorf("%s: got %v %v", name, changed, stated)
		}
	}
}
