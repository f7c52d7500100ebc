package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
)

// inheritance are the flags of location inherit.
type inheritance struct {
	waiting

	cluster, locationID string
	force, end          bool
}

func newLocationInherit(shared *session) *cobra.Command {
	wish := &inheritance{}
	command := &cobra.Command{
		Use:   "inherit NAME --cluster ID",
		Short: "Take over what a cluster that is gone left at a location",
		Long: `Take over what a cluster that is gone left at a location.

From then on this cluster may delete its backups there, with backup delete --data,
and removes what nobody needs any more. location describe shows which clusters
have something at the location. The wish is an entry in spec.inheritedClusters.

As a cluster that lives writes there at least every hour, its part is taken over
when nothing was written in it for some hours: three, unless the manager is told
otherwise. With --force it is taken over at once, also from another cluster
that has taken it over before: make sure that the cluster is gone. One that lives all the
same loses nothing, but deletes nothing any more.

--end takes the wish back: nothing is deleted or collected in that part any more.`,
		Example: `  kubectl kahu location inherit shared --cluster 6f1e9a54-7d0b-4a83-9d3f-0e5a7c1b2d48 --wait`,
		Args:    exactly("NAME"),
		RunE: func(command *cobra.Command, args []string) error {
			if wish.cluster == "" {
				return usageError{errors.New("--cluster is missing: `kubectl kahu location describe` shows the clusters")}
			}
			if wish.end {
				return shared.endInheritance(command.Context(), args[0], wish)
			}
			return shared.inheritCluster(command.Context(), args[0], wish)
		},
	}
	flags := command.Flags()
	flags.StringVar(&wish.cluster, "cluster", "", "id of the cluster that is gone (required)")
	flags.StringVar(&wish.locationID, "location-id", "", "id that the location must have, so that no other place is meant")
	flags.BoolVar(&wish.force, "force", false, "take it over although the cluster may live, or another one has taken it over")
	flags.BoolVar(&wish.end, "end", false, "take the wish back")
	wish.register(command, "wait until the part is this cluster's, or cannot be")
	return command
}

// inheritCluster writes down the wish, and waits until it is fulfilled where that is asked for.
func (s *session) inheritCluster(ctx context.Context, name string, wish *inheritance) error {
	to, location, err := s.location(ctx, name)
	if err != nil {
		return err
	}
	if err := mayInherit(location, wish); err != nil {
		return err
	}
	at := slices.IndexFunc(location.Status.Clusters, func(of kahuv1.LocationCluster) bool { return of.ID == wish.cluster })
	s.say(fmt.Sprintf("at location %s: cluster %s, %s", name, wish.cluster, clusterText(&location.Status.Clusters[at])))
	decision := location.Status.LocationID + "/" + wish.cluster
	err = s.changeLocation(ctx, to, name, func(location *kahuv1.BackupLocation) {
		if !slices.Contains(location.Spec.InheritedClusters, wish.cluster) {
			location.Spec.InheritedClusters = append(location.Spec.InheritedClusters, wish.cluster)
		}
		if wish.force {
			if location.Annotations == nil {
				location.Annotations = map[string]string{}
			}
			location.Annotations[kahuv1.AnnotationTakeOwnership] = decision
		}
	})
	if err != nil {
		return err
	}
	if !wish.wait {
		_, err := fmt.Fprintf(s.Out, "the part of cluster %s at location %s is being taken over; `kubectl kahu location describe %s` shows "+
			"the condition Inherited\n", wish.cluster, name, name)
		return err
	}
	return s.waitForInheritance(ctx, to, name, wish)
}

// mayInherit tells what speaks against a wish.
func mayInherit(location *kahuv1.BackupLocation, wish *inheritance) error {
	status := &location.Status
	switch {
	case wish.locationID != "" && wish.locationID != status.LocationID:
		return usageError{fmt.Errorf("--location-id %q: location %s has the id %q", wish.locationID, location.Name, status.LocationID)}
	case location.Spec.AccessMode == kahuv1.AccessReadOnly:
		return usageError{fmt.Errorf("location %s is read-only: nothing is deleted there from here, and nothing is taken over", location.Name)}
	case wish.cluster == status.ClusterID:
		return usageError{fmt.Errorf("--cluster %s is this cluster itself: its own part is taken with `kubectl kahu location own`", wish.cluster)}
	}
	var others []string
	for i := range status.Clusters {
		if status.Clusters[i].ID == wish.cluster {
			return nil
		}
		if status.Clusters[i].ID != status.ClusterID {
			others = append(others, status.Clusters[i].ID)
		}
	}
	if len(others) == 0 {
		return usageError{fmt.Errorf("--cluster %s: no other cluster has anything at location %s, as far as it was looked at", wish.cluster, location.Name)}
	}
	return usageError{fmt.Errorf("--cluster %s: that cluster has nothing at location %s; there are %s", wish.cluster, location.Name,
		strings.Join(others, ", "))}
}

// changeLocation changes a location as it is now.
func (*session) changeLocation(ctx context.Context, to client.Client, name string, change func(location *kahuv1.BackupLocation)) error {
	var err error
	for range changeTries {
		location := &kahuv1.BackupLocation{}
		if err := to.Get(ctx, client.ObjectKey{Name: name}, location); err != nil {
			return fmt.Errorf("reading BackupLocation %s: %w", name, err)
		}
		before := location.DeepCopy()
		change(location)
		err = to.Patch(ctx, location, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{}))
		if !apierrors.IsConflict(err) {
			break
		}
	}
	if err != nil {
		return fmt.Errorf("changing BackupLocation %s: %w", name, err)
	}
	return nil
}

// waitForInheritance waits until the manager has taken the part over, or has said why it does not.
func (s *session) waitForInheritance(ctx context.Context, to client.WithWatch, name string, wish *inheritance) error {
	ctx, cancel := wish.bound(ctx)
	defer cancel()
	said := ""
	err := s.waitFor(ctx, to, &kahuv1.BackupLocationList{}, name, func(object client.Object) (bool, error) {
		location, ok := object.(*kahuv1.BackupLocation)
		if !ok || !isAnswered(location, wish.cluster) {
			return false, nil
		}
		rows := location.Status.Inherited
		at := slices.IndexFunc(rows, func(row kahuv1.InheritedCluster) bool { return row.ClusterID == wish.cluster })
		switch {
		case at < 0 || rows[at].Reason == kahuv1.ReasonPending || rows[at].Reason == "":
			return false, nil
		case rows[at].Reason == kahuv1.ReasonInherited:
			return true, nil
		case rows[at].Reason != kahuv1.ReasonWrittenRecently:
			return false, fmt.Errorf("location %s: %s: %w", name, rows[at].Message, ErrFailed)
		case said == "":
			said = rows[at].Message
			s.say(said)
		}
		return false, nil
	})
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(s.Out, "this cluster owns the part of cluster %s at location %s\n", wish.cluster, name)
	return err
}

// isAnswered tells whether the status is about the location as it is, and about what was decided.
func isAnswered(location *kahuv1.BackupLocation, clusterID string) bool {
	decided := location.Annotations[kahuv1.AnnotationTakeOwnership] == location.Status.LocationID+"/"+clusterID
	return !decided && location.Status.ObservedGeneration == location.Generation
}

// endInheritance takes the wish back.
func (s *session) endInheritance(ctx context.Context, name string, wish *inheritance) error {
	to, location, err := s.location(ctx, name)
	if err != nil {
		return err
	}
	if !slices.Contains(location.Spec.InheritedClusters, wish.cluster) {
		return usageError{fmt.Errorf("--cluster %s: location %s does not have it in spec.inheritedClusters", wish.cluster, name)}
	}
	decision := location.Status.LocationID + "/" + wish.cluster
	err = s.changeLocation(ctx, to, name, func(location *kahuv1.BackupLocation) {
		location.Spec.InheritedClusters = slices.DeleteFunc(location.Spec.InheritedClusters, func(id string) bool { return id == wish.cluster })
		if location.Annotations[kahuv1.AnnotationTakeOwnership] == decision {
			delete(location.Annotations, kahuv1.AnnotationTakeOwnership)
		}
	})
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(s.Out, "nothing is deleted or collected in the part of cluster %s at location %s any more\n", wish.cluster, name)
	return err
}

// clusterText says what a cluster has at a location.
func clusterText(of *kahuv1.LocationCluster) string {
	text := plural(int64(of.Backups), "backup")
	if of.LastBackupTime != nil {
		text += ", the last of " + timeOf(of.LastBackupTime)
	}
	if of.LastWriteTime != nil {
		text += ", last written at " + timeOf(of.LastWriteTime)
	}
	if of.OwnerWriteTime == nil {
		return text + ", without an owner"
	}
	return text + ", owner file of " + timeOf(of.OwnerWriteTime)
}

// clustersText says what which cluster has at a location, this one first.
func clustersText(location *kahuv1.BackupLocation) []string {
	status := &location.Status
	var own, others []string
	for i := range status.Clusters {
		of := &status.Clusters[i]
		switch {
		case of.ID == status.ClusterID:
			own = append(own, of.ID+" (this one): "+clusterText(of))
		case slices.ContainsFunc(status.Inherited, func(row kahuv1.InheritedCluster) bool {
			return row.ClusterID == of.ID && row.Reason == kahuv1.ReasonInherited
		}):
			others = append(others, of.ID+" (inherited): "+clusterText(of))
		default:
			others = append(others, of.ID+": "+clusterText(of))
		}
	}
	return append(own, others...)
}
