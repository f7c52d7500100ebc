package inspection

import (
	"context"
	"fmt"

	"sigs.k8s.io/controller-runtime/pkg/client"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	"github.com/soda-cdm/kahu/internal/controller/filters"
	"github.com/soda-cdm/kahu/internal/core/inspection"
	"github.com/soda-cdm/kahu/internal/engine"
)

// diff answers how a backup differs from another one, each at its own location, or from the cluster.
func (l *Library) diff(ctx context.Context, question *kahuv1.Inspection) (Answer, error) {
	spec := &question.Spec
	old, err := l.stored(ctx, spec.BackupName)
	if err != nil {
		return nil, err
	}
	request := engine.DiffRequest{Old: *old, Fields: spec.Fields}
	if spec.OtherBackupName != "" {
		if request.New, err = l.stored(ctx, spec.OtherBackupName); err != nil {
			return nil, err
		}
	} else {
		backup := &kahuv1.Backup{}
		if err := l.Client.Get(ctx, client.ObjectKey{Name: spec.BackupName}, backup); err != nil {
			return nil, fmt.Errorf("reading Backup %s: %w", spec.BackupName, err)
		}
		if request.Filters, err = filters.OfBackup(&backup.Spec); err != nil {
			return nil, err
		}
	}
	return func(ctx context.Context, token string) (inspection.Page, error) {
		request.Page = token
		return engine.InspectDiff(ctx, l.Cluster, request)
	}, nil
}

func (l *Library) stored(ctx context.Context, name string) (*engine.Stored, error) {
	id, files, err := l.Backup(ctx, name)
	if err != nil {
		return nil, err
	}
	return &engine.Stored{Backup: id, Files: files}, nil
}
