package main

import (
	"context"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
)

// measureIncrement makes full backups, changes one object of a hundred after each, and makes incremental ones.
func (b *bench) measureIncrement(ctx context.Context, source *place) error {
	var fulls, increments []sample
	full, made := &kahuv1.Backup{}, &kahuv1.Backup{}
	for round := range b.rounds {
		one, err := source.takeMode(ctx, kahuv1.BackupModeFull, fmt.Sprintf("full-%d", round), full)
		if err != nil {
			return err
		}
		fulls = append(fulls, one)
		changed, err := source.post(ctx, b.population.changes(changedOne, round))
		if err != nil {
			return err
		}
		if one, err = source.takeMode(ctx, kahuv1.BackupModeIncremental, fmt.Sprintf("increment-%d", round), made); err != nil {
			return err
		}
		increments = append(increments, one)
		if taken := made.Status.Incremental; taken == nil || taken.Reason != "" {
			return fmt.Errorf("backup %s is no incremental one: %+v", made.Name, taken)
		}
		b.sayf("    %d changed: %d unchanged, %d read, %d written; %d bytes of segments, %d of index", changed,
			made.Status.Incremental.UnchangedObjects, made.Status.Incremental.ReadObjects, made.Status.Incremental.WrittenObjects,
			made.Status.Incremental.WrittenBytes, made.Status.Sizes.IndexBytes)
	}
	b.judgeIncrement(fulls, increments, full, made)
	return nil
}

// judgeIncrement compares with the targets, which are those of many objects: of few, most of the time goes to what is the same
// for any number.
func (b *bench) judgeIncrement(fulls, increments []sample, full, made *kahuv1.Backup) {
	whole, part := median(fulls), median(increments)
	ratio := part.took.Seconds() / whole.took.Seconds()
	text := fmt.Sprintf("time of an incremental backup / of a full one: %.2f (at most %.2f with %d objects)", ratio, timeTarget, targetObjects)
	if b.population.objects < targetObjects {
		b.sayf("        %s", text)
	} else {
		b.judgef(ratio <= timeTarget, "%s", text)
	}
	written := float64(made.Status.Incremental.WrittenBytes) / float64(full.Status.Sizes.SegmentBytes)
	b.judgef(written <= bytesTarget, "segments of an incremental backup / of a full one: %.4f (at most %.2f)", written, bytesTarget)
	record := float64(made.Status.Sizes.IndexBytes) / float64(made.Status.Counts.Objects)
	b.judgef(record <= recordTarget, "index of an incremental backup: %.0f bytes an object (at most %d)", record, recordTarget)
}

// takeMode makes a backup in a mode, and sets into to what it is in the end.
func (p *place) takeMode(ctx context.Context, mode kahuv1.BackupMode, name string, into *kahuv1.Backup) (sample, error) {
	*into = kahuv1.Backup{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec:       kahuv1.BackupSpec{MetadataLocation: locationName, EnableVolumeBackup: new(false), Mode: mode},
	}
	return p.take(ctx, string(mode)+" backup", func(made *sample) error {
		result, err := p.follows(ctx, into)
		made.took, made.objects, made.bytes, made.note = result.took, result.objects, result.bytes, result.marksText()
		return err
	})
}
