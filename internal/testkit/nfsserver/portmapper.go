package nfsserver

import (
	"encoding/binary"
	"io"
	"net"
	"path/filepath"
)

// The numbers of the port mapper (RFC 1833).
const (
	portMapperPort   = "111"
	portMapperTwo    = 2
	procedureGetPort = 3
	programMount     = 100005
	maxCallBytes     = 4096
	lastFragment     = 1 << 31
)

// servePortMapper stands in for the port mapper of a machine: on a socket it agrees to all that the server wants to
// register, and at the address of the server it tells clients where the mount protocol is.
func (s *Server) servePortMapper() {
	s.tb.Helper()
	for network, address := range map[string]string{
		"unix": filepath.Join(s.folder, "run", "rpcbind.sock"), "tcp": net.JoinHostPort(s.Address, portMapperPort),
	} {
		listener, err := (&net.ListenConfig{}).Listen(s.tb.Context(), network, address)
		if err != nil {
			s.tb.Fatal(err)
		}
		s.tb.Cleanup(func() { _ = listener.Close() })
		go func() {
			for {
				connection, err := listener.Accept()
				if err != nil {
					return
				}
				go s.answerAll(connection)
			}
		}()
	}
}

// answerAll answers the calls over a connection until its end.
func (s *Server) answerAll(connection io.ReadWriteCloser) {
	defer connection.Close()
	for {
		var mark [4]byte
		if _, err := io.ReadFull(connection, mark[:]); err != nil {
			return
		}
		length := binary.BigEndian.Uint32(mark[:]) &^ lastFragment
		if length > maxCallBytes {
			return
		}
		call := make([]byte, length)
		if _, err := io.ReadFull(connection, call); err != nil {
			return
		}
		if _, err := connection.Write(s.answer(call)); err != nil {
			return
		}
	}
}

// answer returns the reply to a call: a port to whoever asks for that of the mount protocol, true to everybody else.
func (s *Server) answer(call []byte) []byte {
	word := func(i int) uint32 {
		if 4*i+4 > len(call) {
			return 0
		}
		return binary.BigEndian.Uint32(call[4*i:])
	}
	result := uint32(1)
	const version, procedure = 4, 5
	if word(version) == portMapperTwo && word(procedure) == procedureGetPort {
		result = 0
		if program := len(call)/4 - 4; word(program) == programMount {
			result = uint32(s.MountPort)
		}
	}
	const words = 7
	reply := binary.BigEndian.AppendUint32(nil, words*4|lastFragment)
	for _, value := range []uint32{word(0), 1, 0, 0, 0, 0, result} {
		reply = binary.BigEndian.AppendUint32(reply, value)
	}
	return reply
}
