package conformance

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/soda-cdm/kahu/provider"
)

func listChecks() []Check {
	needs := []provider.Capability{provider.CapabilityList}
	return []Check{
		{
			Name:    "list/complete",
			Promise: "A listing has every object below its prefix once, and nothing else.",
			Needs:   needs,
			run:     checkListComplete,
		},
		{
			Name:    "list/order",
			Promise: "A listing is in the byte order of the names.",
			Needs:   needs,
			run:     checkListOrder,
		},
		{
			Name:    "list/prefix",
			Promise: "A prefix is a beginning of names, whether it ends at a slash or not.",
			Needs:   needs,
			run:     checkListPrefix,
		},
		{
			Name:    "list/pages",
			Promise: "Pages have no more objects than were asked for, and together are the listing.",
			Needs:   needs,
			run:     checkListPages,
		},
		{
			Name:    "list/sizes",
			Promise: "A listing has the sizes and times of objects, and the right digests where it has any.",
			Needs:   needs,
			run:     checkListSizes,
		},
		{
			Name:    "list/changes",
			Promise: "What was stored is in the next listing, what was deleted is not.",
			Needs:   needs,
			run:     checkListChanges,
		},
		{
			Name:    "list/refused",
			Promise: "A token that the driver did not give, a size below zero and an impossible prefix are InvalidArgument.",
			Needs:   needs,
			run:     checkListRefused,
		},
	}
}

// list returns the names of a whole listing, as the driver orders them, and ends the check on an error.
func (s *session) list(ctx context.Context, prefix string, pageSize int) []string {
	s.Helper()
	var names []string
	for _, object := range s.listObjects(ctx, prefix, pageSize) {
		names = append(names, object.Name)
	}
	return names
}

// maxPages limits a listing that does not end.
const maxPages = 1000

func (s *session) listObjects(ctx context.Context, prefix string, pageSize int) []provider.ObjectInfo {
	s.Helper()
	lister := require[provider.Lister](s, provider.CapabilityList)
	request := provider.ListRequest{Prefix: prefix, Attributes: s.attributes, PageSize: pageSize}
	var objects []provider.ObjectInfo
	given := map[string]bool{}
	for range maxPages {
		page, err := lister.List(ctx, request)
		if err != nil {
			s.Fatalf("listing %q: %v", prefix, err)
		}
		if pageSize > 0 && len(page.Objects) > pageSize {
			s.Errorf("listing %q: a page has %d objects, %d were asked for", prefix, len(page.Objects), pageSize)
		}
		objects = append(objects, page.Objects...)
		if page.NextPageToken == "" {
			return objects
		}
		if given[page.NextPageToken] {
			s.Fatalf("listing %q: it has no end: the token %q came before", prefix, page.NextPageToken)
		}
		given[page.NextPageToken] = true
		request.PageToken = page.NextPageToken
	}
	s.Fatalf("listing %q: it has no end", prefix)
	return nil
}

// expectNames compares the names of a listing, whatever their order.
func (s *session) expectNames(what string, got, want []string) {
	s.Helper()
	got, want = slices.Sorted(slices.Values(got)), slices.Sorted(slices.Values(want))
	if !slices.Equal(got, want) {
		s.Errorf("%s: got %d names, want %d; not wanted: %s; missing: %s",
			what, len(got), len(want), without(got, want), without(want, got))
	}
}

// without names what is in one list more often than in another, at most three of them.
func without(names, other []string) string {
	counts := map[string]int{}
	for _, name := range other {
		counts[name]++
	}
	var more []string
	for _, name := range names {
		counts[name]--
		if counts[name] < 0 {
			more = append(more, fmt.Sprintf("%q", name))
		}
	}
	const most = 3
	if len(more) > most {
		more = append(more[:most], "...")
	}
	return "[" + strings.Join(more, " ") + "]"
}

// store stores small objects of the given names and returns their full names.
func (s *session) store(ctx context.Context, texts ...string) []string {
	s.Helper()
	names := make([]string, len(texts))
	for i, text := range texts {
		names[i] = s.name(text)
		s.upload(ctx, names[i], []byte(text))
	}
	return names
}

// crossing returns names for which the order of a walk through folders is not the order of bytes.
func crossing() []string {
	return []string{
		"a-b", "a.b", "a/b.c", "a/b/c", "a0", "a!", "b", "ab/c", "a/!", "Z", "é/x", "z/z/z/z", "a b/c", "a/c/d", "a/c-d",
	}
}

func checkListComplete(ctx context.Context, s *session) {
	texts := crossing()
	for i := range 300 {
		texts = append(texts, fmt.Sprintf("many/%d/%d", i%7, i))
	}
	names := s.store(ctx, texts...)
	s.expectNames("the listing", s.list(ctx, s.prefix+"/", 0), names)
}

func checkListOrder(ctx context.Context, s *session) {
	s.store(ctx, crossing()...)
	names := s.list(ctx, s.prefix+"/", 0)
	if !slices.IsSorted(names) {
		s.Errorf("the listing is not in the order of the bytes of the names: %q", names)
	}
}

func checkListPrefix(ctx context.Context, s *session) {
	names := s.store(ctx, "folder/a", "folder/ab", "folder/b/c", "folder2/a", "fold", "other")
	for _, prefix := range []string{"", "fold", "folder", "folder/", "folder/a", "folder/ab", "folder/b/", "no", "folder/a/"} {
		full := s.prefix + "/" + prefix
		want := slices.DeleteFunc(slices.Clone(names), func(name string) bool { return !strings.HasPrefix(name, full) })
		s.expectNames(fmt.Sprintf("the listing of %q", full), s.list(ctx, full, 0), want)
	}
	if all := s.list(ctx, s.prefix, 0); len(all) != len(names) {
		s.Errorf("the listing of %q: got %d names, want %d", s.prefix, len(all), len(names))
	}
}

func checkListPages(ctx context.Context, s *session) {
	names := s.store(ctx, crossing()...)
	for _, size := range []int{1, 2, 5, len(names) - 1, len(names), len(names) + 1, provider.MaxPageSize, 1 << 20} {
		s.expectNames(fmt.Sprintf("the listing in pages of %d", size), s.list(ctx, s.prefix+"/", size), names)
	}
}

func checkListSizes(ctx context.Context, s *session) {
	contents := map[string][]byte{}
	for i, size := range []int{0, 1, 1000, 2*mib + 3} {
		name := s.name(fmt.Sprintf("object-%d", i))
		contents[name] = pattern(uint64(i), size)
		s.upload(ctx, name, contents[name])
	}
	for _, object := range s.listObjects(ctx, s.prefix+"/", 0) {
		s.expectDescribes(object, object.Name, contents[object.Name])
		if want := digestOf(contents[object.Name]); object.Digest != "" && object.Digest != want {
			s.Errorf("%q: the digest is %s, want %s", object.Name, object.Digest, want)
		}
	}
}

func checkListChanges(ctx context.Context, s *session) {
	for i := range 20 {
		name := s.name(fmt.Sprintf("folder/%d", i))
		s.upload(ctx, name, []byte("x"))
		if !slices.Contains(s.list(ctx, s.prefix+"/", 0), name) {
			s.Errorf("%q has been stored, and is not in the listing", name)
		}
		if i%2 == 0 {
			continue
		}
		if err := s.driver.Delete(ctx, name, s.attributes); err != nil {
			s.Fatalf("deleting: %v", err)
		}
		if slices.Contains(s.list(ctx, s.prefix+"/", 0), name) {
			s.Errorf("%q has been deleted, and is in the listing", name)
		}
	}
}

func checkListRefused(ctx context.Context, s *session) {
	lister := require[provider.Lister](s, provider.CapabilityList)
	for what, request := range map[string]provider.ListRequest{
		"a token of nobody":         {Prefix: s.prefix, PageToken: "\\no-token/"},
		"a size below zero":         {Prefix: s.prefix, PageSize: -1},
		"a prefix led by a slash":   {Prefix: "/" + s.prefix},
		"a prefix that leads out":   {Prefix: "../" + s.prefix},
		"a prefix that leads up":    {Prefix: s.prefix + "/../../"},
		"a prefix with two slashes": {Prefix: s.prefix + "//"},
	} {
		request.Attributes = s.attributes
		_, err := lister.List(ctx, request)
		s.expectClass("listing with "+what, err, provider.ErrInvalidArgument)
	}
}
