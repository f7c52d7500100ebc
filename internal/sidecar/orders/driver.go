package orders

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	"github.com/soda-cdm/kahu/internal/core/volumeorder"
	"github.com/soda-cdm/kahu/provider"
)

// maxMessageBytes is the limit of the API for a failureReason.
const maxMessageBytes = 4096

// The reasons that the driver gives.
const (
	// reasonFailed: the driver gave an error without a class.
	reasonFailed = "ProviderFailed"
	// reasonLost: the driver knows nothing of the work any more.
	reasonLost = "Lost"
)

// ask has something asked of the driver, with what it is to know of the location, bounded. No credential is in the error.
func (p *pass) ask(ctx context.Context, what func(ctx context.Context, with call) error) error {
	ctx, cancel := context.WithTimeout(ctx, p.options.Limits.CallTimeout)
	defer cancel()
	with := call{}
	if p.location != "" {
		var err error
		if with.attributes, with.secrets, err = p.options.Places.Place(ctx, p.location); err != nil {
			return err
		}
	}
	return with.secrets.Clean(what(ctx, with))
}

// begin asks the driver to begin. One that is to end is begun to learn its handle, if it was begun before.
func (p *pass) begin(ctx context.Context, why volumeorder.Cause) (ctrl.Result, error) {
	if why.Reason != "" && !p.ended() && p.tooLong() {
		return p.fail(ctx, unconfirmed(why, p.away))
	}
	if p.away != nil {
		return p.wait(ctx, kahuv1.ReasonProviderUnavailable, p.away)
	}
	err := p.ask(ctx, func(ctx context.Context, with call) error {
		with.ending = why.Reason != ""
		return p.work.begin(ctx, with)
	})
	switch {
	case err != nil && passing(err):
		return p.wait(ctx, kahuv1.ReasonProviderUnavailable, err)
	case err != nil:
		return p.fail(ctx, volumeorder.Cause{Reason: reasonOf(err), Message: "Beginning: " + err.Error()})
	}
	p.track.move(p.now)
	p.status.Phase = kahuv1.VolumePhaseInProgress
	p.status.Progress.LastTimestamp = metav1.NewMicroTime(p.now)
	p.status.Reason, p.status.FailureReason = "", ""
	return p.write(ctx)
}

// look asks the driver how far it is, and writes that down.
func (p *pass) look(ctx context.Context) (ctrl.Result, error) {
	if p.away != nil {
		return p.wait(ctx, kahuv1.ReasonProviderUnavailable, p.away)
	}
	stat, err := p.stat(ctx)
	switch {
	case errors.Is(err, provider.ErrNotFound):
		return p.fail(ctx, volumeorder.Cause{Reason: reasonLost, Message: "The driver knows nothing of the work any more: " + err.Error()})
	case err != nil:
		return p.wait(ctx, reasonOf(err), err)
	}
	p.progress(stat)
	switch stat.State {
	case provider.VolumeSucceeded:
		return p.complete(ctx)
	case provider.VolumeFailed:
		return p.fail(ctx, volumeorder.Cause{Reason: reasonOf(stat.Err), Message: stat.Err.Error()})
	case provider.VolumeCancelled:
		return p.fail(ctx, volumeorder.Cause{Reason: volumeorder.ReasonCancelled, Message: "The driver says that the work was cancelled."})
	case provider.VolumeRunning:
	}
	return p.goOn(ctx)
}

// goOn tells that the work goes on, not too often, and looks again later.
func (p *pass) goOn(ctx context.Context) (ctrl.Result, error) {
	pause := p.track.later(p.now)
	waited := p.status.Reason != ""
	p.status.Reason, p.status.FailureReason = "", ""
	if waited || p.moved && p.now.Sub(p.track.told) >= tellEvery {
		if _, err := p.write(ctx); err != nil {
			return ctrl.Result{}, err
		}
	}
	return ctrl.Result{RequeueAfter: pause}, nil
}

// stat asks the driver how far it is.
func (p *pass) stat(ctx context.Context) (stat provider.VolumeStat, err error) {
	err = p.ask(ctx, func(ctx context.Context, with call) error {
		stat, err = p.work.stat(ctx, with)
		stat.Err = with.secrets.Clean(stat.Err)
		return err
	})
	return stat, err
}

// progress puts progress into the status.
func (p *pass) progress(stat provider.VolumeStat) {
	now := kahuv1.VolumeProgress{BytesDone: stat.BytesDone, BytesTotal: stat.BytesTotal}
	percent := int32(stat.Percent) //nolint:gosec // Between 0 and 100.
	now.Percent = &percent
	before := &p.status.Progress
	same := equal(before.BytesDone, now.BytesDone) && equal(before.BytesTotal, now.BytesTotal) && equal(before.Percent, now.Percent)
	if same {
		return
	}
	if seen := (figures{value(stat.BytesDone), value(stat.BytesTotal), int64(stat.Percent)}); seen != p.track.seen {
		p.track.seen = seen
		p.track.move(p.now)
	}
	now.LastTimestamp = metav1.NewMicroTime(p.track.moved)
	*before = now
	p.moved = true
}

// figures are what a driver tells of its progress.
type figures struct{ done, total, percent int64 }

// value returns a number, -1 for none.
func value(number *int64) int64 {
	if number == nil {
		return -1
	}
	return *number
}

// equal tells whether two numbers that may be absent are the same.
func equal[T comparable](a, b *T) bool {
	return a == b || a != nil && b != nil && *a == *b
}

// cancel asks the driver to end the work, and looks whether it has.
func (p *pass) cancel(ctx context.Context, why volumeorder.Cause) (ctrl.Result, error) {
	if p.tooLong() {
		return p.fail(ctx, unconfirmed(why, p.away))
	}
	if p.away != nil {
		return p.wait(ctx, kahuv1.ReasonProviderUnavailable, p.away)
	}
	confirmed, err := p.askToEnd(ctx)
	if err != nil {
		return p.wait(ctx, reasonOf(err), fmt.Errorf("ending the work: %w", err))
	}
	if confirmed {
		return p.fail(ctx, why)
	}
	stat, err := p.stat(ctx)
	if err != nil && !errors.Is(err, provider.ErrNotFound) {
		return p.wait(ctx, reasonOf(err), err)
	}
	return p.hasEnded(ctx, why, stat)
}

// hasEnded writes down how work ended that was asked to, or looks again later. Work without a state is not known any more.
func (p *pass) hasEnded(ctx context.Context, why volumeorder.Cause, stat provider.VolumeStat) (ctrl.Result, error) {
	switch stat.State {
	case provider.VolumeRunning:
		return ctrl.Result{RequeueAfter: p.track.later(p.now)}, nil
	case provider.VolumeSucceeded: // It was quicker.
		p.progress(stat)
		return p.complete(ctx)
	case provider.VolumeFailed:
		why.Message += " The driver says: " + stat.Err.Error()
	case provider.VolumeCancelled:
	}
	return p.fail(ctx, why)
}

// askToEnd asks the driver to end the work. One that does not tell states has ended it when it says that it succeeded.
func (p *pass) askToEnd(ctx context.Context) (confirmed bool, err error) {
	err = p.ask(ctx, func(ctx context.Context, with call) error {
		if err := p.work.cancel(ctx, with); err != nil {
			return err
		}
		capabilities, err := p.options.Driver.Capabilities(ctx)
		confirmed = err == nil && !slices.Contains(capabilities, provider.CapabilityVolumeState)
		return err
	})
	return confirmed, err
}

// tooLong tells whether the order is being ended for longer than is waited for.
func (p *pass) tooLong() bool {
	if p.track.ending.IsZero() {
		p.track.ending = p.now
	}
	return p.now.Sub(p.track.ending) >= p.options.Limits.CancelTimeout
}

// unconfirmed adds to the cause that nobody knows whether the work goes on.
func unconfirmed(why volumeorder.Cause, away error) volumeorder.Cause {
	why.Message += " It may go on: " + errUnconfirmed.Error() + "."
	if away != nil {
		why.Message += " The driver is away: " + away.Error()
	}
	return why
}

// remove has the driver remove the data, and lets the object go.
func (p *pass) remove(ctx context.Context) (ctrl.Result, error) {
	if p.away != nil {
		return p.wait(ctx, kahuv1.ReasonProviderUnavailable, p.away)
	}
	if p.status.Phase != kahuv1.VolumePhaseDeleting {
		p.status.Phase = kahuv1.VolumePhaseDeleting
		return p.write(ctx)
	}
	if err := p.ask(ctx, p.work.remove); err != nil {
		return p.wait(ctx, reasonOf(err), fmt.Errorf("removing the data: %w", err))
	}
	return p.release(ctx)
}

// passing tells whether an error may go by itself.
func passing(err error) bool {
	return errors.Is(err, provider.ErrUnavailable) || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled)
}

// reasonOf returns one word for the class of an error.
func reasonOf(err error) string {
	for _, each := range []struct {
		class error
		word  string
	}{
		{provider.ErrUnavailable, kahuv1.ReasonProviderUnavailable},
		{context.DeadlineExceeded, kahuv1.ReasonProviderUnavailable},
		{context.Canceled, kahuv1.ReasonProviderUnavailable},
		{provider.ErrNotFound, "NotFound"},
		{provider.ErrAlreadyExists, "AlreadyExists"},
		{provider.ErrPermissionDenied, "PermissionDenied"},
		{provider.ErrUnauthenticated, "Unauthenticated"},
		{provider.ErrResourceExhausted, "ResourceExhausted"},
		{provider.ErrFailedPrecondition, "FailedPrecondition"},
		{provider.ErrInvalidArgument, "InvalidArgument"},
		{provider.ErrUnimplemented, "Unimplemented"},
		{provider.ErrDataLoss, "DataLoss"},
	} {
		if errors.Is(err, each.class) {
			return each.word
		}
	}
	return reasonFailed
}

// noCredentials refuses an identity that has a credential of the location in it: a status is no place for one.
func noCredentials(secrets provider.Redactor, handle string, attributes map[string]string) error {
	texts := []string{handle}
	for key, value := range attributes {
		texts = append(texts, key, value)
	}
	for _, text := range texts {
		if was := errors.New(text); secrets.Clean(was).Error() != text {
			return errors.New("the driver put a credential into what it wants to be given back, which would show it in the status")
		}
	}
	return nil
}

// bounded returns a text that fits into a status.
func bounded(text string) string {
	text = strings.ToValidUTF8(text, "")
	if len(text) > maxMessageBytes {
		text = strings.ToValidUTF8(text[:maxMessageBytes], "")
	}
	return text
}
