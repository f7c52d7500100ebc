package main_test

import (
	"strconv"
	"testing"

	"github.com/soda-cdm/kahu/internal/testkit/driver"
	"github.com/soda-cdm/kahu/internal/testkit/nfsserver"
	"github.com/soda-cdm/kahu/provider"
	"github.com/soda-cdm/kahu/provider/conformance"
)

func attributes(server *nfsserver.Server) provider.Attributes {
	return provider.Attributes{
		"server": server.Address, "export": server.Root, "path": "team",
		"port": strconv.Itoa(server.Port), "mountPort": strconv.Itoa(server.MountPort),
	}
}

func TestConformance(t *testing.T) {
	server := nfsserver.Start(t, nfsserver.Options{})
	running := driver.Start(t, driver.Build(t))
	conformance.Run(t, func(*testing.T) conformance.Target {
		return conformance.Target{Endpoint: running.Endpoint, Attributes: attributes(server)}
	})
}

func TestKilledInTheMiddle(t *testing.T) {
	server, binary := nfsserver.Start(t, nfsserver.Options{}), driver.Build(t)
	driver.CrashInUploads(t, func() *driver.Process { return driver.Start(t, binary) }, attributes(server))
}

func TestCommandLine(t *testing.T) {
	binary := driver.Build(t)
	driver.CheckRefused(t, binary, "--endpoint")
	driver.CheckRefused(t, binary, "--endpoint", "--endpoint", "127.0.0.1:0")
	driver.CheckRefused(t, binary, "--patience", "--endpoint", "unix:///tmp/s", "--patience", "1ms")
	driver.CheckRefused(t, binary, "unexpected", "--endpoint", "unix:///tmp/s", "x")
	driver.CheckRefused(t, binary, "unknown", "--unknown")
}
