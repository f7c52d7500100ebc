package seal

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"filippo.io/age"

	"github.com/soda-cdm/kahu/internal/core"
)

// KeysFolder is the folder of a location in which the keys of its epochs are.
const KeysFolder = "keys/"

const (
	epochFile  = "epoch.json"
	wrapSuffix = ".age"
	// MaxKeyFileSize bounds the small files in that folder, in bytes.
	MaxKeyFileSize = 64 << 10
	// formatVersion is that of epoch.json.
	formatVersion = 1
)

// Epoch is the public half of a key to which files are encrypted.
type Epoch struct {
	recipient *age.HybridRecipient
}

// Key is the secret half.
type Key struct {
	identity *age.HybridIdentity
}

// NewKey returns a new key, which is post-quantum whatever the recipients are.
func NewKey() (*Key, error) {
	identity, err := age.GenerateHybridIdentity()
	if err != nil {
		return nil, fmt.Errorf("making a key: %w", err)
	}
	return &Key{identity: identity}, nil
}

// Epoch returns the public half.
func (k *Key) Epoch() Epoch { return Epoch{recipient: k.identity.Recipient()} }

// String hides the key from whoever prints it.
func (k *Key) String() string { return "key of epoch " + k.Epoch().ID() }

// GoString hides it too.
func (k *Key) GoString() string { return k.String() }

// ParseEpoch reads the public half.
func ParseEpoch(text string) (Epoch, error) {
	if len(text) > MaxRecipientSize {
		return Epoch{}, fmt.Errorf("the public key of an epoch has at most %d characters: %w", MaxRecipientSize, core.ErrInvalid)
	}
	recipient, err := age.ParseHybridRecipient(text)
	if err != nil {
		return Epoch{}, fmt.Errorf("this is no public key of an epoch: %w", core.ErrInvalid)
	}
	return Epoch{recipient: recipient}, nil
}

// IsZero tells that there is no epoch.
func (e Epoch) IsZero() bool { return e.recipient == nil }

// String returns the public half as age writes recipients.
func (e Epoch) String() string {
	if e.recipient == nil {
		return ""
	}
	return e.recipient.String()
}

// ID names the epoch. It follows from the public half: another key has another id.
func (e Epoch) ID() string { return idOf(e.String()) }

// Seal returns a writer that encrypts what is written to it. It must be closed, which does not close the target.
func (e Epoch) Seal(target io.Writer) (io.WriteCloser, error) {
	if e.recipient == nil {
		return nil, fmt.Errorf("there is no epoch: %w", core.ErrInvalid)
	}
	return age.Encrypt(target, e.recipient)
}

// SealBytes encrypts a small content.
func (e Epoch) SealBytes(content []byte) ([]byte, error) {
	var sealed bytes.Buffer
	writer, err := e.Seal(&sealed)
	if err != nil {
		return nil, err
	}
	if _, err := writer.Write(content); err != nil {
		return nil, err
	}
	if err := writer.Close(); err != nil {
		return nil, err
	}
	return sealed.Bytes(), nil
}

// Open returns a reader of what was encrypted. What is not as it was written gives core.ErrCorrupt, and errors of the
// source are passed on. Nothing is to be trusted before the end, and of nothing is it known who wrote it.
func (k *Key) Open(source io.Reader) (io.Reader, error) { return open(source, k.identity) }

// OpenAt is Open for a part of a file of that size; it also returns the size of what was encrypted. The first read finds
// the end of the file too.
func (k *Key) OpenAt(source io.ReaderAt, size int64) (plain io.ReaderAt, length int64, err error) {
	remembering := &sourceAt{source: source}
	plain, length, err = age.DecryptReaderAt(remembering, size, k.identity)
	if err != nil {
		return nil, 0, blame(remembering.err, err)
	}
	return &openedAt{plain: plain, source: remembering}, length, nil
}

// Wrap encrypts the key to a recipient: the result is an age file with the identity that opens the files of the epoch.
func (k *Key) Wrap(recipient Recipient) ([]byte, error) {
	var wrapped bytes.Buffer
	writer, err := age.Encrypt(&wrapped, recipient.age)
	if err != nil {
		return nil, fmt.Errorf("wrapping for recipient %s: %w", recipient.ID(), err)
	}
	if _, err := io.WriteString(writer, k.identity.String()+"\n"); err != nil {
		return nil, fmt.Errorf("wrapping for recipient %s: %w", recipient.ID(), err)
	}
	if err := writer.Close(); err != nil {
		return nil, fmt.Errorf("wrapping for recipient %s: %w", recipient.ID(), err)
	}
	return wrapped.Bytes(), nil
}

// Unwrap returns the key of the epoch of that id. A file that does not open with the identity, or holds another key,
// gives core.ErrCorrupt.
func Unwrap(wrapped []byte, identity Identity, epoch string) (*Key, error) {
	what := fmt.Sprintf("the key of epoch %s for recipient %s", epoch, identity.recipient.ID())
	if len(wrapped) > MaxKeyFileSize {
		return nil, fmt.Errorf("%s has %d bytes: %w", what, len(wrapped), core.ErrCorrupt)
	}
	plain, err := age.Decrypt(bytes.NewReader(wrapped), identity.age)
	if err != nil {
		return nil, fmt.Errorf("%s does not open: %w", what, core.ErrCorrupt)
	}
	content, err := io.ReadAll(io.LimitReader(plain, MaxKeyFileSize))
	if err != nil {
		return nil, fmt.Errorf("%s does not open: %w", what, core.ErrCorrupt)
	}
	text, _ := strings.CutSuffix(string(content), "\n")
	secret, err := age.ParseHybridIdentity(text)
	if err != nil {
		return nil, fmt.Errorf("%s holds no key: %w", what, core.ErrCorrupt)
	}
	key := &Key{identity: secret}
	if key.Epoch().ID() != epoch {
		return nil, fmt.Errorf("%s is that of epoch %s: %w", what, key.Epoch().ID(), core.ErrCorrupt)
	}
	return key, nil
}

// EpochRecord is the file epoch.json beside the wrapped keys of an epoch.
type EpochRecord struct {
	// FormatVersion is set by EncodeEpoch.
	FormatVersion int `json:"formatVersion"`
	// Epoch is the id, PublicKey what it is the id of.
	Epoch     string `json:"epoch"`
	PublicKey string `json:"publicKey"`
	// ClusterID is the cluster that made the key, Created when.
	ClusterID string    `json:"clusterID"`
	Created   time.Time `json:"created"`
}

// EncodeEpoch returns the content of the file.
func EncodeEpoch(epoch Epoch, clusterID string, created time.Time) ([]byte, error) {
	record := EpochRecord{
		FormatVersion: formatVersion, Epoch: epoch.ID(), PublicKey: epoch.String(), ClusterID: clusterID,
		Created: created.UTC().Truncate(time.Second),
	}
	if err := record.check(); err != nil {
		return nil, fmt.Errorf("encoding an epoch: %w", err)
	}
	content, err := json.Marshal(record)
	return append(content, '\n'), err
}

// DecodeEpoch reads the file. The errors are core.ErrCorrupt, and core.ErrUnsupported for a later format.
func DecodeEpoch(content []byte) (EpochRecord, error) {
	var record EpochRecord
	if len(content) > MaxKeyFileSize || json.Unmarshal(content, &record) != nil {
		return EpochRecord{}, fmt.Errorf("%s is not its JSON: %w", epochFile, core.ErrCorrupt)
	}
	if record.FormatVersion > formatVersion {
		return EpochRecord{}, fmt.Errorf("%s has format version %d and this version of Kahu reads up to %d: upgrade Kahu: %w",
			epochFile, record.FormatVersion, formatVersion, core.ErrUnsupported)
	}
	if err := record.check(); err != nil {
		return EpochRecord{}, fmt.Errorf("%s: %w: %s", epochFile, core.ErrCorrupt, err.Error())
	}
	return record, nil
}

func (r *EpochRecord) check() error {
	epoch, err := ParseEpoch(r.PublicKey)
	if err != nil {
		return err
	}
	if epoch.ID() != r.Epoch || r.FormatVersion < 1 || r.Created.IsZero() || r.ClusterID == "" {
		return fmt.Errorf("the public key is not that of epoch %q, or something is missing: %w",
			r.Epoch[:min(len(r.Epoch), idSize)], core.ErrInvalid)
	}
	return nil
}

// EpochName returns the name of the file that tells of an epoch.
func EpochName(epoch string) string { return KeysFolder + epoch + "/" + epochFile }

// WrapName returns the name of the file in which the key of an epoch is wrapped for a recipient.
func WrapName(epoch, recipient string) string {
	return KeysFolder + epoch + "/" + recipient + wrapSuffix
}

// WrapFolder returns the folder of an epoch, with a slash at its end.
func WrapFolder(epoch string) string { return KeysFolder + epoch + "/" }

// ParseWrapName is the inverse of WrapName; ok is false for every other name.
func ParseWrapName(name string) (epoch, recipient string, ok bool) {
	rest, _ := strings.CutPrefix(name, KeysFolder)
	epoch, file, _ := strings.Cut(rest, "/")
	recipient, _ = strings.CutSuffix(file, wrapSuffix)
	if CheckID(epoch) != nil || CheckID(recipient) != nil || WrapName(epoch, recipient) != name {
		return "", "", false
	}
	return epoch, recipient, true
}

// sealedStart is what every encrypted file begins with.
const sealedStart = "age-encryption.org/v1\n"

// IsSealed tells whether a file that begins so is encrypted.
func IsSealed(start []byte) bool { return bytes.HasPrefix(start, []byte(sealedStart)) }

// SealedStart is how many bytes IsSealed looks at.
const SealedStart = len(sealedStart)

// OpenWithAny is Key.Open with the first of several keys that fits.
func OpenWithAny(source io.Reader, keys []*Key) (io.Reader, error) {
	identities := make([]age.Identity, 0, len(keys))
	for _, key := range keys {
		identities = append(identities, key.identity)
	}
	return open(source, identities...)
}

// open decrypts, and tells the faults of the source from those of what was read.
func open(source io.Reader, identities ...age.Identity) (io.Reader, error) {
	remembering := &rememberingReader{source: source}
	plain, err := age.Decrypt(remembering, identities...)
	if err != nil {
		return nil, blame(remembering.err, err)
	}
	return &opened{plain: plain, source: remembering}, nil
}

// blame returns the error of the source, if it had one, and core.ErrCorrupt otherwise.
func blame(ofSource, err error) error {
	if ofSource != nil {
		return ofSource
	}
	return fmt.Errorf("decrypting: %w: %s", core.ErrCorrupt, err.Error())
}

// rememberingReader remembers the error of the reader underneath, which age puts into words of its own.
type rememberingReader struct {
	source io.Reader
	err    error
}

// Read implements io.Reader.
func (s *rememberingReader) Read(buffer []byte) (int, error) {
	n, err := s.source.Read(buffer)
	if err != nil && !errors.Is(err, io.EOF) {
		s.err = err
	}
	return n, err
}

// opened reads what was encrypted.
type opened struct {
	plain  io.Reader
	source *rememberingReader
}

// Read implements io.Reader.
func (o *opened) Read(buffer []byte) (int, error) {
	n, err := o.plain.Read(buffer)
	if err != nil && err != io.EOF { //nolint:errorlint // io.Reader promises io.EOF itself.
		err = blame(o.source.err, err)
	}
	return n, err
}

type sourceAt struct {
	source io.ReaderAt
	err    error
}

// ReadAt implements io.ReaderAt.
func (s *sourceAt) ReadAt(buffer []byte, offset int64) (int, error) {
	n, err := s.source.ReadAt(buffer, offset)
	if err != nil && !errors.Is(err, io.EOF) {
		s.err = err
	}
	return n, err
}

type openedAt struct {
	plain  io.ReaderAt
	source *sourceAt
}

// ReadAt implements io.ReaderAt.
func (o *openedAt) ReadAt(buffer []byte, offset int64) (int, error) {
	n, err := o.plain.ReadAt(buffer, offset)
	if err != nil && err != io.EOF { //nolint:errorlint // io.ReaderAt promises io.EOF itself.
		err = blame(o.source.err, err)
	}
	return n, err
}
