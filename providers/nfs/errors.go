package nfs

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/soda-cdm/kahu/provider"
	"github.com/soda-cdm/kahu/providers/nfs/internal/nfs3"
	"github.com/soda-cdm/kahu/providers/nfs/internal/rpc"
	"github.com/soda-cdm/kahu/providers/nfs/internal/xdr"
)

// errLink means that a symbolic link stands where a folder is needed, and errOther that something else does.
var (
	errLink  = errors.New("a symbolic link, which is not followed, stands in place of a folder")
	errOther = errors.New("in a file system a name is an object or a folder, and here it is the other one")
)

// answers are the errors below that mean a class of errors, and what a person can do.
type answers struct {
	class  error
	advice string
	errs   []error
}

// exportAdvice is for a server that has nothing for who asks.
const exportAdvice = "export it under this very path, to the address of the provider, with sec=sys and with the option " +
	"insecure, or let the provider use reserved ports"

func classes() []answers {
	return []answers{
		{class: provider.ErrNotFound, errs: []error{nfs3.ErrNoEnt}},
		{
			class: provider.ErrResourceExhausted, advice: "make room on the server, or raise the quota there",
			errs: []error{nfs3.ErrNoSpace, nfs3.ErrDQuota, nfs3.ErrFBig},
		},
		{
			class:  provider.ErrPermissionDenied,
			advice: "let the user and the group of the location write in its folder, on an export that is not read-only",
			errs:   []error{nfs3.ErrPerm, nfs3.ErrAccess, nfs3.ErrReadOnly},
		},
		{
			class: provider.ErrPermissionDenied, advice: exportAdvice,
			errs: []error{nfs3.ErrMountPerm, nfs3.ErrMountAccess},
		},
		{class: provider.ErrInvalidArgument, errs: []error{nfs3.ErrNameTooLong, nfs3.ErrInval}},
		{
			class: provider.ErrFailedPrecondition, advice: "make the folder on the server and export it, or correct the location",
			errs: []error{nfs3.ErrMountNoEnt, nfs3.ErrMountNotDir, nfs3.ErrNoMountService},
		},
		{
			class: provider.ErrFailedPrecondition,
			errs: []error{
				nfs3.ErrNotDir, nfs3.ErrIsDir, nfs3.ErrExist, nfs3.ErrNotEmpty, nfs3.ErrXDev, nfs3.ErrMLink, nfs3.ErrNotSupp,
				errLink, errOther,
			},
		},
		{
			class: provider.ErrUnavailable,
			errs: []error{
				nfs3.ErrIO, nfs3.ErrStale, nfs3.ErrBadHandle, nfs3.ErrNXIO, nfs3.ErrNoDev, nfs3.ErrServerFault, nfs3.ErrJukebox,
				nfs3.ErrBadCookie, rpc.ErrLost, xdr.ErrMalformed,
			},
		},
	}
}

// classify wraps an error of the server with what was being done, with its class, and with what a person can do. What
// has a class already keeps it.
func classify(ctx context.Context, doing string, err error) error {
	if ended := ctx.Err(); ended != nil {
		return fmt.Errorf("%s: %w", doing, context.Cause(ctx))
	}
	if hasClass(err) {
		return fmt.Errorf("%s: %w", doing, err)
	}
	if refused, ok := errors.AsType[*rpc.RefusedError](err); ok {
		if refused.Auth {
			return fmt.Errorf("%s: %w: %s: %w", doing, err, exportAdvice, provider.ErrPermissionDenied)
		}
		return fmt.Errorf("%s: %w: %w", doing, err, provider.ErrFailedPrecondition)
	}
	for _, known := range classes() {
		if !slices.ContainsFunc(known.errs, func(e error) bool { return errors.Is(err, e) }) {
			continue
		}
		if known.advice != "" {
			err = fmt.Errorf("%w: %s", err, known.advice)
		}
		return fmt.Errorf("%s: %w: %w", doing, err, known.class)
	}
	return fmt.Errorf("%s: %w", doing, err)
}

// hasClass tells whether an error is of a class already.
func hasClass(err error) bool {
	return slices.ContainsFunc([]error{
		provider.ErrNotFound, provider.ErrAlreadyExists, provider.ErrFailedPrecondition, provider.ErrUnavailable,
		provider.ErrDataLoss, provider.ErrInvalidArgument, provider.ErrPermissionDenied, provider.ErrResourceExhausted,
	}, func(class error) bool { return errors.Is(err, class) })
}

// isStale tells whether an error means that a folder or file that was there is gone.
func isStale(err error) bool {
	return errors.Is(err, nfs3.ErrStale) || errors.Is(err, nfs3.ErrBadHandle)
}

// isVanished tells whether an error means that something is not there, or not any more.
func isVanished(err error) bool { return isStale(err) || errors.Is(err, nfs3.ErrNoEnt) }

// isAbsent tells whether an error of a walk means that there is no such object.
func isAbsent(err error) bool {
	return errors.Is(err, nfs3.ErrNoEnt) || errors.Is(err, nfs3.ErrNotDir) || errors.Is(err, errOther)
}

// isInTheWay tells whether an error means that something stands in the place of an object or folder.
func isInTheWay(err error) bool {
	return slices.ContainsFunc([]error{
		nfs3.ErrExist, nfs3.ErrIsDir, nfs3.ErrNotDir, nfs3.ErrNotEmpty, errLink, errOther,
	}, func(e error) bool { return errors.Is(err, e) })
}
