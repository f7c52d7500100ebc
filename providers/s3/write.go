package s3

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"net/http"
	"time"

	"github.com/minio/minio-go/v7"

	"github.com/soda-cdm/kahu/provider"
)

// Upload implements provider.ObjectStore.
func (s *Store) Upload(ctx context.Context, name string, attributes provider.Attributes, content io.Reader) error {
	return s.store(ctx, name, attributes, content, replace)
}

// Create implements provider.Creator. The condition is the service's own, and holds when the last request is made.
func (s *Store) Create(ctx context.Context, name string, attributes provider.Attributes, content io.Reader) error {
	err := s.store(ctx, name, attributes, content, createOnly)
	if !errors.Is(err, provider.ErrUnavailable) || ctx.Err() != nil {
		return err
	}
	// A service that refuses early may close the connection while the content is still on its way, and its answer is
	// lost. That the object is there is then the better answer, whoever made it.
	if exists, looking := s.Exists(ctx, name, attributes); looking == nil && exists {
		return fmt.Errorf("creating %s (%v): %w", name, err, provider.ErrAlreadyExists) //nolint:errorlint // The class changes.
	}
	return err
}

// The headers with which a service is told checksums.
const (
	headerCRC32C    = "X-Amz-Checksum-Crc32c"
	headerAlgorithm = "X-Amz-Checksum-Algorithm"
)

// store stores a content: in one request where it fits into a part, else in parts.
func (s *Store) store(
	ctx context.Context, name string, attributes provider.Attributes, content io.Reader, mode mode,
) error {
	b, err := s.openNamed(name, attributes)
	if err != nil {
		return err
	}
	s.sweep(ctx, b)
	first, end, err := readPart(content, make([]byte, 0, firstBytes), s.options.PartBytes)
	if err != nil {
		return fmt.Errorf("storing %s: %w", name, err)
	}
	options := b.newObject(s.options.Now())
	if end {
		return b.put(ctx, name, first, mode.conditional(options))
	}
	upload := &parts{bucket: b, name: name, mode: mode, options: options}
	return upload.store(ctx, first, content, s.options.PartBytes)
}

// newObject returns what the location wants of a new object.
func (b *bucket) newObject(now time.Time) minio.PutObjectOptions {
	options := minio.PutObjectOptions{
		ServerSideEncryption: b.encryption, StorageClass: b.storageClass, UserMetadata: map[string]string{},
	}
	if b.lockMode != "" {
		options.Mode, options.RetainUntilDate = b.lockMode, now.Add(b.lockTime).UTC()
	}
	return options
}

// mode tells what becomes of an object that is there already.
type mode int

const (
	replace mode = iota
	createOnly
)

// conditional lets the service refuse what would replace an object that is to be created.
func (m mode) conditional(options minio.PutObjectOptions) minio.PutObjectOptions {
	if m == createOnly {
		options.SetMatchETagExcept("*")
	}
	return options
}

// firstBytes is the room that an upload begins with. Most contents are small.
const firstBytes = 64 << 10

// readPart reads until the part is full or the content ends, and tells which. A content that breaks off is an error.
func readPart(content io.Reader, buffer []byte, size int) (part []byte, end bool, err error) {
	limited := io.LimitReader(content, int64(size)+1-int64(len(buffer)))
	grown := bytes.NewBuffer(buffer)
	if _, err := grown.ReadFrom(limited); err != nil {
		return nil, false, err
	}
	return grown.Bytes(), grown.Len() <= size, nil
}

// put stores a content in one request. Where the answer to a creation was lost and the request is made again, the
// service says that the object is there: whoever called compares, as the contract says.
func (b *bucket) put(ctx context.Context, name string, content []byte, options minio.PutObjectOptions) error {
	sum := sha256.Sum256(content)
	digest := hex.EncodeToString(sum[:])
	options.UserMetadata[metadataDigest] = digest
	if b.checksum {
		options.UserMetadata[headerCRC32C] = checksum(content)
	}
	return b.again(ctx, "storing "+name, func() error {
		_, err := b.PutObject(ctx, b.bucket, b.key(name), bytes.NewReader(content), int64(len(content)), "", digest, options)
		return err
	})
}

// How often and how soon a request is made again that met a folder which was being removed.
const (
	folderTries = 6
	folderPause = 10 * time.Millisecond
)

// again makes a request, and makes it again where the service stores objects as files and says that a folder is not as
// it has to be: it removes folders with their last object, also while another object is on its way into them.
func (b *bucket) again(ctx context.Context, doing string, request func() error) error {
	var err error
	for try := range folderTries {
		err = request()
		answer, answered := errors.AsType[minio.ErrorResponse](err)
		if !answered || answer.Code != codeFolder {
			break
		}
		pause, cancel := context.WithTimeout(ctx, folderPause<<try)
		<-pause.Done()
		cancel()
	}
	if err != nil {
		return b.classify(ctx, doing, err)
	}
	return nil
}

// codeFolder is what such a service says.
const codeFolder = "ExistingObjectIsDirectory"

// checksum returns the CRC-32C as S3 writes it.
func checksum(content []byte) string {
	sum := crc32.Checksum(content, crc32.MakeTable(crc32.Castagnoli))
	return base64.StdEncoding.EncodeToString(binary.BigEndian.AppendUint32(nil, sum))
}

// parts is an upload in parts.
type parts struct {
	*bucket

	name    string
	mode    mode
	options minio.PutObjectOptions
	id      string
	done    []minio.CompletePart
}

// maxParts is how many parts S3 takes.
const maxParts = 10000

// store sends the parts and makes the object of them, or leaves nothing.
func (p *parts) store(ctx context.Context, first []byte, content io.Reader, size int) error {
	if p.checksum {
		p.options.UserMetadata[headerAlgorithm] = "CRC32C"
	}
	id, err := p.NewMultipartUpload(ctx, p.bucket.bucket, p.key(p.name), p.options)
	if err != nil {
		return p.classify(ctx, "beginning to store "+p.name, err)
	}
	p.id = id
	if err := p.send(ctx, first, content, size); err != nil {
		p.abort(ctx)
		return err
	}
	if err := p.complete(ctx); err != nil {
		p.abort(ctx)
		return err
	}
	return nil
}

// send sends the parts. The buffer always holds one byte more than a part, if there is one, so that the last part is
// known to be the last.
func (p *parts) send(ctx context.Context, buffer []byte, content io.Reader, size int) error {
	for {
		last := len(buffer) <= size
		part := buffer[:min(size, len(buffer))]
		if len(p.done) == maxParts {
			return fmt.Errorf("storing %s: it is longer than the %d parts of %d bytes that S3 takes: %w",
				p.name, maxParts, size, provider.ErrInvalidArgument)
		}
		if err := p.sendPart(ctx, part); err != nil {
			return err
		}
		if last {
			return nil
		}
		rest := copy(buffer, buffer[size:])
		next, _, err := readPart(content, buffer[:rest], size)
		if err != nil {
			return fmt.Errorf("storing %s: %w", p.name, err)
		}
		buffer = next
	}
}

func (p *parts) sendPart(ctx context.Context, part []byte) error {
	sum := sha256.Sum256(part)
	number := len(p.done) + 1
	options := minio.PutObjectPartOptions{
		Sha256Hex: hex.EncodeToString(sum[:]), SSE: p.customerKey(), CustomHeader: http.Header{},
	}
	done := minio.CompletePart{PartNumber: number}
	if p.checksum {
		done.ChecksumCRC32C = checksum(part)
		options.CustomHeader.Set(headerCRC32C, done.ChecksumCRC32C)
	}
	sent, err := p.PutObjectPart(ctx, p.bucket.bucket, p.key(p.name), p.id, number, bytes.NewReader(part), int64(len(part)), options)
	if err != nil {
		return p.classify(ctx, fmt.Sprintf("storing part %d of %s", number, p.name), err)
	}
	done.ETag = sent.ETag
	p.done = append(p.done, done)
	return nil
}

// complete makes an object of the parts.
func (p *parts) complete(ctx context.Context) error {
	ending := p.mode.conditional(minio.PutObjectOptions{ServerSideEncryption: p.customerKey()})
	return p.again(ctx, "finishing "+p.name, func() error {
		_, err := p.CompleteMultipartUpload(ctx, p.bucket.bucket, p.key(p.name), p.id, p.done, ending)
		return err
	})
}

// abortTime bounds the removal of parts after a failure. The call itself may be over by then.
const abortTime = 20 * time.Second

// abort removes the parts. What it cannot remove now is removed as a leftover.
func (p *parts) abort(ctx context.Context) {
	aborting, cancel := context.WithTimeout(context.WithoutCancel(ctx), abortTime)
	defer cancel()
	_ = p.AbortMultipartUpload(aborting, p.bucket.bucket, p.key(p.name), p.id)
}

// Leftovers of uploads that a crash cut off are as old as leftoverAge, and are looked for once in sweepEvery.
const (
	leftoverAge  = 24 * time.Hour
	sweepEvery   = 24 * time.Hour
	sweepTime    = time.Minute
	maxLeftovers = 1000
)

// sweep removes the parts of uploads to the location that were begun long ago. It is done at the first store of a day,
// in its own time, and its failure is no reason to fail anything.
func (s *Store) sweep(ctx context.Context, b *bucket) {
	id := b.host + "/" + b.bucket + "/" + b.prefix
	now := s.options.Now()
	s.mu.Lock()
	last, known := s.swept[id]
	due := !known || now.Sub(last) >= sweepEvery
	if due {
		s.swept[id] = now
	}
	s.mu.Unlock()
	if !due {
		return
	}
	sweeping, cancel := context.WithTimeout(ctx, sweepTime)
	defer cancel()
	_ = b.removeLeftovers(sweeping, now.Add(-leftoverAge))
}

// removeLeftovers removes the uploads that were begun before a time.
func (b *bucket) removeLeftovers(ctx context.Context, before time.Time) error {
	var failures []error
	count := 0
	for upload := range b.ListIncompleteUploads(ctx, b.bucket, b.prefix, true) {
		if upload.Err != nil {
			failures = append(failures, upload.Err)
			continue
		}
		if count++; count > maxLeftovers || !upload.Initiated.Before(before) {
			continue
		}
		failures = append(failures, b.AbortMultipartUpload(ctx, b.bucket, upload.Key, upload.UploadID))
	}
	return errors.Join(failures...)
}
