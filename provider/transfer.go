package provider

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/timestamppb"

	providerv1 "github.com/soda-cdm/kahu/provider/v1"
)

// firstChunkBytes is the size of the first piece that is read from a content: most objects are small.
const firstChunkBytes = 64 << 10

type (
	uploadStream   = grpc.ClientStreamingClient[providerv1.UploadRequest, providerv1.Empty]
	downloadStream = grpc.ServerStreamingClient[providerv1.DownloadResponse]
)

// upload sends a content. The stream is closed in the regular way only after content has given io.EOF; in every other
// case it is cancelled, so that the driver never takes a part for the whole.
func upload(
	ctx context.Context, info *providerv1.FileInfo, content io.Reader,
	open func(ctx context.Context) (uploadStream, error),
) error {
	if err := ValidateName(info.GetFileIdentifier()); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := open(ctx)
	if err != nil {
		return FromStatus(err)
	}
	sending := send(stream, info, content)
	if sending != nil && !errors.Is(sending, errStreamEnded) {
		cancel()
	}
	// The answer is awaited in any case: it ends the stream, and says why it ended early if it did.
	err = stream.RecvMsg(&providerv1.Empty{})
	switch {
	case sending == nil:
		return FromStatus(err)
	case !errors.Is(sending, errStreamEnded):
		return sending
	case err == nil:
		return errors.New("the driver answered before it had the whole content")
	default:
		return FromStatus(err)
	}
}

// errStreamEnded says that the other side has ended the stream; why is in its answer.
var errStreamEnded = errors.New("the stream ended")

// send sends info and content, and closes the sending side when content is at its end.
func send(stream uploadStream, info *providerv1.FileInfo, content io.Reader) error {
	err := sendMessage(stream, &providerv1.UploadRequest{Data: &providerv1.UploadRequest_Info{Info: info}})
	if err != nil {
		return err
	}
	buffer := make([]byte, firstChunkBytes)
	for {
		n, end, err := fill(content, buffer)
		if err != nil {
			return fmt.Errorf("reading the content to upload: %w", err)
		}
		if n > 0 {
			// The codec has copied the bytes when Send returns, so the buffer can be used again.
			err := sendMessage(stream,
				&providerv1.UploadRequest{Data: &providerv1.UploadRequest_ChunkData{ChunkData: buffer[:n]}})
			if err != nil {
				return err
			}
		}
		if end {
			return FromStatus(stream.CloseSend())
		}
		if len(buffer) < ChunkBytes {
			buffer = make([]byte, ChunkBytes)
		}
	}
}

// sendMessage sends one message, or returns errStreamEnded.
func sendMessage(stream uploadStream, message *providerv1.UploadRequest) error {
	err := stream.Send(message)
	if errors.Is(err, io.EOF) {
		return errStreamEnded
	}
	return FromStatus(err)
}

// maxEmptyReads is how often in a row a reader may give neither bytes nor an error.
const maxEmptyReads = 100

// fill reads until the buffer is full or the reader is at its end, and tells whether it is. Only io.EOF itself is the
// end: an error that wraps it, and io.ErrUnexpectedEOF, come from readers whose own source is cut short. (io.ReadFull
// would give the latter for both.)
func fill(reader io.Reader, buffer []byte) (n int, end bool, err error) {
	filled, empty := 0, 0
	for filled < len(buffer) {
		n, err := reader.Read(buffer[filled:])
		filled += n
		if err == io.EOF {
			return filled, true, nil
		}
		if err != nil {
			return filled, false, err
		}
		if n > 0 {
			empty = 0
			continue
		}
		if empty++; empty == maxEmptyReads {
			return filled, false, io.ErrNoProgress
		}
	}
	return filled, false, nil
}

// openDownload begins a download and waits for its first message, so that an object that is not there is an error
// of the call and not of the first Read.
func openDownload(
	ctx context.Context, open func(ctx context.Context) (downloadStream, error),
) (io.ReadCloser, error) {
	ctx, cancel := context.WithCancel(ctx)
	stream, err := open(ctx)
	if err != nil {
		cancel()
		return nil, FromStatus(err)
	}
	reader := &downloadReader{stream: stream, cancel: cancel}
	message, err := stream.Recv()
	switch {
	case errors.Is(err, io.EOF):
		reader.err = io.EOF
	case err != nil:
		cancel()
		return nil, FromStatus(err)
	default:
		// A driver that sends no info first is borne with: the bytes are what counts.
		reader.rest = message.GetChunkData()
	}
	return reader, nil
}

// downloadReader gives the chunks of a download as one stream of bytes.
type downloadReader struct {
	stream downloadStream
	cancel context.CancelFunc

	mu   sync.Mutex
	rest []byte
	err  error // What Read returns from now on, when rest is used up.
}

// Read gives io.EOF only when the driver has ended the stream with success.
func (r *downloadReader) Read(buffer []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(buffer) == 0 {
		return 0, nil
	}
	for len(r.rest) == 0 {
		if r.err != nil {
			return 0, r.err
		}
		r.receive()
	}
	n := copy(buffer, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}

// receive takes the next message.
func (r *downloadReader) receive() {
	message, err := r.stream.Recv()
	if errors.Is(err, io.EOF) {
		r.err = io.EOF
		return
	}
	if err != nil {
		r.err = FromStatus(err)
		return
	}
	r.rest = message.GetChunkData()
}

// Close ends the download, also while another goroutine reads.
func (r *downloadReader) Close() error {
	r.cancel()
	r.mu.Lock()
	defer r.mu.Unlock()
	// Take what has arrived already, to the end: after that the call holds nothing any more.
	for r.err == nil {
		r.receive()
	}
	r.rest, r.err = nil, os.ErrClosed
	return nil
}

// objectToProto returns the message for a description.
func objectToProto(object ObjectInfo) *providerv1.ObjectInfo {
	message := &providerv1.ObjectInfo{Name: object.Name, Size: object.Size, Digest: object.Digest}
	if !object.Modified.IsZero() {
		message.Modified = timestamppb.New(object.Modified)
	}
	return message
}

// objectFromProto returns the description of a message.
func objectFromProto(message *providerv1.ObjectInfo) ObjectInfo {
	object := ObjectInfo{Name: message.GetName(), Size: message.GetSize(), Digest: message.GetDigest()}
	if message.GetModified().IsValid() {
		object.Modified = message.GetModified().AsTime()
	}
	return object
}
