// Package failure turns what went wrong in a run into what its status says: a stable reason, and what to do.
package failure

import (
	"context"
	"errors"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	"github.com/soda-cdm/kahu/internal/controller/place"
	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/archive"
	"github.com/soda-cdm/kahu/internal/core/seal"
	"github.com/soda-cdm/kahu/internal/engine"
	"github.com/soda-cdm/kahu/internal/engine/quiesce"
	"github.com/soda-cdm/kahu/internal/engine/restore"
	"github.com/soda-cdm/kahu/internal/reconcile"
)

// The limits of rows and texts in the status, in rows and bytes.
const (
	MaxRows    = 100
	MaxText    = 2048
	MaxRowText = 1024
)

// ErrNotWanted says that the object says that the run has ended, or is another one's.
var ErrNotWanted = errors.New("the run was ended, or taken over by another manager")

// Failure is why a run failed.
type Failure struct {
	// Reason is one of the reasons of the API, Message says what is wrong and what to do.
	Reason, Message string
	// Problems are what is wrong with the spec, each beginning with its field.
	Problems []string
}

// InField returns the failure of a run whose spec names something that does not hold.
func InField(reason, message string) Failure {
	return Failure{Reason: reason, Message: message, Problems: []string{message}}
}

// Of finds the reason in what the engine returned for a run.
func Of(err error) Failure {
	var invalid *engine.InvalidError
	var incomplete *restore.IncompleteError
	var exists *restore.ExistsError
	var needed *seal.KeyNeededError
	var unknown *engine.UnknownSignerError
	if found, is := ofVolumes(err); is {
		return found
	}
	switch {
	case errors.As(err, &needed):
		return Failure{Reason: kahuv1.ReasonKeyNeeded, Message: err.Error()}
	case errors.As(err, &unknown):
		return InField(kahuv1.ReasonUnknownSigner, unknown.Error())
	case errors.As(err, &invalid):
		return ofProblems(invalid)
	case errors.As(err, &incomplete):
		return InField(kahuv1.ReasonBackupIncomplete, incomplete.Error())
	case errors.As(err, &exists):
		return Failure{Reason: kahuv1.ReasonObjectExists, Message: exists.Error()}
	case errors.Is(err, ErrNotWanted), errors.Is(err, context.Canceled):
		return Failure{
			Reason: kahuv1.ReasonInterrupted, Message: "the run was interrupted: " + err.Error() + "; create another one",
		}
	}
	if errors.Is(err, engine.ErrCluster) {
		return Failure{Reason: kahuv1.ReasonFailed, Message: err.Error()}
	}
	reason, _ := place.Reason(err)
	if reason == kahuv1.ReasonMarkerInvalid {
		reason = kahuv1.ReasonArchiveCorrupt
	}
	return Failure{Reason: reason, Message: err.Error()}
}

// ofVolumes finds what went wrong with applications that were to hold still, and with providers of volumes. Of a hook, the step in
// which it ran is not told: a cut that hooks surround is well.
func ofVolumes(err error) (Failure, bool) {
	if hooked, is := errors.AsType[*quiesce.FailedError](err); is {
		return Failure{Reason: hooked.Reason, Message: hooked.Message}, true
	}
	if _, is := errors.AsType[*restore.VolumesAwayError](err); is {
		return Failure{Reason: kahuv1.ReasonProviderUnavailable, Message: err.Error()}, true
	}
	return Failure{}, false
}

// OfReading finds the reason for an error that came while a backup was read.
func OfReading(err error) Failure {
	var newer *archive.NewerFormatError
	found := Of(err)
	switch {
	case errors.As(err, &newer):
		found.Reason = kahuv1.ReasonManifestTooNew
	case errors.Is(err, core.ErrCorrupt):
		found.Reason = kahuv1.ReasonArchiveCorrupt
		found.Message += "; bring the store's files back from a copy, or use another backup"
	case errors.Is(err, core.ErrNotFound):
		found.Reason = kahuv1.ReasonManifestNotFound
		found.Message = "spec.backupName: the location has no manifest of this backup: " + found.Message
		found.Problems = []string{found.Message}
	}
	return found
}

func ofProblems(invalid *engine.InvalidError) Failure {
	found := Failure{Reason: kahuv1.ReasonValidationFailed, Message: invalid.Error()}
	for _, problem := range invalid.Problems {
		found.Problems = append(found.Problems, problem.Field+": "+problem.Message)
	}
	if len(invalid.Problems) > 0 {
		found.Reason = invalid.Problems[0].Reason
	}
	return found
}

// Texts bounds rows of the status and their lengths.
func Texts(all []string) []string {
	rows := make([]string, 0, min(len(all), MaxRows))
	for _, text := range all[:min(len(all), MaxRows)] {
		rows = append(rows, reconcile.Bounded(text, MaxRowText))
	}
	return rows
}

// Timings turns what the engine measured into rows of the status.
func Timings(all []engine.Timing) []kahuv1.StepTiming {
	rows := make([]kahuv1.StepTiming, 0, len(all))
	for _, each := range all {
		rows = append(rows, kahuv1.StepTiming{Step: each.Step, Milliseconds: each.Took.Milliseconds()})
	}
	return rows
}

// Problems turns rows of the engine into rows of the status.
func Problems(rows []engine.Row) []kahuv1.ItemProblem {
	problems := make([]kahuv1.ItemProblem, 0, min(len(rows), MaxRows))
	for _, row := range rows[:min(len(rows), MaxRows)] {
		problems = append(problems, kahuv1.ItemProblem{
			APIVersion: row.Kind.APIVersion(), Kind: row.Kind.Name, Namespace: row.Key.Namespace, Name: row.Key.Name,
			Reason: row.Reason, Message: reconcile.Bounded(row.Message, MaxRowText),
		})
	}
	return problems
}
