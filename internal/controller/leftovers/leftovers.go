// Package leftovers has removed, from time to time, what the volumes of backups leave in the cluster whose Backups are gone
// without anybody having been asked what becomes of it: work orders, snapshots and their contents. Of Backups whose runs are over
// it has that removed which the run itself could not, as the API server or the storage system was away.
//
// What becomes of it is decided by package leftover of core: where a manifest names it, its objects go and the data stays; where
// no location has one, and each was asked, the data goes, too; else it is kept, and a person is told.
package leftovers

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	"github.com/soda-cdm/kahu/internal/controller/news"
	"github.com/soda-cdm/kahu/internal/controller/place"
	"github.com/soda-cdm/kahu/internal/core/archive"
	"github.com/soda-cdm/kahu/internal/core/leftover"
	"github.com/soda-cdm/kahu/internal/core/volumework"
)

const (
	// ReasonKept is the reason of the Event about what is kept, as it may be the data of a backup.
	ReasonKept = "VolumesKept"
	// atOnce is how many backups are dealt with in one look; who was dealt with longest ago comes first.
	atOnce = 100
	// longest bounds what is done about one of them.
	longest = 2 * time.Minute
	// backupsPage is how many Backups are asked for at once.
	backupsPage = 500
)

// Volumes deals with the volumes of the cluster.
type Volumes interface {
	// Leftovers returns what was made for backups that are not known, by their UIDs.
	Leftovers(ctx context.Context, known func(uid string) bool) ([]leftover.Trace, error)
	// Release removes what is known to be no backup.
	Release(ctx context.Context, run volumework.Run) error
	// Forget removes what stands for the volumes in the cluster, and leaves their data.
	Forget(ctx context.Context, run volumework.Run) error
	// Remove has the data removed of which there are work orders or snapshots, with these.
	Remove(ctx context.Context, run volumework.Run, volumes []archive.Volume) error
}

// Sweeper looks for what is left.
type Sweeper struct {
	// Client reads Kahu's own kinds, Direct reads them from the API server itself.
	Client client.Reader
	Direct client.Reader
	// Finder finds the files of locations.
	Finder *place.Finder
	// Volumes deals with the volumes of the cluster.
	Volumes Volumes
	// ClusterID tells what cluster this is.
	ClusterID string
	// Every is the time between two looks. Grace is how long a Backup must have been missed, and nothing have been made for it,
	// before anything is done: longer than a manifest may take to be written.
	Every, Grace time.Duration
	// Clock gives times.
	Clock clock.Clock
	// News is told of what is kept.
	News news.Recorder
	// Kept is told how many backups that are gone have left what is kept.
	Kept func(backups int)

	memory map[string]*memory // by UID
}

// memory is what is remembered of a backup that is missed.
type memory struct {
	since, dealt time.Time
	kept         string // why
}

// Start looks again and again until the context ends.
func (s *Sweeper) Start(ctx context.Context) error {
	for {
		if err := s.Look(ctx); err != nil && ctx.Err() == nil {
			ctrl.Log.WithName("leftovers").Error(err, "looking for what volumes have left")
		}
		select {
		case <-ctx.Done():
			return nil
		case <-s.Clock.After(s.Every):
		}
	}
}

// Look looks once. What could not be done is tried again at the next look.
func (s *Sweeper) Look(ctx context.Context) error {
	known, err := s.backups(ctx)
	if err != nil {
		return err
	}
	traces, err := s.Volumes.Leftovers(ctx, func(uid string) bool { return known[uid] == going })
	if err != nil {
		return err
	}
	due := s.remember(slices.DeleteFunc(traces, func(trace leftover.Trace) bool { return known[trace.UID] == over && !trace.Cut }))
	defer s.count()
	if len(due) == 0 {
		return nil
	}
	locations, err := s.locations(ctx)
	if err != nil {
		return err
	}
	var problems []error
	for i := range due[:min(len(due), atOnce)] {
		deal := s.deal
		if known[due[i].UID] == over {
			deal = s.release
		}
		if err := deal(ctx, &due[i], locations); err != nil {
			problems = append(problems, fmt.Errorf("what backup %s (%s) has left: %w", due[i].Name, due[i].UID, err))
		}
	}
	return errors.Join(problems...)
}

// standing is what there is of a backup in the cluster; 0 means that there is no object of it.
type standing int

const (
	// going: its run may go on, or it is being deleted, or there is a view of it alone. It is nobody's business here.
	going standing = iota + 1
	// over: its run is.
	over
)

// standingOf tells whether the run of a Backup is over.
func standingOf(backup *kahuv1.Backup) standing {
	ended := backup.Status.State == kahuv1.StateCompleted || backup.Status.State == kahuv1.StateFailed
	if ended && backup.Spec.Origin == nil && backup.DeletionTimestamp.IsZero() {
		return over
	}
	return going
}

// backups returns the UIDs of all backups that there are objects of, views too.
func (s *Sweeper) backups(ctx context.Context) (map[string]standing, error) {
	known, token := map[string]standing{}, ""
	for {
		page := &kahuv1.BackupList{} // A new one each time: what a page does not say would be that of the one before.
		if err := s.Direct.List(ctx, page, client.Limit(backupsPage), client.Continue(token)); err != nil {
			return nil, fmt.Errorf("listing backups: %w", err)
		}
		for i := range page.Items {
			known[string(page.Items[i].UID)] = standingOf(&page.Items[i])
			if origin := page.Items[i].Spec.Origin; origin != nil {
				known[origin.UID] = going
			}
		}
		if token = page.Continue; token == "" {
			return known, nil
		}
	}
}

// remember returns the traces whose time has come, who was dealt with longest ago first, and forgets those that are gone.
func (s *Sweeper) remember(traces []leftover.Trace) []leftover.Trace {
	now, seen := s.Clock.Now(), map[string]*memory{}
	var due []leftover.Trace
	for _, trace := range traces {
		has := s.memory[trace.UID]
		if has == nil {
			has = &memory{since: now}
		}
		seen[trace.UID] = has
		if now.Sub(has.since) >= s.Grace && now.Sub(trace.Youngest) >= s.Grace {
			due = append(due, trace)
		}
	}
	s.memory = seen
	slices.SortFunc(due, func(a, b leftover.Trace) int {
		return cmp.Or(seen[a.UID].dealt.Compare(seen[b.UID].dealt), cmp.Compare(a.UID, b.UID))
	})
	return due
}

// count tells how much is kept.
func (s *Sweeper) count() {
	kept := 0
	for of := range maps.Values(s.memory) {
		if of.kept != "" {
			kept++
		}
	}
	s.Kept(kept)
}

// deal does with a trace what is to be done.
func (s *Sweeper) deal(ctx context.Context, trace *leftover.Trace, locations []kahuv1.BackupLocation) error {
	ctx, cancel := context.WithTimeout(ctx, longest)
	defer cancel()
	has := s.memory[trace.UID]
	has.dealt = s.Clock.Now()
	answers := make([]leftover.Answer, 0, len(locations))
	for i := range locations {
		answers = append(answers, s.ask(ctx, &locations[i], trace))
	}
	verdict, why := leftover.Judge(trace, answers)
	run := volumework.Run{Name: trace.Name, UID: trace.UID, LocationID: trace.LocationID}
	log := ctrl.Log.WithName("leftovers").WithValues("backup", trace.Name, "uid", trace.UID, "why", why)
	if verdict != leftover.Keep {
		has.kept = ""
	}
	switch verdict {
	case leftover.Release:
		log.Info("removing what stands for volumes of a Backup that is gone; their data stays")
		return s.Volumes.Forget(ctx, run)
	case leftover.Remove:
		log.Info("removing the data of volumes of a Backup that is gone and has no manifest")
		return s.Volumes.Remove(ctx, run, nil)
	case leftover.Keep:
	}
	if has.kept != why {
		has.kept = why
		log.Info("keeping what volumes of a Backup that is gone have left: it may be the data of a backup")
		s.tell(trace, why)
	}
	return s.Volumes.Release(ctx, run)
}

// release removes what a run that is over could not remove at its end, by the same rules.
func (s *Sweeper) release(ctx context.Context, trace *leftover.Trace, _ []kahuv1.BackupLocation) error {
	ctx, cancel := context.WithTimeout(ctx, longest)
	defer cancel()
	s.memory[trace.UID].dealt = s.Clock.Now()
	return s.Volumes.Release(ctx, volumework.Run{Name: trace.Name, UID: trace.UID, LocationID: trace.LocationID})
}

// tell tells a person what is kept.
func (s *Sweeper) tell(trace *leftover.Trace, why string) {
	of := trace.Example
	about := &metav1.PartialObjectMetadata{
		TypeMeta:   metav1.TypeMeta{APIVersion: of.APIVersion, Kind: of.Kind},
		ObjectMeta: metav1.ObjectMeta{Namespace: of.Namespace, Name: of.Name, UID: types.UID(of.UID)},
	}
	s.News.Eventf(about, nil, corev1.EventTypeWarning, ReasonKept, "Sweep",
		"The Backup %s (%s) is gone, and this, as all with the label %s=%s, may be the data of a backup: it is kept, as %s. Delete it if nobody needs it.",
		cmp.Or(trace.Name, "for which this was made"), trace.UID, kahuv1.BackupUIDLabel, trace.UID, why)
}
