package provider

import (
	"context"
	"errors"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// The classes of errors. A driver wraps one of them with what it was doing and what a person can do; whoever acts on
// an error asks with errors.Is, on both sides of a connection. An error without a class is a fault of the driver.
// Besides these, context.Canceled and context.DeadlineExceeded go over a connection, too.
var (
	// ErrNotFound: there is no object of that name.
	ErrNotFound = errors.New("not found")
	// ErrAlreadyExists: there is an object of that name, and it was to be created.
	ErrAlreadyExists = errors.New("already exists")
	// ErrPermissionDenied: the store knows who asks, and refuses.
	ErrPermissionDenied = errors.New("permission denied")
	// ErrUnauthenticated: the store does not accept the credentials.
	ErrUnauthenticated = errors.New("unauthenticated")
	// ErrResourceExhausted: there is no space or no quota left.
	ErrResourceExhausted = errors.New("resource exhausted")
	// ErrUnavailable: the store or the driver cannot be reached or cannot answer now; later it may.
	ErrUnavailable = errors.New("unavailable")
	// ErrFailedPrecondition: a person must change something about the store first.
	ErrFailedPrecondition = errors.New("failed precondition")
	// ErrInvalidArgument: the call is wrong, and would be refused again.
	ErrInvalidArgument = errors.New("invalid argument")
	// ErrUnimplemented: the driver has no such function.
	ErrUnimplemented = errors.New("unimplemented")
	// ErrDataLoss: what is stored is damaged.
	ErrDataLoss = errors.New("data loss")
)

// maxMessageBytes limits the message of a status, as it travels in a header.
const maxMessageBytes = 4096

// ToStatus returns the gRPC status error for an error of a driver, with the same message, cut at 4,096 bytes. An
// error without a class becomes Internal, nil stays nil.
func ToStatus(err error) error {
	if err == nil {
		return nil
	}
	message := err.Error()
	if len(message) > maxMessageBytes {
		message = message[:maxMessageBytes]
	}
	return status.Error(codeOf(err), message)
}

// FromStatus returns the error of this package for what a gRPC call returned, with the message of the status and
// nothing around it. Nil stays nil.
func FromStatus(err error) error {
	if err == nil {
		return nil
	}
	s := status.Convert(err)
	return &remoteError{class: classOf(s.Code()), message: s.Message()}
}

// remoteError is an error that came over a connection.
type remoteError struct {
	class   error
	message string
}

// Error returns the message of the other side, or the name of the class where there is none.
func (e *remoteError) Error() string {
	if e.message == "" && e.class != nil {
		return e.class.Error()
	}
	return e.message
}

// Unwrap returns the class, or nil.
func (e *remoteError) Unwrap() error { return e.class }

// pair is an error class and the code that it travels as.
type pair struct {
	class error
	code  codes.Code
}

// pairs returns the one table of classes and codes.
func pairs() []pair {
	return []pair{
		{ErrNotFound, codes.NotFound},
		{ErrAlreadyExists, codes.AlreadyExists},
		{ErrPermissionDenied, codes.PermissionDenied},
		{ErrUnauthenticated, codes.Unauthenticated},
		{ErrResourceExhausted, codes.ResourceExhausted},
		{ErrUnavailable, codes.Unavailable},
		{ErrFailedPrecondition, codes.FailedPrecondition},
		{ErrInvalidArgument, codes.InvalidArgument},
		{ErrUnimplemented, codes.Unimplemented},
		{ErrDataLoss, codes.DataLoss},
		{context.Canceled, codes.Canceled},
		{context.DeadlineExceeded, codes.DeadlineExceeded},
	}
}

// codeOf returns the code of the class that err wraps; of a status error, its own code.
func codeOf(err error) codes.Code {
	for _, p := range pairs() {
		if errors.Is(err, p.class) {
			return p.code
		}
	}
	if s, ok := status.FromError(err); ok {
		return s.Code()
	}
	return codes.Internal
}

// classOf returns the class that travels as the code, or nil where there is none.
func classOf(code codes.Code) error {
	for _, p := range pairs() {
		if p.code == code {
			return p.class
		}
	}
	return nil
}
