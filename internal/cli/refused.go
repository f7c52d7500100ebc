package cli

import (
	"errors"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// refusedError is an object that the API server refused, told in the words of the command line.
type refusedError struct {
	error

	text string
}

// Error returns the text.
func (e *refusedError) Error() string { return e.text }

// Unwrap returns the error itself.
func (e *refusedError) Unwrap() error { return e.error }

// refused tells what is wrong with the flags where the API server said which fields are; every other error stays as it is.
func refused(err error) error {
	var status apierrors.APIStatus
	if !errors.As(err, &status) || !apierrors.IsInvalid(err) || status.Status().Details == nil {
		return err
	}
	details := status.Status().Details
	var wrong []string
	for _, cause := range details.Causes {
		if cause.Field == "<nil>" || cause.Field == "" {
			continue // It says that other rules were not looked at.
		}
		flag := flagOf(cause.Field)
		if flag == "" {
			return err
		}
		wrong = append(wrong, flag+": "+strings.ReplaceAll(cause.Message, cause.Field+" ", ""))
	}
	if len(wrong) == 0 {
		return err
	}
	return &refusedError{err, details.Kind + " " + details.Name + " is refused: " + strings.Join(wrong, "; ")}
}

// flagOf returns the flag behind a field, or an empty text where there is none.
func flagOf(field string) string {
	of := map[string]string{
		"metadata.name": "NAME", "spec.metadataLocation": "--location", "spec.backupName": "--backup",
		"spec.includeNamespaces": "--include-namespaces", "spec.excludeNamespaces": "--exclude-namespaces",
		"spec.includeResources": "--include-resources", "spec.excludeResources": "--exclude-resources",
		"spec.label": "--selector", "spec.labelSelector": "--selector", "spec.references": "--reference",
		"spec.namespaceMapping": "--namespace-mapping", "spec.resourcePrefix": "--resource-prefix",
		"spec.existingResourcePolicy": "--existing", "spec.transformSets": "--transform-set",
		"spec.imageMapping": "--map-image", "spec.storageClassMapping": "--map-storage-class",
		"spec.providerName": "--provider", "spec.config": "--config", "spec.credentialsSecretRef": "--credentials",
		"spec.encryption.recipients": "--recipient",
	}
	for field != "" {
		if flag, known := of[field]; known {
			return flag
		}
		field = field[:max(0, strings.LastIndexAny(field, ".["))]
	}
	return ""
}
