// Package verification reads backups back when somebody asks for it.
//
// The question is the annotation kahu.io/verify of a Backup, of a view too; each new value asks once. The answer is the
// condition Verified and status.verification, which carries the value as its token. What is written into the status is
// enough for another process to go on: a question without an answer is asked again.
package verification

import (
	"context"
	"hash/fnv"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	"github.com/soda-cdm/kahu/internal/controller/place"
	"github.com/soda-cdm/kahu/internal/core/archive"
	"github.com/soda-cdm/kahu/internal/engine"
	"github.com/soda-cdm/kahu/internal/engine/verify"
	"github.com/soda-cdm/kahu/internal/reconcile"
)

const (
	// workers is how many objects are reconciled at once.
	workers = 4
	// waitTime is how soon a question that waits for its location is looked at again.
	waitTime = 5 * time.Second
	// AtOnce is how many backups are read back at once, in all; those at one location leave a place to the others.
	AtOnce = 2
	// maxToken bounds a token, in bytes.
	maxToken = 253
)

// Tasks are the backups that are being read in this process.
type Tasks = reconcile.Tasks[engine.Progress, verify.Result]

// Runner reads backups.
type Runner interface {
	// Run reads one, and returns what is damaged.
	Run(ctx context.Context, request verify.Request, files engine.FileReader) (verify.Result, error)
}

// Controller answers the questions.
type Controller struct {
	// Client reads and writes Kahu's own kinds.
	Client client.Client
	// Finder finds the files of locations.
	Finder *place.Finder
	// Runner reads backups, Tasks keeps those that are being read.
	Runner Runner
	Tasks  *Tasks
	// ClusterID tells what cluster this is.
	ClusterID string
	// Changed is told of each status that was written, with the object as it was before; it may be nil.
	Changed func(before, after *kahuv1.Backup)
	// Clock gives times.
	Clock clock.PassiveClock
}

type scope struct {
	backup *kahuv1.Backup
	files  place.Files // set by findFiles
	known  string      // the id of the location, set with files
	keys   engine.Keys // set with files
}

// answer returns where the answer goes; it is there once the question was taken up.
func (s *scope) answer() *kahuv1.BackupVerification { return s.backup.Status.Verification }

// named returns what goes into the queue: the name alone.
func (s *scope) named() client.Object {
	return &metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{Name: s.backup.Name, UID: s.backup.UID}}
}

// token returns what the question says, or nothing where there is none.
func (s *scope) token() string {
	return reconcile.Bounded(s.backup.Annotations[kahuv1.AnnotationVerify], maxToken)
}

// isTaken tells whether the answer is one to the present question.
func (s *scope) isTaken() bool { return s.answer() != nil && s.answer().Token == s.token() }

// Loop returns the controller as a loop of steps. The conditions Ready, Reconciling and Stalled are those of the run.
func (c *Controller) Loop() *reconcile.Loop[*kahuv1.Backup, *scope] {
	return &reconcile.Loop[*kahuv1.Backup, *scope]{
		Client:  c.Client,
		New:     func() *kahuv1.Backup { return &kahuv1.Backup{} },
		Scope:   func(backup *kahuv1.Backup) *scope { return &scope{backup: backup} },
		Changed: c.Changed,
		Release: c.Tasks.Release,
		Steps: []reconcile.Step[*scope]{
			{Name: "leaving what nobody asks", Do: c.leaveUnasked},
			{Name: "ending an earlier question", Do: c.endEarlier},
			{Name: "taking the question", Do: c.take},
			{Name: "waiting for the run", Do: c.awaitRun},
			{Name: "reading", Do: c.read},
			{Name: "answering", Do: c.conclude},
		},
	}
}

// SetUp registers the controller and its tasks with the manager.
func (c *Controller) SetUp(manager ctrl.Manager) error {
	built, err := c.Tasks.SetUp(manager, "verification", &kahuv1.Backup{}, workers)
	if err != nil {
		return err
	}
	return built.Complete(c.Loop())
}

// leaveUnasked ends the pass where there is no question, or it has its answer.
func (c *Controller) leaveUnasked(_ context.Context, s *scope) error {
	unasked := s.token() == "" || !s.backup.DeletionTimestamp.IsZero()
	if answered := s.isTaken() && s.answer().Time != nil; !unasked && !answered {
		return nil
	}
	if !c.Tasks.Cancel(s.backup.UID) {
		return reconcile.Waiting(kahuv1.ReasonVerifying, "the reading is being stopped", 0)
	}
	c.Tasks.Forget(s.backup.UID)
	if unasked && s.answer() != nil && s.answer().Time == nil {
		s.backup.Status.Verification = nil // Nobody wants to know any more.
		s.say(metav1.ConditionUnknown, kahuv1.ReasonPending, "The question was taken back before it had its answer.")
	}
	return reconcile.ErrDone
}

// endEarlier stops the task of a question that another one has replaced.
func (c *Controller) endEarlier(_ context.Context, s *scope) error {
	if s.isTaken() {
		return nil
	}
	if !c.Tasks.Cancel(s.backup.UID) {
		return reconcile.Waiting(kahuv1.ReasonVerifying, "the reading for an earlier question is being stopped", 0)
	}
	c.Tasks.Forget(s.backup.UID)
	return nil
}

// take writes the question into the status, and answers one that cannot be understood. The pass ends with it, and the next
// one reads: a pass that has not heard yet that the question is on record would take the reading for that of an earlier one.
func (c *Controller) take(_ context.Context, s *scope) error {
	if s.isTaken() {
		return nil
	}
	text := s.backup.Annotations[kahuv1.AnnotationVerifySample]
	sample, err := sampleOf(text, s.token())
	s.backup.Status.Verification = &kahuv1.BackupVerification{
		Token: s.token(), StartTime: &metav1.Time{Time: c.Clock.Now()},
	}
	if err != nil {
		s.finish(c.Clock.Now())
		s.say(metav1.ConditionUnknown, kahuv1.ReasonInvalidSample, kahuv1.AnnotationVerifySample+": "+err.Error())
		return reconcile.ErrDone
	}
	if !sample.Whole() {
		s.answer().Sampled, s.answer().Seed = text, int64(sample.Seed) //nolint:gosec // It has 32 bits.
	}
	return reconcile.ErrDone
}

// awaitRun ends the pass while the backup is being made: the end of the run wakes the next one.
func (c *Controller) awaitRun(_ context.Context, s *scope) error {
	if s.backup.Status.Stage == kahuv1.StageFinished {
		return nil
	}
	s.say(metav1.ConditionUnknown, kahuv1.ReasonBackupNotFinished, "The backup is read when its run is over.")
	return reconcile.ErrDone
}

// id returns the backup's name in its store.
func (c *Controller) id(s *scope) archive.BackupID {
	if origin := s.backup.Spec.Origin; origin != nil {
		return archive.BackupID{ClusterID: origin.ClusterID, Name: origin.Name, UID: origin.UID}
	}
	return archive.BackupID{ClusterID: c.ClusterID, Name: s.backup.Name, UID: string(s.backup.UID)}
}

// seedOf returns what a token chooses its sample by.
func seedOf(token string) uint64 {
	hash := fnv.New32a()
	_, _ = hash.Write([]byte(token))
	return uint64(hash.Sum32())
}
