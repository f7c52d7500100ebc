package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"sigs.k8s.io/controller-runtime/pkg/client"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
)

// mark is when a run was seen to be somewhere.
type mark struct {
	what  string
	after time.Duration
}

// outcome is what became of one run of Kahu.
type outcome struct {
	took    time.Duration // from the creation of the object until it was seen Completed
	marks   []mark
	objects int64 // that are in the backup, or were created
	bytes   int64
	status  string
}

// note takes down where the run is.
func (o *outcome) note(what string, after time.Duration) {
	o.took = after
	if len(o.marks) == 0 || o.marks[len(o.marks)-1].what != what {
		o.marks = append(o.marks, mark{what, after})
	}
}

// marksText tells where the run was when.
func (o *outcome) marksText() string {
	parts := make([]string, 0, len(o.marks))
	for _, each := range o.marks {
		parts = append(parts, fmt.Sprintf("%s %.2f s", each.what, each.after.Seconds()))
	}
	return strings.Join(parts, ", ")
}

// backup makes one backup, of the namespaces or of everything.
func (p *place) backup(ctx context.Context, name string, namespaces ...kahuv1.NamespaceName) (outcome, error) {
	return p.follows(ctx, &kahuv1.Backup{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: kahuv1.BackupSpec{
			MetadataLocation: locationName, IncludeNamespaces: namespaces, EnableVolumeBackup: new(false),
		},
	})
}

// follows makes a backup, whose object is in the end as it was seen last.
func (p *place) follows(ctx context.Context, object *kahuv1.Backup) (outcome, error) {
	name, last := object.Name, object
	result, err := p.follow(ctx, object, &kahuv1.BackupList{}, func(seen client.Object) (string, kahuv1.State) {
		backup, is := seen.(*kahuv1.Backup)
		if !is {
			return "", ""
		}
		last = backup
		return string(backup.Status.Stage), backup.Status.State
	})
	last.DeepCopyInto(object)
	result.objects, result.bytes = object.Status.Counts.Objects, object.Status.Progress.BytesDone
	result.status = fmt.Sprintf("%d objects, %d missing, %d warnings",
		object.Status.Counts.Objects, object.Status.Counts.Missing, object.Status.Counts.Warnings)
	if err != nil {
		return result, fmt.Errorf("backup %s: %w: %s", name, err, object.Status.FailureReason)
	}
	return result, nil
}

// restore makes one restore.
func (p *place) restore(ctx context.Context, object *kahuv1.Restore) (outcome, error) {
	name := object.Name
	result, err := p.follow(ctx, object, &kahuv1.RestoreList{}, func(seen client.Object) (string, kahuv1.State) {
		restore, is := seen.(*kahuv1.Restore)
		if !is {
			return "", ""
		}
		object = restore
		return string(restore.Status.Stage), restore.Status.State
	})
	counts := object.Status.Counts
	result.objects = counts.Created + counts.Updated
	result.status = fmt.Sprintf("%d created, %d updated, %d existing, %d controlled, %d failed",
		counts.Created, counts.Updated, counts.SkippedExisting, counts.SkippedControlled, counts.Failed)
	if err != nil {
		return result, fmt.Errorf("restore %s: %w: %s (%s)", name, err, object.Status.FailureReason, result.status)
	}
	return result, nil
}

var errNotCompleted = errors.New("it did not end as Completed")

// follow creates the object and watches it to its end.
func (p *place) follow(
	ctx context.Context, object client.Object, list client.ObjectList, read func(client.Object) (string, kahuv1.State),
) (outcome, error) {
	only := client.MatchingFieldsSelector{Selector: fields.OneTermEqualSelector("metadata.name", object.GetName())}
	watching, err := p.client.Watch(ctx, list, only)
	if err != nil {
		return outcome{}, fmt.Errorf("watching it: %w", err)
	}
	defer watching.Stop()
	began := p.bench.clock.Now()
	if err := p.client.Create(ctx, object); err != nil {
		return outcome{}, fmt.Errorf("creating it: %w", err)
	}
	var result outcome
	for {
		select {
		case <-ctx.Done():
			return result, ctx.Err()
		case event, open := <-watching.ResultChan():
			seen, is := event.Object.(client.Object)
			if !open || !is {
				return result, errors.New("the watch broke off")
			}
			stage, state := read(seen)
			result.note(stage+"/"+string(state), p.bench.clock.Since(began))
			if state == kahuv1.StateCompleted {
				return result, nil
			}
			if state == kahuv1.StateFailed {
				return result, errNotCompleted
			}
		}
	}
}
