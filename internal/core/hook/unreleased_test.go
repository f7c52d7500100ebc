package hook_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/soda-cdm/kahu/internal/core/hook"
	"github.com/soda-cdm/kahu/internal/core/selection"
)

// TestUnreleased: whoever asks for a command before the cut and none after it is told, once for a set.
func TestUnreleased(t *testing.T) {
	t.Parallel()
	whole, before, after := set("a", selection.Filters{}), set("b", selection.Filters{}), set("c", selection.Filters{})
	before.Post, after.Pre, before.Name = nil, nil, "freeze"
	const (
		ofSet = `b "freeze" has commands before the cut and none after it, as in Pod shop/db-1-2: where those before hold the application still, ` +
			`nothing has it go on`
		ofPod = "Pod shop/db-1-2 has a command before the cut in its annotations and none after it, post.hook.backup.kahu.io/command: " +
			"where the one before holds the application still, nothing has it go on"
	)
	cases := map[string]struct {
		sets []hook.Set
		drop string // an annotation
		want []string
	}{
		"before and after":       {sets: []hook.Set{whole}},
		"only before":            {sets: []hook.Set{before}, want: []string{ofSet}},
		"only after":             {sets: []hook.Set{after}},
		"after in another set":   {sets: []hook.Set{before, after}},
		"annotations":            {},
		"annotation only before": {drop: hook.PostBackup + "command", want: []string{ofPod}},
		"annotation only after":  {drop: hook.PreBackup + "command"},
	}
	for name, test := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rules, _ := hook.Compile(test.sets, kinds())
			first, second := db(), db()
			second.Name = "db-1-3"
			delete(first.Annotations, test.drop)
			var plans []hook.Plan
			for _, pod := range []hook.Pod{first, second} {
				plan, problems := rules.Plan(pod)
				if len(problems) > 0 {
					t.Fatal(problems)
				}
				plans = append(plans, plan)
			}
			if diff := cmp.Diff(test.want, hook.Unreleased(plans, test.sets)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
