package manager

import (
	"crypto/tls"
	"fmt"

	"k8s.io/utils/clock"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/soda-cdm/kahu/internal/pki"
)

// metricsOptions says how metrics are served: as they are at a loopback address, and to known clients elsewhere.
func metricsOptions(options Options) (metricsserver.Options, error) {
	address := options.MetricsAddress
	if isOff(address) {
		address = "0"
	}
	if options.MetricsPKI == "" {
		return metricsserver.Options{BindAddress: address}, nil
	}
	folder, err := pki.Open(options.MetricsPKI, clock.RealClock{})
	if err != nil {
		return metricsserver.Options{}, fmt.Errorf("reading --metrics-pki: %w", err)
	}
	return metricsserver.Options{
		BindAddress: address, SecureServing: true, CertDir: options.MetricsPKI, CertName: "tls.crt", KeyName: "tls.key",
		TLSOpts: []func(*tls.Config){func(config *tls.Config) {
			known := folder.Server(options.MetricsClient)
			config.MinVersion, config.ClientAuth, config.ClientCAs = known.MinVersion, known.ClientAuth, known.ClientCAs
			config.GetConfigForClient = known.GetConfigForClient
		}},
	}, nil
}
