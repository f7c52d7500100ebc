package nfs3_test

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/soda-cdm/kahu/providers/nfs/internal/nfs3"
	"github.com/soda-cdm/kahu/providers/nfs/internal/rpc"
)

// clientOf returns a client whose server answers every call with the same results.
func clientOf(results []byte) *nfs3.Client {
	return nfs3.NewClient(nfs3.Options{
		Server: "server", Port: 1, MountPort: 1, Export: "/", Silence: time.Minute, Patience: time.Minute,
		Dial: func(context.Context, string, string) (net.Conn, error) {
			near, far := net.Pipe()
			go serve(far, results)
			return near, nil
		},
	})
}

// serve answers until the client closes the connection.
func serve(connection net.Conn, results []byte) {
	defer connection.Close()
	for {
		call, err := rpc.ReadRecord(connection)
		if err != nil {
			return
		}
		const head = 24
		reply := binary.BigEndian.AppendUint32(nil, uint32(head+len(results))|1<<31)
		reply = append(append(reply, call[:4]...), 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
		if _, err := connection.Write(append(reply, results...)); err != nil {
			return
		}
	}
}

// FuzzResults gives every procedure the same bytes as its results.
func FuzzResults(f *testing.F) {
	attributes := strings.Repeat("00000001", 21)
	for _, results := range []string{
		"00000000", "00000002", "00002718", "0000000000000000", // States.
		"00000000" + attributes, // GETATTR
		"00000000" + "00000004" + "aabbccdd" + "00000001" + attributes,                          // LOOKUP
		"00000000" + "00000000" + "00000003" + "00000001" + "00000003" + "61626300",             // READ
		"00000000" + "00000000" + "00000000" + "00000003" + "00000002" + "0102030405060708",     // WRITE
		"00000000" + "00000001" + "00000004" + "aabbccdd" + "00000001" + attributes,             // CREATE
		"00000000" + "00000000" + "0102030405060708" + "00000000" + "00000001",                  // READDIRPLUS
		"00000000" + "00000004" + "aabbccdd" + "00000001" + "00000001",                          // MNT
		"00000000" + "00000000" + strings.Repeat("00010000", 7) + strings.Repeat("00000001", 5), // FSINFO
		"00000000" + "00000000" + "0102030405060708" + "00000001" + "0000000000000005" + "00000001" + // An entry.
			"61000000" + "0000000000000009" + "00000000" + "00000000" + "00000000" + "00000001",
	} {
		raw, err := hex.DecodeString(results)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, results []byte) {
		if len(results) > 1<<16 {
			return
		}
		// What a server is not ready for is asked again after a time, which no fuzzing has.
		if len(results) >= 4 && binary.BigEndian.Uint32(results) == uint32(nfs3.ErrJukebox) {
			return
		}
		client := clientOf(results)
		defer client.Disconnect()
		ctx := t.Context()
		if data, _, err := client.Read(ctx, "file", 0, 100); err == nil && len(data) > 100 {
			t.Errorf("%d bytes were read of 100", len(data))
		}
		if written, err := client.Write(ctx, "file", 0, []byte("data"), nfs3.FileSync); err == nil && (written.Count == 0 || written.Count > 4) {
			t.Errorf("%d bytes were written of 4", written.Count)
		}
		if export, err := client.Mount(ctx); err == nil && (export.Limits.ReadBytes < 512 || export.Limits.WriteBytes > 256<<10) {
			t.Errorf("the limits are %v", export.Limits)
		}
		if _, next, err := client.ReadFolder(ctx, "folder", nfs3.Cookie{}); err == nil && !next.IsEnd() && len(results) < 36 {
			t.Error("a folder goes on without an entry")
		}
		_, _ = client.GetAttr(ctx, "file")
		_, _ = client.Lookup(ctx, "folder", "name")
		_, _ = client.Create(ctx, "folder", "name")
		_, _ = client.Commit(ctx, "file")
		_ = client.Rename(ctx, nfs3.Place{}, nfs3.Place{})
	})
}
