package s3

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"

	"github.com/minio/minio-go/v7"

	"github.com/soda-cdm/kahu/provider"
)

// answers are the codes and statuses of the service that mean a class of errors, and what a person can do.
type answers struct {
	class    error
	advice   string
	codes    []string
	statuses []int
}

func classes() []answers {
	return []answers{
		{
			class: provider.ErrFailedPrecondition, advice: "make the bucket, or correct its name",
			codes: []string{"NoSuchBucket", "InvalidBucketName"},
		},
		{class: provider.ErrNotFound, codes: []string{"NoSuchKey", "NoSuchVersion"}},
		{class: provider.ErrAlreadyExists, codes: []string{"PreconditionFailed"}, statuses: []int{http.StatusPreconditionFailed}},
		{
			class: provider.ErrUnauthenticated, advice: "correct the credentials of the location",
			codes: []string{
				"InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "InvalidToken", "TokenRefreshRequired",
				"InvalidSecurity", "AuthorizationHeaderMalformed", "InvalidClientTokenId", "ExpiredTokenException",
				"InvalidIdentityToken", "XAdminUserNotFound",
			},
			statuses: []int{http.StatusUnauthorized},
		},
		{
			class: provider.ErrResourceExhausted, advice: "make room in the store, or raise its quota",
			codes: []string{
				"QuotaExceeded", "XMinioStorageFull", "XMinioAdminBucketQuotaExceeded", "StorageFull", "EntityTooLarge",
			},
			statuses: []int{http.StatusInsufficientStorage, http.StatusRequestEntityTooLarge},
		},
		{
			class: provider.ErrFailedPrecondition, advice: "change the settings of the bucket or of the location",
			codes: []string{
				"InvalidObjectState", "ObjectLockConfigurationNotFoundError", "InvalidRequest", "NotImplemented",
				"MethodNotAllowed", "KMS.NotFoundException", "KMS.DisabledException", "ObjectParentIsFile", codeFolder,
				"PermanentRedirect", "InvalidStorageClass", "InvalidArgument", "RequestTimeTooSkewed",
			},
			statuses: []int{http.StatusNotImplemented, http.StatusMethodNotAllowed, http.StatusMovedPermanently},
		},
		{
			class: provider.ErrPermissionDenied, advice: "permit it in the policy of the bucket or of the user",
			codes:    []string{"AccessDenied", "AllAccessDisabled", "AccountProblem", "KMS.AccessDeniedException"},
			statuses: []int{http.StatusForbidden},
		},
		{
			class: provider.ErrUnavailable,
			codes: []string{
				"SlowDown", "ServiceUnavailable", "InternalError", "RequestTimeout", "XMinioServerNotInitialized",
				"ConditionalRequestConflict", "OperationAborted", "BadDigest", "XAmzContentSHA256Mismatch", "IncompleteBody",
			},
			statuses: []int{
				http.StatusTooManyRequests, http.StatusRequestTimeout, http.StatusConflict, http.StatusInternalServerError,
				http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout,
			},
		},
	}
}

// classify wraps an error of the service with what was being done, the class that it is of, and what a person can do. A service
// may quote who asks: that is not told.
func (b *bucket) classify(ctx context.Context, doing string, err error) error {
	return b.redactor().Clean(classify(ctx, doing, err))
}

// classify is that of a bucket, with the words of the service as they are.
func classify(ctx context.Context, doing string, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("%s: %w", doing, context.Cause(ctx))
	}
	answer, answered := errors.AsType[minio.ErrorResponse](err)
	if !answered {
		return classifyUnanswered(doing, err)
	}
	for _, known := range classes() {
		if slices.Contains(known.codes, answer.Code) {
			return known.wrap(doing, answer)
		}
	}
	for _, known := range classes() {
		if slices.Contains(known.statuses, answer.StatusCode) {
			return known.wrap(doing, answer)
		}
	}
	return fmt.Errorf("%s: %s", doing, words(answer))
}

func (a answers) wrap(doing string, answer minio.ErrorResponse) error {
	text := words(answer)
	if a.advice != "" {
		text += ": " + a.advice
	}
	return fmt.Errorf("%s: %s: %w", doing, text, a.class)
}

// maxWords bounds what is quoted of the service.
const maxWords = 512

func words(answer minio.ErrorResponse) string {
	message := answer.Message
	if len(message) > maxWords {
		message = message[:maxWords]
	}
	return fmt.Sprintf("the service says %s (%s)", answer.Code, message)
}

// classifyUnanswered deals with a service that said nothing: one that cannot be reached may be later. What has a class
// already keeps it.
func classifyUnanswered(doing string, err error) error {
	for _, known := range []error{
		provider.ErrInvalidArgument, provider.ErrUnavailable, provider.ErrFailedPrecondition, provider.ErrPermissionDenied,
	} {
		if errors.Is(err, known) {
			return fmt.Errorf("%s: %w", doing, err)
		}
	}
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, os.ErrPermission) {
		return fmt.Errorf("%s: %w: %w", doing, err, provider.ErrUnauthenticated)
	}
	return fmt.Errorf("%s: the service cannot be reached: %w: %w", doing, err, provider.ErrUnavailable)
}

// classifyingReader turns the errors of a content into those of the contract.
type classifyingReader struct {
	io.ReadCloser

	ctx  context.Context //nolint:containedctx // It belongs to the call that returned the reader, and ends with it.
	name string
	of   *bucket
}

func (r *classifyingReader) Read(buffer []byte) (int, error) {
	n, err := r.ReadCloser.Read(buffer)
	if err != nil && err != io.EOF { //nolint:errorlint // Only io.EOF itself is the end; one that is wrapped is a cut.
		err = r.of.classify(r.ctx, "reading "+r.name, err)
	}
	return n, err
}
