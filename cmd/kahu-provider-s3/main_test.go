package main_test

import (
	"strings"
	"testing"

	"github.com/soda-cdm/kahu/internal/testkit/driver"
	"github.com/soda-cdm/kahu/internal/testkit/s3server"
	"github.com/soda-cdm/kahu/provider"
	"github.com/soda-cdm/kahu/provider/conformance"
)

const bucket = "backups"

func start(t *testing.T, binary string) *driver.Process {
	t.Helper()
	return driver.Start(t, binary, "--part-size-mib", "5")
}

func attributes(server *s3server.Server) provider.Attributes {
	return provider.Attributes{
		"endpoint": server.URL, "bucket": bucket, "prefix": "team",
		"accessKeyID": s3server.AccessKey, "secretAccessKey": s3server.SecretKey,
	}
}

func TestConformance(t *testing.T) {
	server := s3server.Start(t, s3server.Options{}, bucket)
	running := start(t, driver.Build(t))
	conformance.Run(t, func(*testing.T) conformance.Target {
		return conformance.Target{Endpoint: running.Endpoint, Attributes: attributes(server)}
	})
	if strings.Contains(running.Log(), s3server.SecretKey) {
		t.Errorf("a secret is in the log:\n%s", running.Log())
	}
}

func TestKilledInTheMiddle(t *testing.T) {
	server, binary := s3server.Start(t, s3server.Options{}, bucket), driver.Build(t)
	driver.CrashInUploads(t, func() *driver.Process { return start(t, binary) }, attributes(server))
}

func TestCommandLine(t *testing.T) {
	binary := driver.Build(t)
	driver.CheckRefused(t, binary, "--endpoint")
	driver.CheckRefused(t, binary, "--endpoint", "--endpoint", "127.0.0.1:0")
	driver.CheckRefused(t, binary, "--part-size-mib", "--endpoint", "unix:///tmp/s", "--part-size-mib", "4")
	driver.CheckRefused(t, binary, "unexpected", "--endpoint", "unix:///tmp/s", "x")
	driver.CheckRefused(t, binary, "unknown", "--unknown")
}
