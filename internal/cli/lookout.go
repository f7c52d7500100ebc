package cli

import (
	"context"
	"fmt"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
)

const (
	// defaultQuiet is how long a command waits without news before it looks whether there is a manager.
	defaultQuiet = 5 * time.Second
	// lookTime bounds the look.
	lookTime = 5 * time.Second
	// leaseSeconds is the duration of a lease that does not say its own.
	leaseSeconds = 15
)

// lookout looks after the manager while a command waits and nothing changes: where none works, nothing ever will, and
// nobody else would say so. It says it once in a command, and nothing where the user may not read the lease.
type lookout struct {
	session *session
	from    client.Reader
	quiet   *time.Ticker
	pause   time.Duration

	// renewed is when the lease was renewed as it was seen last, and still how long it has been so. The times in a lease
	// are of the clock of another machine.
	renewed time.Time
	still   time.Duration
}

func (s *session) newLookout(from client.Reader) *lookout {
	pause := s.Quiet
	if pause <= 0 {
		pause = defaultQuiet
	}
	return &lookout{session: s, from: from, quiet: time.NewTicker(pause), pause: pause}
}

// news begins the time without news again.
func (l *lookout) news() { l.quiet.Reset(l.pause) }

// look looks for the manager, and says so where there is none.
func (l *lookout) look(ctx context.Context) {
	if l.session.lookedEnough {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, lookTime)
	defer cancel()
	lease := &coordinationv1.Lease{}
	err := l.from.Get(ctx, client.ObjectKey{Namespace: l.session.namespace, Name: kahuv1.ManagerLeaseName}, lease)
	switch {
	case apierrors.IsForbidden(err):
		l.session.lookedEnough = true
	case apierrors.IsNotFound(err):
		l.say("")
	case err == nil && l.isLost(&lease.Spec):
		l.say(" any more" + since(lease.Spec.RenewTime))
	}
}

// isLost tells whether nobody holds the lease: it was given back, or whoever had it does not renew it. That the time of the
// lease is over by this machine's clock counts only when it was not renewed since the last look.
func (l *lookout) isLost(lease *coordinationv1.LeaseSpec) bool {
	if ptr.Deref(lease.HolderIdentity, "") == "" || lease.RenewTime == nil {
		return true
	}
	if !lease.RenewTime.Time.Equal(l.renewed) {
		l.renewed, l.still = lease.RenewTime.Time, 0
		return false
	}
	l.still += l.pause
	duration := time.Duration(ptr.Deref(lease.LeaseDurationSeconds, leaseSeconds)) * time.Second
	return l.still >= duration || l.session.Clock.Now().After(l.renewed.Add(duration))
}

func since(renewed *metav1.MicroTime) string {
	if renewed == nil {
		return ""
	}
	return " since " + renewed.UTC().Format(time.RFC3339)
}

// say tells that there is no manager, and what to do.
func (l *lookout) say(gone string) {
	l.session.lookedEnough = true
	l.session.say(fmt.Sprintf("no manager holds the lease %s/%s%s, so nothing is being done: start one (`kahu manager`, or `kahu standalone`), "+
		"or see why it does not run; where Kahu's own namespace is another one, name it with --namespace; "+
		"a manager with --leader-elect=false holds no lease", l.session.namespace, kahuv1.ManagerLeaseName, gone))
}
