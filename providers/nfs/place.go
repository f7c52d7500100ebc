package nfs

import (
	"context"
	"errors"
	"fmt"

	"github.com/soda-cdm/kahu/provider"
	"github.com/soda-cdm/kahu/providers/nfs/internal/nfs3"
)

// verdict says how an attempt to put a file in its place has ended.
type verdict int

const (
	failed verdict = iota
	again          // Somebody was in between: try once more.
	stored
)

// placement is a file and the place that it is to have in a location.
type placement struct {
	location nfs3.Handle
	name     string
	file     partial
}

// putInPlace puts a file in its place, and makes the folders that are missing. A deletion at the same time may remove
// folders that have just been made or found: then it tries once more.
func (s *session) putInPlace(ctx context.Context, p placement, put place) error {
	folder, base := split(p.name)
	var err error
	for range maxAttempts {
		var in nfs3.Handle
		in, err = s.makeFolder(ctx, p.location, folder)
		if isVanished(err) && ctx.Err() == nil {
			continue
		}
		if err != nil {
			return classify(ctx, fmt.Sprintf("making the folder of object %q", p.name), err)
		}
		to := nfs3.Place{Folder: in, Name: base}
		err = put(ctx, s, p.file, to)
		if err == nil {
			return nil
		}
		var what verdict
		switch what, err = s.judge(ctx, p.file, to, err); what {
		case stored:
			return nil
		case failed:
			return classify(ctx, fmt.Sprintf("putting object %q in its place", p.name), err)
		case again:
		}
	}
	return fmt.Errorf("putting object %q in its place: its folder was removed %d times: %w: %w",
		p.name, maxAttempts, err, provider.ErrUnavailable)
}

// judge says what an error means that came when a file was put in its place. The request may have been carried out by
// then, and its answer lost: so it is the file that stands there that tells.
func (s *session) judge(ctx context.Context, file partial, to nfs3.Place, err error) (verdict, error) {
	switch {
	case isVanished(err):
		return s.judgeVanished(ctx, file, to, err)
	case isInTheWay(err):
		return s.judgeInTheWay(ctx, file, to, err)
	default:
		return failed, err
	}
}

// judgeVanished deals with something that is gone: the folder, or the partial file, which may have reached its place.
func (s *session) judgeVanished(ctx context.Context, file partial, to nfs3.Place, err error) (verdict, error) {
	_, looking := s.client.Lookup(ctx, file.at.Folder, file.at.Name)
	if looking == nil {
		return again, err
	}
	if !isVanished(looking) {
		return failed, looking
	}
	stands, looking := s.client.Lookup(ctx, to.Folder, to.Name)
	if looking == nil && s.isOurs(ctx, file, stands) {
		return stored, nil
	}
	return failed, fmt.Errorf("the partial file is gone, and what became of it is not known: %w: %w", err, provider.ErrUnavailable)
}

// judgeInTheWay deals with something that stands in the place.
func (s *session) judgeInTheWay(ctx context.Context, file partial, to nfs3.Place, err error) (verdict, error) {
	stands, looking := s.client.Lookup(ctx, to.Folder, to.Name)
	switch {
	case isVanished(looking):
		return again, err
	case looking != nil:
		return failed, looking
	case s.isOurs(ctx, file, stands):
		return stored, nil
	case stands.Attributes.Type == nfs3.TypeRegular && errors.Is(err, nfs3.ErrExist):
		return failed, fmt.Errorf("%w: %w", err, provider.ErrAlreadyExists)
	case stands.Attributes.Type == nfs3.TypeFolder && s.client.Rmdir(ctx, to.Folder, to.Name) == nil:
		return again, err // An empty folder, as a crash or a deletion leaves it.
	default:
		return failed, fmt.Errorf("%w: %w", errOther, err)
	}
}

// isOurs tells whether what stands somewhere is the partial file under another name. The number of a file may be given
// to another one when it is gone, so that file has to be there still.
func (s *session) isOurs(ctx context.Context, file partial, stands nfs3.File) bool {
	if !stands.Attributes.IsSame(file.Attributes) {
		return false
	}
	now, err := s.client.GetAttr(ctx, file.Handle)
	return err == nil && now.IsSame(stands.Attributes)
}
