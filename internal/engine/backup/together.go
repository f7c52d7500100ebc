package backup

import (
	"fmt"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/volumeplan"
)

// takeAlone takes the decisions as they are after the cut, and tells of snapshots that were to be cut at one instant with others,
// and were cut by themselves.
func (r *run) takeAlone(cut []volumeplan.Decision) {
	after := map[core.Key]*volumeplan.Decision{}
	for i := range cut {
		after[cut[i].Claim.Key()] = &cut[i]
	}
	for i := range r.decisions {
		planned := &r.decisions[i]
		now := after[planned.Claim.Key()]
		if now == nil || now.Group == planned.Group {
			continue
		}
		*planned = *now
		r.Warn(now.Claim.Key(), fmt.Sprintf("PersistentVolumeClaim %s/%s: its snapshot was not cut at one instant with others: %s",
			now.Claim.Namespace, now.Claim.Name, now.Message))
	}
}
