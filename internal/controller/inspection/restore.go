package inspection

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	"github.com/soda-cdm/kahu/internal/controller/place"
	"github.com/soda-cdm/kahu/internal/core/inspection"
	"github.com/soda-cdm/kahu/internal/engine/inspect"
)

func (l *Library) plan(ctx context.Context, question *kahuv1.Inspection) (location string, answer Answer, err error) {
	return l.ofRestore(ctx, question.Spec.RestoreName, "plan", func(status *kahuv1.RestoreStatus) string {
		if status.Preview == nil {
			return ""
		}
		return status.Preview.PlanPath
	})
}

// ofRestore shows a file of a restore, whose name its status has.
func (l *Library) ofRestore(
	ctx context.Context, name, what string, path func(status *kahuv1.RestoreStatus) string,
) (location string, answer Answer, err error) {
	restore := &kahuv1.Restore{}
	err = l.Direct.Get(ctx, client.ObjectKey{Name: name}, restore)
	if apierrors.IsNotFound(err) {
		return "", nil, &place.NotUsableError{
			Reason: kahuv1.ReasonRestoreNotFound, Field: "spec.restoreName",
			Message: fmt.Sprintf("no Restore %q exists: name one of those that `kubectl get restores.kahu.io` shows", name),
		}
	}
	if err != nil {
		return "", nil, fmt.Errorf("reading Restore %s: %w", name, err)
	}
	file := path(&restore.Status)
	if err := kept(restore, what, file); err != nil {
		return "", nil, err
	}
	found, files, err := l.Finder.Ready(ctx, restore.Status.MetadataLocation)
	if err != nil {
		return "", nil, err
	}
	return found.Name, func(ctx context.Context, token string) (inspection.Page, error) {
		return inspect.Lines(ctx, files, file, token)
	}, nil
}

// kept tells whether a file of a restore was written, or why not.
func kept(restore *kahuv1.Restore, what, file string) error {
	switch {
	case restore.Status.Stage != kahuv1.StageFinished:
		return &place.NotUsableError{
			Reason: kahuv1.ReasonRestoreNotFinished, Field: "spec.restoreName",
			Message: fmt.Sprintf("Restore %q has not finished yet: its %s is written at the end, "+
				"and until then its status says what is known", restore.Name, what),
		}
	case file == "" || restore.Status.MetadataLocation == "":
		return &place.NotUsableError{
			Reason: kahuv1.ReasonReportNotFound, Field: "spec.restoreName",
			Message: fmt.Sprintf("Restore %q has no %s: the warnings and the reason of failure in its status say what is known",
				restore.Name, what),
		}
	}
	return nil
}
