package rpc

import (
	"encoding/binary"
	"fmt"
	"io"

	"github.com/soda-cdm/kahu/providers/nfs/internal/xdr"
)

const (
	// MaxRecordBytes limits a message, in both directions.
	MaxRecordBytes = 2 << 20
	// lastFragment marks the last piece of a message.
	lastFragment = 1 << 31
	markBytes    = 4
)

// ReadRecord reads a message, which may come in several pieces (RFC 5531, section 11).
func ReadRecord(reader io.Reader) ([]byte, error) {
	var record []byte
	var mark [markBytes]byte
	for {
		if _, err := io.ReadFull(reader, mark[:]); err != nil {
			return nil, err
		}
		value := binary.BigEndian.Uint32(mark[:])
		count := int(value &^ lastFragment)
		isLast := value&lastFragment != 0
		if len(record)+count > MaxRecordBytes || count == 0 && !isLast {
			return nil, fmt.Errorf("%w: a piece of %d bytes behind %d", xdr.ErrMalformed, count, len(record))
		}
		begin := len(record)
		record = append(record, make([]byte, count)...)
		if _, err := io.ReadFull(reader, record[begin:]); err != nil {
			return nil, fmt.Errorf("reading a message: %w", err)
		}
		if isLast {
			return record, nil
		}
	}
}

// mark returns what leads a message that goes in one piece.
func mark(record []byte) ([]byte, error) {
	if len(record) > MaxRecordBytes {
		return nil, fmt.Errorf("a message of %d bytes is longer than %d", len(record), MaxRecordBytes)
	}
	return binary.BigEndian.AppendUint32(nil, uint32(len(record))|lastFragment), nil //nolint:gosec // It was compared above.
}
