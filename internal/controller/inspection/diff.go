package inspection

import (
	"context"
	"fmt"

	"sigs.k8s.io/controller-runtime/pkg/client"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	"github.com/soda-cdm/kahu/internal/controller/filters"
	"github.com/soda-cdm/kahu/internal/core/inspection"
	"github.com/soda-cdm/kahu/internal/core/selection"
	"github.com/soda-cdm/kahu/internal/engine/inspect"
)

// diff answers how a backup differs from another one, each at its own location, or from the cluster.
func (l *Library) diff(ctx context.Context, question *kahuv1.Inspection) (location string, answer Answer, err error) {
	spec := &question.Spec
	old, err := l.Backup(ctx, spec.BackupName)
	if err != nil {
		return "", nil, err
	}
	request := inspect.DiffRequest{Old: old.stored(), Fields: spec.Fields}
	if spec.Live {
		request.Filters, err = l.filtersOf(ctx, spec.BackupName)
	} else {
		request.New, err = l.stored(ctx, spec.OtherBackupName)
	}
	if err != nil {
		return "", nil, err
	}
	return old.Location, func(ctx context.Context, token string) (inspection.Page, error) {
		request.Page = token
		return inspect.Diff(ctx, l.Cluster, request)
	}, nil
}

func (l *Library) stored(ctx context.Context, name string) (*inspect.Stored, error) {
	backup, err := l.Backup(ctx, name)
	if err != nil {
		return nil, err
	}
	stored := backup.stored()
	return &stored, nil
}

// filtersOf returns what a backup chose.
func (l *Library) filtersOf(ctx context.Context, name string) (selection.Filters, error) {
	backup := &kahuv1.Backup{}
	if err := l.Direct.Get(ctx, client.ObjectKey{Name: name}, backup); err != nil {
		return selection.Filters{}, fmt.Errorf("reading Backup %s: %w", name, err)
	}
	return filters.OfBackup(&backup.Spec)
}
