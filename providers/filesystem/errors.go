package filesystem

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"syscall"

	"github.com/soda-cdm/kahu/provider"
)

// classify wraps an error of the file system with what was being done, and with the class that it is of. What has a
// class already keeps it.
func classify(doing string, err error) error {
	class := classOf(err)
	if class == nil || errors.Is(err, provider.ErrFailedPrecondition) || errors.Is(err, provider.ErrDataLoss) {
		return fmt.Errorf("%s: %w", doing, err)
	}
	return fmt.Errorf("%s: %w: %w", doing, err, class)
}

// classOf returns the class of an error of the file system, or nil.
func classOf(err error) error {
	var errno syscall.Errno
	if !errors.As(err, &errno) {
		return classOfEscape(err)
	}
	for _, c := range classes() {
		if slices.Contains(c.errnos, errno) {
			return c.class
		}
	}
	return nil
}

// numbers are the numbers of the system that mean a class of errors.
type numbers struct {
	class  error
	errnos []syscall.Errno
}

func classes() []numbers {
	return []numbers{
		{provider.ErrNotFound, []syscall.Errno{syscall.ENOENT}},
		{provider.ErrResourceExhausted, []syscall.Errno{syscall.ENOSPC, syscall.EDQUOT, syscall.EFBIG}},
		{provider.ErrPermissionDenied, []syscall.Errno{syscall.EACCES, syscall.EPERM, syscall.EROFS}},
		{provider.ErrInvalidArgument, []syscall.Errno{syscall.ENAMETOOLONG}},
		{provider.ErrFailedPrecondition, []syscall.Errno{
			syscall.ENOTDIR, syscall.EISDIR, syscall.ENOTEMPTY, syscall.ELOOP, syscall.EXDEV, syscall.EMLINK, syscall.ENOTSUP,
		}},
		// A disk or a share that does not answer, or a process that has too many files open.
		{provider.ErrUnavailable, []syscall.Errno{
			syscall.EIO, syscall.ESTALE, syscall.ETIMEDOUT, syscall.EBUSY, syscall.ENODEV, syscall.ENXIO, syscall.ENOTCONN,
			syscall.EHOSTDOWN, syscall.EHOSTUNREACH, syscall.EMFILE, syscall.ENFILE,
		}},
	}
}

// classOfEscape returns the class of what os.Root refuses itself, without asking the system: a symbolic link that leads
// out of the location. Such an error has the operation around it and no number of the system in it.
func classOfEscape(err error) error {
	var onPath *fs.PathError
	var onLink *os.LinkError
	if errors.As(err, &onPath) || errors.As(err, &onLink) {
		return provider.ErrPermissionDenied
	}
	return nil
}

// isInTheWay tells whether an error means that a file stands where a folder is needed, or the other way round.
func isInTheWay(err error) bool {
	return errors.Is(err, syscall.ENOTDIR) || errors.Is(err, syscall.EISDIR) || errors.Is(err, fs.ErrExist)
}

// isUnsupported tells whether an error means that the file system has no such operation.
func isUnsupported(err error) bool {
	return errors.Is(err, syscall.EINVAL) || errors.Is(err, syscall.ENOTSUP)
}

// closeQuietly closes what has only been read from.
func closeQuietly(closer io.Closer) { _ = closer.Close() }
