package volumeplan

import (
	"fmt"
	"strings"

	"github.com/soda-cdm/kahu/internal/core"
)

// Idle tells of the rules that are for no claim, each kind of them in a sentence: somebody may have mistyped what they match.
func Idle(facts Facts, settings Settings) []string {
	matched, counting := map[int]bool{}, map[int]bool{}
	for i := range facts.Claims {
		first := true
		for number := range settings.Rules {
			if settings.Rules[number].matches(&facts.Claims[i]) {
				matched[number], counting[number] = true, counting[number] || first
				first = false
			}
		}
	}
	var unmatched, behind []string
	for number := range settings.Rules {
		switch {
		case !matched[number]:
			unmatched = append(unmatched, ruleField(number))
		case !counting[number]:
			behind = append(behind, ruleField(number))
		}
	}
	claims := core.Count(int64(len(facts.Claims)), "claim")
	var said []string
	if len(unmatched) > 0 {
		said = append(said, fmt.Sprintf("%s: no claim of the backup, which has %s, is matched: see whether names and labels are right",
			strings.Join(unmatched, ", "), claims))
	}
	if len(behind) > 0 {
		said = append(said, fmt.Sprintf("%s: each claim that is matched is matched by a rule before, and the first one counts: change their order",
			strings.Join(behind, ", ")))
	}
	return said
}
