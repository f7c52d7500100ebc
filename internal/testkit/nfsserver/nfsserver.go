// Package nfsserver runs a real NFS server for tests: NFS-Ganesha, over a folder, on an address of loopback of its own.
package nfsserver

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Server is a server that runs until the end of its test. It needs root, as its files are opened by their handles.
type Server struct {
	// Address is the address of loopback that it has for itself.
	Address string
	// Port and MountPort are those of NFS and of the mount protocol.
	Port, MountPort int
	// Root is the folder that it exports, under this very path.
	Root string

	tb      testing.TB
	folder  string
	command *exec.Cmd
}

// Options change how a server runs.
type Options struct {
	// Root is the folder to export. Empty means a new one.
	Root string
	// ReadOnly exports it for reading only.
	ReadOnly bool
	// Reserved refuses clients whose port is above 1023.
	Reserved bool
}

// startTime bounds how long the server may take until it answers.
const startTime = 30 * time.Second

// Start starts a server. The test is skipped, loudly, where there is none or where this is not root.
func Start(tb testing.TB, options Options) *Server {
	tb.Helper()
	program(tb)
	folder := tb.TempDir()
	s := &Server{Address: ownAddress(), Root: options.Root, tb: tb, folder: folder}
	s.Port, s.MountPort = freePort(tb, s.Address), freePort(tb, s.Address)
	if s.Root == "" {
		s.Root = filepath.Join(folder, "export")
	}
	for _, path := range []string{s.Root, filepath.Join(folder, "run"), filepath.Join(folder, "recovery")} {
		if err := os.MkdirAll(path, 0o755); err != nil {
			tb.Fatal(err)
		}
	}
	// Whoever is not told who to be is nobody, and may write into the export.
	if err := errors.Join(os.Chmod(folder, 0o755), os.Chmod(s.Root, 0o777)); err != nil {
		tb.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, "conf"), s.configuration(options), 0o600); err != nil {
		tb.Fatal(err)
	}
	s.servePortMapper()
	s.Run()
	tb.Cleanup(s.Stop)
	return s
}

// configuration is that of a server of version 3 without locks. It caches nothing, as the tests look at its files, and
// does not recognise a request that it has carried out already.
func (s *Server) configuration(options Options) []byte {
	access := "RW"
	if options.ReadOnly {
		access = "RO"
	}
	return fmt.Appendf(nil, `
NFS_CORE_PARAM {
	NFS_Port = %d;
	MNT_Port = %d;
	Bind_addr = %s;
	Protocols = 3;
	Enable_NLM = false;
	Enable_RQUOTA = false;
	Enable_UDP = false;
	fsid_device = true;
	DRC_Disabled = true;
	Plugins_Dir = "%s";
}
NFSV4 { Graceless = true; RecoveryRoot = "%s/recovery"; }
MDCACHE { Dir_Chunk = 0; }
EXPORT {
	Export_Id = 1;
	Path = "%s";
	Pseudo = "%s";
	Access_Type = %s;
	Squash = No_Root_Squash;
	PrivilegedPort = %t;
	SecType = sys;
	Protocols = 3;
	Transports = TCP;
	Attr_Expiration_Time = 0;
	FSAL { Name = VFS; }
}
`, s.Port, s.MountPort, s.Address, pluginFolder(), s.folder, s.Root, s.Root, access, options.Reserved)
}

// Run starts the server again after Stop, at the same address, with what it had.
func (s *Server) Run() {
	s.tb.Helper()
	var output bytes.Buffer
	log := filepath.Join(s.folder, "log")
	// It insists on registering itself with the machine's port mapper, at a path that cannot be chosen: so it is given a
	// folder of ours in place of /run, which nobody else sees.
	const script = `mount --bind "$1/run" /run && exec "$2" -F -f "$1/conf" -L "$1/log" -p "$1/run/pid"`
	s.command = exec.CommandContext(s.tb.Context(), "unshare", "--mount", "--propagation", "private",
		"sh", "-c", script, "sh", s.folder, program(s.tb))
	s.command.Stdout, s.command.Stderr = &output, &output
	s.command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := s.command.Start(); err != nil {
		s.tb.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(s.tb.Context(), startTime)
	defer cancel()
	address := net.JoinHostPort(s.Address, strconv.Itoa(s.Port))
	for pause := 5 * time.Millisecond; ; pause = min(2*pause, 100*time.Millisecond) {
		connection, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
		if err == nil {
			_ = connection.Close()
			return
		}
		if ctx.Err() != nil {
			s.Stop()
			said, _ := os.ReadFile(log)
			s.tb.Fatalf("the NFS server does not answer: %v\n%s\n%s", err, output.String(), said)
		}
		// There is no event to wait for: the process opens its port and says nothing.
		next, cancel := context.WithTimeout(ctx, pause)
		<-next.Done()
		cancel()
	}
}

// Stop ends the server at once, as a crash would.
func (s *Server) Stop() {
	if s.command == nil {
		return
	}
	if err := s.command.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		s.tb.Errorf("ending the NFS server: %v", err)
	}
	_ = s.command.Wait() // It was killed.
	s.command = nil
}

// Log returns what the server has written into its log.
func (s *Server) Log() string {
	said, err := os.ReadFile(filepath.Join(s.folder, "log"))
	if err != nil {
		s.tb.Error(err)
	}
	return string(said)
}

// ownAddress returns an address of loopback that nobody else is likely to have, with all its ports.
func ownAddress() string {
	var random [3]byte
	_, _ = rand.Read(random[:]) // It never fails.
	return net.IPv4(127, random[0]|1, random[1], random[2]|1).String()
}

// freePort returns a port at which nobody listens.
func freePort(tb testing.TB, address string) int {
	tb.Helper()
	listener, err := (&net.ListenConfig{}).Listen(tb.Context(), "tcp", address+":0")
	if err != nil {
		tb.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().(*net.TCPAddr).Port
}

// program finds the program, or skips the test with what to do.
func program(tb testing.TB) string {
	tb.Helper()
	path, err := exec.LookPath("ganesha.nfsd")
	if err != nil || pluginFolder() == "" {
		tb.Skip("NOT TESTED: there is no NFS server: run \"apt-get install --no-install-recommends nfs-ganesha nfs-ganesha-vfs\" first")
	}
	if os.Geteuid() != 0 {
		tb.Skip("NOT TESTED: the NFS server needs root")
	}
	if _, err := exec.LookPath("unshare"); err != nil {
		tb.Skip("NOT TESTED: the NFS server needs the command unshare")
	}
	return path
}

// pluginFolder is where the server's access to plain folders is, empty if it is not.
func pluginFolder() string {
	for _, pattern := range []string{"/usr/lib/*/ganesha/libfsalvfs.so", "/usr/lib*/ganesha/libfsalvfs.so"} {
		if found, err := filepath.Glob(pattern); err == nil && len(found) > 0 {
			return strings.TrimSuffix(found[0], "/libfsalvfs.so")
		}
	}
	return ""
}
