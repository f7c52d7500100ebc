package provider

import (
	"context"
	"log/slog"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// LogFailures returns the options of a server that logs the calls that fail, one line each, with the reason. What is a
// regular part of the conversation is left out. No attribute is ever logged; names of objects are.
func LogFailures(logger *slog.Logger) []grpc.ServerOption {
	return []grpc.ServerOption{
		grpc.ChainUnaryInterceptor(logUnary(logger)), grpc.ChainStreamInterceptor(logStream(logger)),
	}
}

// logUnary logs the calls that fail. Messages have names of objects in them, and never an attribute.
func logUnary(logger *slog.Logger) grpc.UnaryServerInterceptor {
	return func(
		ctx context.Context, request any, info *grpc.UnaryServerInfo, handle grpc.UnaryHandler,
	) (any, error) {
		answer, err := handle(ctx, request)
		logFailure(logger, info.FullMethod, err)
		return answer, err
	}
}

// logStream logs the streams that fail.
func logStream(logger *slog.Logger) grpc.StreamServerInterceptor {
	return func(server any, stream grpc.ServerStream, info *grpc.StreamServerInfo, handle grpc.StreamHandler) error {
		err := handle(server, stream)
		logFailure(logger, info.FullMethod, err)
		return err
	}
}

// logFailure logs a failure that a person should know of. The others are a regular part of the conversation.
func logFailure(logger *slog.Logger, method string, err error) {
	//nolint:exhaustive // The codes that are left out are those to be logged.
	switch code := status.Code(err); code {
	case codes.OK, codes.NotFound, codes.AlreadyExists, codes.Canceled, codes.DeadlineExceeded:
	default:
		logger.Warn("call failed", "method", method, "code", code.String(),
			"reason", status.Convert(err).Message())
	}
}
