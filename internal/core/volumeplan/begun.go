package volumeplan

import (
	"cmp"

	"github.com/soda-cdm/kahu/internal/core"
)

// begunOf returns what earlier attempts have begun, by claim. What they did not write down of a claim is taken from the claim that
// is there, if it is the same one.
func begunOf(facts Facts) map[core.Key]Decision {
	begun := map[core.Key]Decision{}
	for _, decision := range facts.Begun {
		begun[decision.Claim.Key()] = decision
	}
	for i := range facts.Claims {
		now := &facts.Claims[i]
		if was, is := begun[now.Key()]; is {
			was.Claim.learn(now)
			begun[now.Key()] = was
		}
	}
	return begun
}

// learn adds what is not known of a claim, and is not known of another one of its name.
func (c *Claim) learn(now *Claim) {
	if now.Gone || now.Unreadable != "" || c.UID != now.UID || c.Volume != now.Volume {
		return
	}
	known := *c
	*c = *now
	c.Driver, c.Handle, c.StorageClass = cmp.Or(known.Driver, now.Driver), cmp.Or(known.Handle, now.Handle), cmp.Or(known.StorageClass, now.StorageClass)
	c.Size, c.Mode = cmp.Or(known.Size, now.Size), cmp.Or(known.Mode, now.Mode)
}
