package backup

import (
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/types"
)

// holding is what this process knows of a run that it has dealt with, besides what the object says: a pass may see an
// old copy of the object, and must not make the run another one's because of it.
type holding struct {
	attempt string    // this process's attempt at the run; empty where it has none
	over    []string  // the attempts from which it took the run over
	asked   time.Time // when this process first found that the run has to wait for its location
	since   time.Time // when it first saw that it has taken the run over, or that another attempt must be cleaned up after
	seen    string    // the version of the object when another attempt was last seen to go on in its place
	idle    time.Time // since when that version is unchanged
}

// hold returns what this process knows of the run. The caller holds the lock.
func (c *Controller) hold(uid types.UID) *holding {
	if c.runs[uid] == nil {
		c.runs[uid] = &holding{}
	}
	return c.runs[uid]
}

// attemptOf returns the id of this process's try at a run, which is the same whenever it is asked for.
func (c *Controller) attemptOf(uid types.UID) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	held := c.hold(uid)
	if held.attempt == "" {
		held.attempt = c.NewAttempt()
	}
	return held.attempt
}

func (c *Controller) forget(uid types.UID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.runs, uid)
}

// isOurs tells whether the run is this process's.
func (c *Controller) isOurs(s *scope) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	held := c.runs[s.backup.UID]
	return held != nil && s.status().Attempt != "" && held.attempt == s.status().Attempt
}

// begins notes when this process first sees that its takeover is on record: until then the attempt before is confirmed, however
// long ago the takeover was first tried.
func (c *Controller) begins(s *scope) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if held := c.hold(s.backup.UID); len(held.over) > 0 && held.since.IsZero() {
		held.since = c.Clock.Now()
	}
}

// isOld tells whether the object is a copy from before this process took the run over.
func (c *Controller) isOld(s *scope) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	held := c.runs[s.backup.UID]
	return held != nil && slices.Contains(held.over, s.status().Attempt)
}

// rival returns for how long another attempt, that is on record in place of this process's own, has shown no sign of
// life; there is false where this process has no attempt at the run.
func (c *Controller) rival(s *scope) (idle time.Duration, there bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	held := c.runs[s.backup.UID]
	if held == nil || held.attempt == "" {
		return 0, false
	}
	if held.seen != s.backup.ResourceVersion {
		held.seen, held.idle = s.backup.ResourceVersion, c.Clock.Now()
	}
	return c.Clock.Since(held.idle), true
}

// letGo forgets the attempt of this process, so that it may take the run over with another.
func (c *Controller) letGo(uid types.UID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	*c.hold(uid) = holding{}
}

// takeFrom returns this process's attempt at a run that was another's. From when on it has the run is not known before it sees
// that on record.
func (c *Controller) takeFrom(uid types.UID, attempt string) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	held := c.hold(uid)
	if held.attempt == "" {
		held.attempt = c.NewAttempt()
	}
	held.since = time.Time{}
	if !slices.Contains(held.over, attempt) {
		held.over = append(held.over, attempt)
	}
	return held.attempt
}

// heldFor returns for how long no attempt but this process's own can have been confirmed, as far as this process knows;
// alone tells that there never was another.
func (c *Controller) heldFor(s *scope) (since time.Duration, alone bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	held := c.hold(s.backup.UID)
	if held.attempt == s.status().Attempt && len(held.over) == 0 {
		return 0, true
	}
	if held.since.IsZero() {
		held.since = c.Clock.Now()
	}
	return c.Clock.Since(held.since), false
}

// waitedFor returns how long the run has waited for its location in this process: that there was none before, or that
// it was away, is not the location's fault.
func (c *Controller) waitedFor(s *scope) time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	held := c.hold(s.backup.UID)
	if held.asked.IsZero() {
		held.asked = c.Clock.Now()
	}
	from := held.asked
	if held.since.After(from) {
		from = held.since
	}
	return c.Clock.Since(from)
}
