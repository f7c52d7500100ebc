package cli

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
)

// locationsThere refuses a wish that names a location that is not there: a run that is made of it fails, and its name is taken.
func locationsThere(ctx context.Context, from client.Reader, names ...string) error {
	for _, name := range names {
		err := from.Get(ctx, client.ObjectKey{Name: name}, &kahuv1.BackupLocation{})
		if apierrors.IsNotFound(err) {
			return fmt.Errorf("no BackupLocation %q exists, and nothing was created: `kubectl kahu location get` shows those that do", name)
		}
		if err := unlessForbidden(err); err != nil {
			return fmt.Errorf("reading BackupLocation %s: %w", name, err)
		}
	}
	return nil
}

// backupThere is locationsThere for the backup that is to be restored, which an object shows or a location holds.
func backupThere(ctx context.Context, from client.Reader, name, location string) error {
	if location != "" {
		return locationsThere(ctx, from, location)
	}
	err := from.Get(ctx, client.ObjectKey{Name: name}, &kahuv1.Backup{})
	if apierrors.IsNotFound(err) {
		return fmt.Errorf("no Backup %q exists, and nothing was created: `kubectl kahu backup get` shows those that do; "+
			"one at a location that no object shows is restored with --location", name)
	}
	if err := unlessForbidden(err); err != nil {
		return fmt.Errorf("reading Backup %s: %w", name, err)
	}
	return nil
}

// unlessForbidden lets who may not look go on: the manager will say what is not there.
func unlessForbidden(err error) error {
	if apierrors.IsForbidden(err) {
		return nil
	}
	return err
}
