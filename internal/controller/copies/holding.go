package copies

import (
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/soda-cdm/kahu/internal/core/copyplan"
)

// holding is the try of this process at a copy of a backup, besides what the object says: a pass may see an old copy of
// that.
type holding struct {
	location, token string
	tries           int
	attempt         string

	seen string    // the version of the object when another process's try was last seen in place of this one
	idle time.Time // since when that version is unchanged
}

// hold returns this process's try at a copy, which is the same whenever it is asked for.
func (c *Controller) hold(uid types.UID, row *copyplan.Row) *holding {
	c.mu.Lock()
	defer c.mu.Unlock()
	before := c.held[uid]
	if before != nil && before.location == row.Location && before.token == row.Token && before.tries == row.Tries {
		return before
	}
	c.held[uid] = &holding{location: row.Location, token: row.Token, tries: row.Tries, attempt: c.NewAttempt()}
	return c.held[uid]
}

// heldOf returns the try that this process has, or nil.
func (c *Controller) heldOf(uid types.UID) *holding {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.held[uid]
}

func (c *Controller) letGo(uid types.UID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.held, uid)
}

// isRival tells whether another process took this one's try over, and lives: two managers that both believe that they lead
// would otherwise take it from each other in turn.
func (c *Controller) isRival(s *scope, held *holding) bool {
	taken := false
	for i := range s.rows {
		row := &s.rows[i]
		taken = taken || row.Location == held.location && row.Token == held.token && row.Phase == copyplan.Running &&
			row.Tries > held.tries
	}
	if !taken {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if held.seen != s.backup.ResourceVersion {
		held.seen, held.idle = s.backup.ResourceVersion, c.Clock.Now()
	}
	return c.Clock.Since(held.idle) < c.Fence
}
