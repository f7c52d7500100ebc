package volumework

import (
	"fmt"
	"time"

	"github.com/soda-cdm/kahu/internal/core"
)

// State is what has become of the volume of a claim in a restore.
type State string

// The states.
const (
	// Going means that the volume is being made.
	Going State = "InProgress"
	// Done means that the claim has its volume, with the data of the backup.
	Done State = "Completed"
	// Lost means that the claim is not there with that data, and will not be.
	Lost State = "Failed"
	// Delayed means that the volume is made as soon as a pod uses the claim.
	Delayed State = "Waiting"
	// Untouched means that the claim was there already, with whatever data it has.
	Untouched State = "Existing"
	// Left means that the claim is not created: its pod makes it again, without that data.
	Left State = "Skipped"
	// Planned means that nobody has been told to make the volume: a dry run asks nobody, and a run that ends early had not come
	// so far.
	Planned State = "Planned"
)

// Restored is what has become of the volume of a claim in a restore.
type Restored struct {
	// Claim is its name in the cluster, Provider makes its volume, Way is how the data was backed up.
	Claim         core.Key
	Provider, Way string
	State         State
	// Message says why.
	Message string
	// BytesDone and BytesTotal are how much data the provider has dealt with, as far as it tells.
	BytesDone, BytesTotal int64
}

// Awaited are the claims that a restore has created, and for which it waits.
type Awaited struct {
	Claims []core.Key
	// Pods is for how long the first pod of a claim is waited for that gets its volume with that.
	Pods time.Duration
}

// Sight is what is to be seen of a claim whose volume is being made.
type Sight struct {
	// There tells that the claim is there, Bound that it has its volume, and Whole that it names one that was made before.
	There, Bound, Whole bool
	// Delayed tells that its class waits for the first pod, and Chosen that there is one, with a node.
	Delayed, Chosen bool
	// Ordered tells that the work order is there.
	Ordered bool
	// Waited is for how long the restore has waited, Still for how long nothing has changed, and Away for how long the provider
	// gives no sign of life.
	Waited, Still, Away time.Duration
}

// Limits bound the waiting for a volume.
type Limits struct {
	// Pods bounds Waited of claims whose volume is made with their first pod, Still and Away what is named so.
	Pods, Still, Away time.Duration
}

// Judge tells what follows for a claim whose order is not over, and why.
func (s Sight) Judge(limits Limits) (State, string) {
	switch {
	case !s.There:
		return Lost, "the claim was deleted before it had its volume"
	case !s.Ordered:
		return s.unordered()
	case s.Bound && s.Away >= limits.Away:
		return Done, "" // All that is left to do is to tidy up.
	case s.Delayed && !s.Chosen && !s.Bound:
		return s.podless(limits)
	case s.Away >= limits.Away:
		return Lost, fmt.Sprintf("its provider gave no sign of life for %s; its work order goes on", limits.Away)
	case s.Still >= limits.Still:
		return Lost, fmt.Sprintf("there was no progress for %s; its work order goes on", limits.Still)
	}
	return Going, ""
}

// unordered is Judge for a claim without an order.
func (s Sight) unordered() (State, string) {
	if s.Bound || s.Whole {
		return Done, ""
	}
	return Lost, "its work order was deleted before it had its volume"
}

// podless is Judge for a claim whose volume is made with its first pod, of which there is none.
func (s Sight) podless(limits Limits) (State, string) {
	if s.Waited < limits.Pods {
		return Going, "it waits for its first pod"
	}
	return Delayed, "its volume is made when a pod uses it"
}
