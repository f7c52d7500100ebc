package sidecar_test

import (
	"context"
	"regexp"
	"testing"
	"time"

	"github.com/soda-cdm/kahu/internal/sidecar"
)

func TestOptionsThatAreWrong(t *testing.T) {
	cases := map[string]func(options *sidecar.Options){
		"NoDriver":        func(options *sidecar.Options) { options.Driver = "" },
		"NoTLS":           func(options *sidecar.Options) { options.TLS = nil },
		"ClientsUnknown":  func(options *sidecar.Options) { options.TLS = options.TLS.Clone(); options.TLS.ClientAuth = 0 },
		"NoServerName":    func(options *sidecar.Options) { options.ServerName = "" },
		"HalfALease":      func(options *sidecar.Options) { options.LeaseDuration = time.Second / 2 },
		"BadProviderName": func(options *sidecar.Options) { options.ProviderName = "My Driver" },
		"EveryAddress":    func(options *sidecar.Options) { options.Listen = "0.0.0.0:0" },
		"BadListen":       func(options *sidecar.Options) { options.Listen = "nowhere" },
		"BadHealth":       func(options *sidecar.Options) { options.Health = "nowhere" },
		"BadDriver":       func(options *sidecar.Options) { options.Driver = "unix://relative" },
	}
	w := newWorld(t)
	for name, change := range cases {
		t.Run(name, func(t *testing.T) {
			options := w.options()
			change(&options)
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			if err := sidecar.Run(ctx, options); err == nil {
				t.Error("it ran")
			}
		})
	}
}

func TestAdvertisedAddress(t *testing.T) {
	for advertise, want := range map[string]string{
		"driver.example":      `^driver\.example:\d+$`,
		"driver.example:4711": `^driver\.example:4711$`,
		"":                    `^127\.0\.0\.1:\d+$`,
	} {
		t.Run(advertise, func(t *testing.T) {
			w := newWorld(t)
			w.serve(newDriver(w.name))
			options := w.options()
			options.Advertise = advertise
			w.run(options)
			object := w.await(w.providers(), w.name, hasEndpoint)
			if got := text(object, "status", "endpoint", "address"); !regexp.MustCompile(want).MatchString(got) {
				t.Errorf("the address is %s, want %s", got, want)
			}
		})
	}
}
