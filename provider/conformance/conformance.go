// Package conformance shows whether a driver keeps the promises of the provider contract.
//
// The suite is a list of checks, each with a stable name that says what is wrong when it fails. Run runs it as a Go
// test, Execute runs a single check without one; the command kahu-provider-conformance runs it against a socket.
//
// A check that needs a capability which the driver does not name is skipped, and says so. A driver that names none of
// the capabilities for metadata (List, Stat, ...) is taken for an old one: its names have no folders then, and what
// the old contract did not promise is skipped, too.
//
// Every check works below a name of its own, and removes what it has stored.
package conformance

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"google.golang.org/grpc"

	"github.com/soda-cdm/kahu/provider"
)

// CheckTimeout limits one check.
const CheckTimeout = 2 * time.Minute

// T is what a check reports to. A *testing.T is one.
type T interface {
	// Helper marks the calling function as one that failures are not reported for.
	Helper()
	// Errorf reports a failure and goes on.
	Errorf(format string, args ...any)
	// Fatalf reports a failure and ends the goroutine of the check.
	Fatalf(format string, args ...any)
	// Skipf says why the check does not apply and ends its goroutine.
	Skipf(format string, args ...any)
}

// Target is the driver under test.
type Target struct {
	// Driver is the driver, in the same process or a client of one. Nil means a client of Endpoint.
	Driver provider.Driver
	// Endpoint is where the driver is served, as for provider.Dial. The checks of the wire make connections of their
	// own there; where it is empty they are skipped.
	Endpoint string
	// DialOptions are for connections to Endpoint.
	DialOptions []grpc.DialOption
	// Attributes are those of the backup location that the checks write to. They must be right: wrong ones fail every
	// check.
	Attributes provider.Attributes
	// CallTime is how long the driver may take for one answer, or for one piece of a content: a call that takes longer
	// is given up, and its check fails and names it. Zero means DefaultCallTime.
	CallTime time.Duration
	// Volumes are what a driver of volumes backs up and restores.
	Volumes Volumes
}

// Check is one promise of the contract.
type Check struct {
	// Name is stable, of the form subject/promise.
	Name string
	// Promise says what the check expects, as a sentence.
	Promise string
	// Needs are the capabilities without which the check is skipped.
	Needs []provider.Capability

	wire     bool // Needs an endpoint.
	modern   bool // Needs a driver that names at least one of the capabilities for metadata.
	volumes  bool // Is about volumes.
	identity bool // Is about every driver.
	run      func(ctx context.Context, s *session)
}

// Checks returns all checks, in the order in which they are to be run.
func Checks() []Check {
	return slices.Concat(identityChecks(), contentChecks(), nameChecks(), missingChecks(), overwriteChecks(),
		createChecks(), deleteChecks(), listChecks(), statChecks(), rangeChecks(), interruptedChecks(),
		parallelChecks(), contextChecks(), wireChecks(), volumeChecks())
}

// Run runs all checks as subtests. It asks for a target before each; it may be the same each time.
func Run(t *testing.T, newTarget func(t *testing.T) Target) {
	t.Helper()
	for _, check := range Checks() {
		t.Run(check.Name, func(t *testing.T) {
			check.Run(t.Context(), t, newTarget(t))
		})
	}
}

// Run runs the check, at most for CheckTimeout, and removes what it has stored.
func (c Check) Run(ctx context.Context, t T, target Target) {
	t.Helper()
	ctx, cancel := context.WithTimeout(ctx, CheckTimeout)
	defer cancel()
	limit := target.CallTime
	if limit == 0 {
		limit = DefaultCallTime
	}
	behind := target.Driver
	if behind == nil {
		connection, err := provider.Dial(target.Endpoint, target.DialOptions...)
		if err != nil {
			t.Fatalf("connecting to the driver: %v", err)
		}
		defer closeQuietly(connection)
		behind = provider.NewClient(connection)
	}
	answering := &patient{driver: behind, limit: limit}
	if r, ok := t.(*recorder); ok {
		defer func() { r.hangs(answering.hangs()) }()
	}
	s := &session{T: t, target: target, behind: behind, driver: answering, attributes: target.Attributes}
	s.volumes, _ = behind.(provider.VolumeStore)
	s.begin(ctx, c)
	defer s.cleanUp(ctx)
	c.run(ctx, s)
}

// Outcome is how a check ended.
type Outcome string

// The outcomes.
const (
	Passed  Outcome = "pass"
	Failed  Outcome = "fail"
	Skipped Outcome = "skip"
)

// Result is the end of a check.
type Result struct {
	// Outcome is how it ended.
	Outcome Outcome
	// Messages are the failures, or the reason of a skip.
	Messages []string
	// Hangs is the rpc to which the driver gave no answer, if there is one: to run other checks is of no use then.
	Hangs string
}

// Execute runs one check against a target, without package testing.
func Execute(ctx context.Context, check Check, target Target) Result {
	r := &recorder{result: Result{Outcome: Passed}}
	done := make(chan struct{})
	go func() {
		defer close(done)
		check.Run(ctx, r, target)
	}()
	<-done
	return r.end()
}

// applies returns why the check does not apply to a driver with these capabilities, or nil.
func (c Check) applies(capabilities []provider.Capability, target Target) error {
	if c.wire && target.Endpoint == "" {
		return errors.New("the driver is in the same process, there is no wire")
	}
	if c.objects() && onlyVolumes(capabilities) {
		return errors.New("the driver backs up volumes, and stores no objects")
	}
	if c.modern && !isModern(capabilities) {
		return errors.New("the old contract does not promise this, and the driver names no newer capability")
	}
	for _, need := range c.Needs {
		if !slices.Contains(capabilities, need) {
			return fmt.Errorf("the driver does not name the capability %s", need)
		}
	}
	return nil
}

// objects tells whether the check is about the objects that a driver stores.
func (c Check) objects() bool { return !c.volumes && !c.identity }

// onlyVolumes tells whether a driver backs up volumes, and stores no objects.
func onlyVolumes(capabilities []provider.Capability) bool {
	return slices.Contains(capabilities, provider.CapabilityVolumeBackup) && !slices.Contains(capabilities, provider.CapabilityMetaBackup)
}

// isModern tells whether a driver speaks more than the old contract.
func isModern(capabilities []provider.Capability) bool {
	newer := []provider.Capability{
		provider.CapabilityList, provider.CapabilityStat, provider.CapabilityRangeDownload,
		provider.CapabilityCreateIfAbsent, provider.CapabilityAtomicOverwrite, provider.CapabilityObjectLock,
	}
	return slices.ContainsFunc(capabilities, func(capability provider.Capability) bool {
		return slices.Contains(newer, capability)
	})
}
