package hook

import (
	"fmt"
	"slices"
)

// Unreleased says of the sets, and of the pods whose annotations ask, that have commands before the cut and none after it, that an
// application may be left held still. Where another set that chooses the pod has one after, all is well.
func Unreleased(plans []Plan, sets []Set) []string {
	var said []string
	told := map[string]bool{}
	for i := range plans {
		plan := &plans[i]
		if len(plan.Pre) == 0 || len(plan.Post) > 0 {
			continue
		}
		pod := fmt.Sprintf("Pod %s/%s", plan.Pod.Namespace, plan.Pod.Name)
		if len(plan.Sets) == 0 {
			said = append(said, fmt.Sprintf("%s has a command before the cut in its annotations and none after it, %scommand: "+
				"where the one before holds the application still, nothing has it go on", pod, PostBackup))
		}
		for _, field := range plan.Sets {
			at := slices.IndexFunc(sets, func(set Set) bool { return set.Field == field })
			if at < 0 || told[field] || len(sets[at].Pre) == 0 {
				continue
			}
			told[field] = true
			said = append(said, fmt.Sprintf("%s %q has commands before the cut and none after it, as in %s: where those before hold the "+
				"application still, nothing has it go on", field, sets[at].Name, pod))
		}
	}
	return said
}
