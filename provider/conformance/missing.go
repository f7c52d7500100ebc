package conformance

import (
	"bytes"
	"context"

	"github.com/soda-cdm/kahu/provider"
)

func missingChecks() []Check {
	return []Check{
		{
			Name:    "missing/not-found",
			Promise: "Reading an object that is not there fails with NotFound, whatever is missing of its folders.",
			run:     checkNotFound,
		},
		{
			Name:    "missing/exists",
			Promise: "An object exists from its upload to its deletion; the folder of an object is no object.",
			run:     checkExists,
		},
	}
}

func checkNotFound(ctx context.Context, s *session) {
	there := s.name("there/object")
	s.upload(ctx, there, []byte("x"))
	for _, name := range []string{
		s.name("missing"), s.name("there/missing"), s.name("no/such/folder/missing"), s.name("there/object/missing"),
		s.name("there"), s.name("there/obj"),
	} {
		for _, call := range s.readingCalls() {
			s.expectClass(call.what+" of "+name, call.run(ctx, name), provider.ErrNotFound)
		}
	}
}

func checkExists(ctx context.Context, s *session) {
	name := s.name("folder/object")
	s.expectAbsent(ctx, name)
	s.upload(ctx, name, []byte("x"))
	s.expectPresent(ctx, name)
	s.expectAbsent(ctx, s.name("folder"))
	s.expectAbsent(ctx, s.name("folder/obj"))
	s.expectAbsent(ctx, s.name("folder/object/below"))
	if err := s.driver.Delete(ctx, name, s.attributes); err != nil {
		s.Fatalf("deleting: %v", err)
	}
	s.expectAbsent(ctx, name)
}

func deleteChecks() []Check {
	return []Check{
		{
			Name:    "delete/gone",
			Promise: "What is deleted is gone, and what is beside and around it stays.",
			run:     checkGone,
		},
		{
			Name:    "delete/again",
			Promise: "Deleting what is not there, or not there any more, succeeds.",
			run:     checkDeleteAgain,
		},
		{
			Name:    "delete/folder",
			Promise: "Deleting the name of a folder deletes nothing below it.",
			run:     checkDeleteFolder,
		},
		{
			Name:    "delete/beside-uploads",
			Promise: "Objects can be stored in a folder while the last one in it is deleted.",
			modern:  true,
			run:     checkDeleteBesideUploads,
		},
	}
}

func checkGone(ctx context.Context, s *session) {
	gone, beside, above := s.name("a/b/gone"), s.name("a/b/gone2"), s.name("a/other")
	for _, name := range []string{gone, beside, above} {
		s.upload(ctx, name, []byte(name))
	}
	if err := s.driver.Delete(ctx, gone, s.attributes); err != nil {
		s.Fatalf("deleting: %v", err)
	}
	s.expectAbsent(ctx, gone)
	s.expectContent(ctx, beside, []byte(beside))
	s.expectContent(ctx, above, []byte(above))
	s.upload(ctx, gone, []byte("again"))
	s.expectContent(ctx, gone, []byte("again"))
}

func checkDeleteAgain(ctx context.Context, s *session) {
	name := s.name("a/object")
	s.upload(ctx, name, []byte("x"))
	for _, what := range []string{"an object", "what has been deleted"} {
		if err := s.driver.Delete(ctx, name, s.attributes); err != nil {
			s.Errorf("deleting %s: %v", what, err)
		}
	}
	if err := s.driver.Delete(ctx, s.name("no/such/folder/object"), s.attributes); err != nil {
		s.Errorf("deleting what has never been there: %v", err)
	}
}

func checkDeleteFolder(ctx context.Context, s *session) {
	name := s.name("folder/object")
	s.upload(ctx, name, []byte("x"))
	// Whether it is a success or an error does not matter here.
	_ = s.driver.Delete(ctx, s.name("folder"), s.attributes)
	s.expectContent(ctx, name, []byte("x"))
}

// checkDeleteBesideUploads stores in each of a few folders and deletes there, so that a driver with real folders
// removes them while others store into them.
func checkDeleteBesideUploads(ctx context.Context, s *session) {
	const workers, rounds = 8, 50
	names := make([]string, workers)
	for i := range names {
		names[i] = s.name("shared/folder/" + string(rune('a'+i)))
	}
	for _, err := range inParallel(workers, func(i int) error {
		for round := range rounds {
			content := pattern(uint64(round), 64)
			if err := s.driver.Upload(ctx, names[i], s.attributes, bytes.NewReader(content)); err != nil {
				return err
			}
			if err := s.driver.Delete(ctx, names[i], s.attributes); err != nil {
				return err
			}
		}
		return s.driver.Upload(ctx, names[i], s.attributes, bytes.NewReader([]byte(names[i])))
	}) {
		if err != nil {
			s.Errorf("storing and deleting side by side: %v", err)
		}
	}
	for _, name := range names {
		s.expectContent(ctx, name, []byte(name))
	}
}
