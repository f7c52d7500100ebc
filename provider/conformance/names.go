package conformance

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/soda-cdm/kahu/provider"
)

func nameChecks() []Check {
	return []Check{
		{
			Name:    "names/odd",
			Promise: "Every valid name can be used, and no two names mean the same object.",
			run:     checkOddNames,
		},
		{
			Name:    "names/longest",
			Promise: "An element has up to 255 bytes, a name up to 768.",
			modern:  true,
			run:     checkLongestNames,
		},
		{
			Name:    "names/refused",
			Promise: "A name that is not valid is refused with InvalidArgument by every call.",
			modern:  true,
			run: func(ctx context.Context, s *session) {
				expectRefused(ctx, s, []string{
					"", "/", s.prefix + "/", s.prefix + "//x", ".", s.prefix + "/./x", s.prefix + "/x/.",
					s.prefix + "/a\x00b", s.prefix + "/a\nb", s.prefix + "/a\x7fb",
					s.prefix + "/" + strings.Repeat("e", provider.MaxElementBytes+1),
					s.prefix + strings.Repeat("/e", provider.MaxNameBytes/2),
				})
			},
		},
		{
			Name:    "names/escape",
			Promise: "A name that leads out of the store is refused with InvalidArgument by every call.",
			modern:  true,
			run: func(ctx context.Context, s *session) {
				expectRefused(ctx, s, []string{
					"..", "../" + s.prefix, "../../../../" + s.prefix, s.prefix + "/../x", s.prefix + "/x/../../../y",
					s.prefix + "/..", "/" + s.prefix, "/tmp/" + s.prefix,
				})
			},
		},
		{
			Name:    "names/below-object",
			Promise: "An object below the name of another is stored like any other, or refused with FailedPrecondition.",
			modern:  true,
			run:     checkBelowObject,
		},
	}
}

func checkOddNames(ctx context.Context, s *session) {
	texts := []string{
		"with space", " led by space", "trailing space ", "...", "..a", "a..", ".hidden", "~", "-", "--", "%2F", "%", "a%00",
		"a?b", "a#b", "a&b=c", "a+b", "a:b", "a*b", `back\slash`, `"quoted"`, "'single'", "$HOME", "`x`", "{}", "a;b", "a|b",
		"UPPER", "upper", "r\u00e9sum\u00e9", "re\u0301sume\u0301", "日本語", "🦜", "CON", "aux.txt", "a.tmp", ".tmp",
	}
	contents := map[string][]byte{}
	for i, text := range texts {
		name := s.name(text)
		contents[name] = fmt.Appendf(nil, "content %d", i)
		s.upload(ctx, name, contents[name])
	}
	for name, content := range contents {
		s.expectContent(ctx, name, content)
	}
}

func checkLongestNames(ctx context.Context, s *session) {
	element := strings.Repeat("e", provider.MaxElementBytes)
	wide := strings.Repeat("é", provider.MaxElementBytes/2)
	rest := provider.MaxNameBytes - len(s.prefix) - 1
	deep := strings.Repeat("d/", rest/2-1) + strings.Repeat("d", 2+rest%2)
	full := strings.Repeat(strings.Repeat("g", provider.MaxElementBytes)+"/", rest/(provider.MaxElementBytes+1))
	full += strings.Repeat("f", rest-len(full))
	for _, text := range []string{element, wide, deep, full} {
		name := s.name(text)
		if err := provider.ValidateName(name); err != nil {
			s.Fatalf("the check itself is wrong: %v", err)
		}
		content := pattern(uint64(len(name)), kib)
		s.upload(ctx, name, content)
		s.expectContent(ctx, name, content)
	}
}

// expectRefused reports names that a call does not refuse.
func expectRefused(ctx context.Context, s *session, names []string) {
	calls := slices.Concat(s.readingCalls(), s.changingCalls())
	if s.target.Endpoint != "" {
		// The client would refuse the names itself.
		calls = s.wireCalls()
	}
	for _, name := range names {
		for _, call := range calls {
			s.expectClass(fmt.Sprintf("%s of the name %q", call.what, shorten(name)),
				call.run(ctx, name), provider.ErrInvalidArgument)
		}
	}
}

// shorten makes a long name fit into a message.
func shorten(name string) string {
	const most = 80
	if len(name) <= most {
		return name
	}
	return name[:most] + "..."
}

func checkBelowObject(ctx context.Context, s *session) {
	outer, inner := s.name("a"), s.name("a/b")
	content := pattern(1, kib)
	s.upload(ctx, outer, content)
	err := s.driver.Upload(ctx, inner, s.attributes, bytes.NewReader(pattern(2, kib)))
	if err == nil {
		s.expectContent(ctx, inner, pattern(2, kib))
	} else {
		s.expectClass("storing an object below another", err, provider.ErrFailedPrecondition)
		s.expectAbsent(ctx, inner)
	}
	s.expectContent(ctx, outer, content)

	inner, outer = s.name("c/d"), s.name("c")
	s.upload(ctx, inner, content)
	err = s.driver.Upload(ctx, outer, s.attributes, bytes.NewReader(pattern(3, kib)))
	if err == nil {
		s.expectContent(ctx, outer, pattern(3, kib))
	} else {
		s.expectClass("storing an object above another", err, provider.ErrFailedPrecondition)
		s.expectAbsent(ctx, outer)
	}
	s.expectContent(ctx, inner, content)
}
