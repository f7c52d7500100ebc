package cluster

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/soda-cdm/kahu/internal/core"
)

// failure is a request that was not answered with 2xx. For errors.Is it is of one class of package core.
type failure struct {
	// code is the HTTP status, 0 where no whole answer came.
	code int
	// status is what the server said.
	status metav1.Status
	// advised tells that the server said when to come again, and advice after how long.
	advised bool
	advice  time.Duration
	// cause is why no whole answer came. It is not unwrapped: a deadline of one request is not the caller's.
	cause error
	// unsent tells that no connection came about, so that the server cannot have acted.
	unsent bool
	// brokeOff tells that the answer began well.
	brokeOff bool
}

// Error returns the class and the server's words.
func (f *failure) Error() string {
	return f.class().Error() + ": " + f.words()
}

// Is tells whether target is the failure's class.
func (f *failure) Is(target error) bool { return target == f.class() }

func (f *failure) words() string {
	switch {
	case f.cause == nil:
		return f.status.Message
	case errors.Is(f.cause, context.DeadlineExceeded):
		return "the API server did not answer in time"
	default:
		return f.cause.Error()
	}
}

func (f *failure) class() error {
	switch f.code {
	case 0, http.StatusTooManyRequests, http.StatusRequestTimeout:
		return core.ErrUnavailable
	case http.StatusUnauthorized:
		return core.ErrDenied
	case http.StatusForbidden:
		return f.classOfForbidden()
	case http.StatusNotFound:
		return f.classOfNotFound()
	case http.StatusConflict:
		return f.classOfConflict()
	case http.StatusGone:
		return core.ErrExpired
	case http.StatusMethodNotAllowed, http.StatusNotAcceptable, http.StatusNotImplemented:
		return core.ErrUnsupported
	}
	if f.code >= http.StatusInternalServerError {
		return core.ErrUnavailable
	}
	return core.ErrInvalid
}

// classOfForbidden tells a namespace that is going away, which passes, from a refusal, which stays.
func (f *failure) classOfForbidden() error {
	if f.hasCause(corev1.NamespaceTerminatingCause) {
		return core.ErrConflict
	}
	return core.ErrDenied
}

// classOfNotFound tells an object that is not there from a kind that is not served: the server names what it looked
// for only where it knows the kind.
func (f *failure) classOfNotFound() error {
	if f.status.Details != nil && f.status.Details.Name != "" {
		return core.ErrNotFound
	}
	return core.ErrUnsupported
}

func (f *failure) classOfConflict() error {
	if f.status.Reason == metav1.StatusReasonAlreadyExists {
		return core.ErrAlreadyExists
	}
	return core.ErrConflict
}

func (f *failure) hasCause(cause metav1.CauseType) bool {
	return f.status.Details != nil && slices.ContainsFunc(f.status.Details.Causes, func(c metav1.StatusCause) bool {
		return c.Type == cause
	})
}

// repeatable tells whether a request of the method may be sent again after this failure.
func (f *failure) repeatable(method string) bool {
	if f.unsent || f.code == http.StatusTooManyRequests {
		return true
	}
	if method == http.MethodPost {
		return f.code == http.StatusServiceUnavailable && f.advised ||
			f.code == http.StatusConflict && f.isAboutQuota()
	}
	return f.code == 0 || f.code >= http.StatusInternalServerError && f.code != http.StatusNotImplemented
}

// isAboutQuota tells whether what somebody else changed in the meantime is the count of a quota.
func (f *failure) isAboutQuota() bool {
	return f.status.Reason == metav1.StatusReasonConflict && f.status.Details != nil &&
		f.status.Details.Kind == "resourcequotas"
}

// wait returns the time until the next attempt: what the server advised, or twice the time before.
func (f *failure) wait(attempt int) time.Duration {
	if f.advised {
		return max(f.advice, firstWait)
	}
	const doublings = 10
	return min(firstWait<<min(attempt-1, doublings), longestWait)
}

// withoutContent returns an error about an object of the kind that quotes nothing of what was sent. A server's words
// can: validation and decoding quote values, and an admission webhook says what it likes. For Secrets only words
// whose origin is known are kept; the fields at fault and the reasons in any case.
func withoutContent(kind core.Kind, err error) error {
	failed := new(failure)
	if kind.Group != "" || kind.Resource != "secrets" || !errors.As(err, &failed) || failed.cause != nil {
		return err
	}
	if failed.quotesNothing() {
		return err
	}
	cut := *failed
	cut.status.Message = fmt.Sprintf("HTTP status %d %s%s (the API server's own words are left out, as they can "+
		"quote the Secret)", failed.code, failed.status.Reason, failed.faults())
	return &cut
}

// quotesNothing tells whether the server's words are about names, rights and counts alone.
func (f *failure) quotesNothing() bool {
	if strings.HasPrefix(f.status.Message, "admission webhook ") {
		return false
	}
	switch f.code {
	case http.StatusNotFound, http.StatusConflict, http.StatusGone, http.StatusTooManyRequests,
		http.StatusServiceUnavailable:
		return true
	case http.StatusForbidden:
		return f.hasCause(corev1.NamespaceTerminatingCause) || f.isAboutRights()
	}
	return false
}

// isAboutRights tells whether the refusal is the words of the authorizer or of a quota.
func (f *failure) isAboutRights() bool {
	name := ""
	if f.status.Details != nil {
		name = f.status.Details.Name
	}
	return strings.HasPrefix(f.status.Message, "secrets is forbidden: User ") ||
		strings.HasPrefix(f.status.Message, fmt.Sprintf("secrets %q is forbidden: exceeded quota: ", name)) ||
		strings.HasPrefix(f.status.Message, fmt.Sprintf("secrets %q is forbidden: User ", name))
}

// faults lists the fields at fault and what is wrong with each, without values: the causes that the server names,
// and the fields that it does not know.
func (f *failure) faults() string {
	var faults []string
	if f.status.Details != nil {
		for _, cause := range f.status.Details.Causes {
			faults = append(faults, fmt.Sprintf("%s %s", cause.Field, cause.Type))
		}
	}
	for rest := f.status.Message; strings.Contains(rest, unknownField); {
		_, rest, _ = strings.Cut(rest, unknownField)
		var field string
		field, rest, _ = strings.Cut(rest, `"`)
		faults = append(faults, fmt.Sprintf("unknown field %q", field))
	}
	if len(faults) == 0 {
		return ""
	}
	return ": " + strings.Join(faults, ", ")
}

// unknownField is how strict decoding begins to name a field that it does not know.
const unknownField = `unknown field "`
