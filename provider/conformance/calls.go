package conformance

import (
	"context"
	"strings"

	"github.com/soda-cdm/kahu/provider"
	providerv1 "github.com/soda-cdm/kahu/provider/v1"
)

// call is a call that takes the name of an object.
type call struct {
	what string
	run  func(ctx context.Context, name string) error
}

// readingCalls returns the calls that want an object to be there, as far as the driver has them.
func (s *session) readingCalls() []call {
	calls := []call{{"download", func(ctx context.Context, name string) error {
		_, err := readAll(s.driver.Download(ctx, name, s.attributes))
		return err
	}}}
	if s.can(provider.CapabilityStat) {
		stater := require[provider.Stater](s, provider.CapabilityStat)
		calls = append(calls, call{"stat", func(ctx context.Context, name string) error {
			_, err := stater.Stat(ctx, name, s.attributes)
			return err
		}})
	}
	if s.can(provider.CapabilityRangeDownload) {
		ranger := require[provider.RangeReader](s, provider.CapabilityRangeDownload)
		calls = append(calls, call{"range download", func(ctx context.Context, name string) error {
			_, err := readAll(ranger.DownloadRange(ctx,
				provider.RangeRequest{Name: name, Attributes: s.attributes, Offset: 1, Length: 1}))
			return err
		}})
	}
	return calls
}

// changingCalls returns the other calls, as far as the driver has them.
func (s *session) changingCalls() []call {
	calls := []call{
		{"exists", func(ctx context.Context, name string) error {
			_, err := s.driver.Exists(ctx, name, s.attributes)
			return err
		}},
		{"upload", func(ctx context.Context, name string) error {
			return s.driver.Upload(ctx, name, s.attributes, strings.NewReader("x"))
		}},
		{"delete", func(ctx context.Context, name string) error {
			return s.driver.Delete(ctx, name, s.attributes)
		}},
	}
	if s.can(provider.CapabilityCreateIfAbsent) {
		creator := require[provider.Creator](s, provider.CapabilityCreateIfAbsent)
		calls = append(calls, call{"create", func(ctx context.Context, name string) error {
			return creator.Create(ctx, name, s.attributes, strings.NewReader("x"))
		}})
	}
	return calls
}

// wireCalls returns all calls that the driver has, without the checks of a client.
func (s *session) wireCalls() []call {
	client := s.dial()
	calls := []call{
		{"upload", func(ctx context.Context, name string) error { return sendUpload(ctx, client.Upload, s.info(name)) }},
		{"exists", func(ctx context.Context, name string) error {
			_, err := client.ObjectExists(ctx,
				&providerv1.ObjectExistsRequest{FileIdentifier: name, Attributes: s.attributes})
			return provider.FromStatus(err)
		}},
		{"download", func(ctx context.Context, name string) error {
			return drain(client.Download(ctx,
				&providerv1.DownloadRequest{FileIdentifier: name, Attributes: s.attributes}))
		}},
		{"delete", func(ctx context.Context, name string) error {
			_, err := client.Delete(ctx, &providerv1.DeleteRequest{FileIdentifier: name, Attributes: s.attributes})
			return provider.FromStatus(err)
		}},
	}
	if s.can(provider.CapabilityStat) {
		calls = append(calls, call{"stat", func(ctx context.Context, name string) error {
			_, err := client.StatObject(ctx,
				&providerv1.StatObjectRequest{FileIdentifier: name, Attributes: s.attributes})
			return provider.FromStatus(err)
		}})
	}
	if s.can(provider.CapabilityRangeDownload) {
		calls = append(calls, call{"range download", func(ctx context.Context, name string) error {
			return drain(client.DownloadRange(ctx,
				&providerv1.DownloadRangeRequest{FileIdentifier: name, Attributes: s.attributes, Length: 1}))
		}})
	}
	if s.can(provider.CapabilityCreateIfAbsent) {
		calls = append(calls, call{"create", func(ctx context.Context, name string) error {
			return sendUpload(ctx, client.Create, s.info(name))
		}})
	}
	return calls
}
