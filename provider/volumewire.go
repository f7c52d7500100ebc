package provider

import (
	"errors"
	"fmt"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/types/known/wrapperspb"

	providerv1 "github.com/soda-cdm/kahu/provider/v1"
)

// The numbers of the field in which a Kubernetes object has its metadata, and of fields in there.
const (
	metadataField  protowire.Number = 1
	nameField      protowire.Number = 1
	namespaceField protowire.Number = 3
)

// NewVolume returns the volume that a core/v1 PersistentVolume in its own protocol buffer encoding is.
func NewVolume(encoded []byte) (Volume, error) {
	_, name, err := encodedName(encoded)
	return Volume{Name: name, Encoded: encoded}, err
}

// NewClaim returns the claim that a core/v1 PersistentVolumeClaim in its own protocol buffer encoding is.
func NewClaim(encoded []byte) (Claim, error) {
	namespace, name, err := encodedName(encoded)
	return Claim{Namespace: namespace, Name: name, Encoded: encoded}, err
}

// encodedName returns the namespace and name in a Kubernetes object that is in its own protocol buffer encoding.
func encodedName(encoded []byte) (namespace, name string, err error) {
	metadata, err := bytesField(encoded, metadataField)
	if err != nil {
		return "", "", err
	}
	ofNamespace, err := bytesField(metadata, namespaceField)
	if err != nil {
		return "", "", err
	}
	ofName, err := bytesField(metadata, nameField)
	return string(ofNamespace), string(ofName), err
}

// bytesField returns the content of a field of a message, nil where there is none.
func bytesField(message []byte, wanted protowire.Number) ([]byte, error) {
	for len(message) > 0 {
		number, kind, length := protowire.ConsumeTag(message)
		if length < 0 {
			return nil, fmt.Errorf("reading an encoded object: %w: %w", protowire.ParseError(length), ErrInvalidArgument)
		}
		message = message[length:]
		if number == wanted && kind == protowire.BytesType {
			content, length := protowire.ConsumeBytes(message)
			if length < 0 {
				return nil, fmt.Errorf("reading an encoded object: %w: %w", protowire.ParseError(length), ErrInvalidArgument)
			}
			return content, nil
		}
		length = protowire.ConsumeFieldValue(number, kind, message)
		if length < 0 {
			return nil, fmt.Errorf("reading an encoded object: %w: %w", protowire.ParseError(length), ErrInvalidArgument)
		}
		message = message[length:]
	}
	return nil, nil
}

// backupToProto returns the message for an identity.
func backupToProto(backup BackupIdentity) *providerv1.BackupIdentity {
	return &providerv1.BackupIdentity{BackupHandle: backup.Handle, BackupAttributes: backup.Attributes}
}

// backupFromProto returns the identity of a message.
func backupFromProto(message *providerv1.BackupIdentity) BackupIdentity {
	return BackupIdentity{Handle: message.GetBackupHandle(), Attributes: message.GetBackupAttributes()}
}

// volumeToProto returns the message for an identity.
func volumeToProto(volume VolumeIdentity) *providerv1.RestoreVolumeIdentity {
	return &providerv1.RestoreVolumeIdentity{VolumeHandle: volume.Handle, VolumeAttributes: volume.Attributes}
}

// volumeFromProto returns the identity of a message.
func volumeFromProto(message *providerv1.RestoreVolumeIdentity) VolumeIdentity {
	return VolumeIdentity{Handle: message.GetVolumeHandle(), Attributes: message.GetVolumeAttributes()}
}

// volumeErrorToProto returns the message for what went wrong with a volume, nil for nothing.
func volumeErrorToProto(name string, err error) *providerv1.VolumeError {
	if err == nil {
		return nil
	}
	converted := status.Convert(ToStatus(err))
	return &providerv1.VolumeError{
		Name: name, Code: int32(converted.Code()), Message: converted.Message(), //nolint:gosec // Codes are small.
	}
}

// volumeErrorFromProto returns the error of a message, nil for none.
func volumeErrorFromProto(message *providerv1.VolumeError) error {
	if message == nil {
		return nil
	}
	code := codes.Unknown
	if message.GetCode() > 0 {
		code = codes.Code(message.GetCode()) //nolint:gosec // It is above 0.
	}
	text := message.GetMessage()
	if text == "" {
		text = code.String()
	}
	return FromStatus(status.Error(code, text))
}

// answered returns what an answer says that went wrong. A driver that knows nothing of VolumeErrors says it in words only.
func answered(name string, volumes []*providerv1.VolumeError, words []string) error {
	for _, each := range volumes {
		if each.GetName() == name {
			return volumeErrorFromProto(each)
		}
	}
	if len(volumes) > 0 {
		return volumeErrorFromProto(volumes[0])
	}
	if len(words) > 0 {
		return errors.New(strings.Join(words, "; "))
	}
	return nil
}

// succeeded returns what an answer with a field success says that went wrong. An unset one is a success.
func succeeded(success *wrapperspb.BoolValue, words []string) error {
	if len(words) > 0 {
		return errors.New(strings.Join(words, "; "))
	}
	if success != nil && !success.GetValue() {
		return errors.New("the driver did not succeed, and does not say why")
	}
	return nil
}

// states returns the one table of states.
func states() map[VolumeState]providerv1.VolumeState {
	return map[VolumeState]providerv1.VolumeState{
		VolumeRunning:   providerv1.VolumeState_VOLUME_STATE_RUNNING,
		VolumeSucceeded: providerv1.VolumeState_VOLUME_STATE_SUCCEEDED,
		VolumeFailed:    providerv1.VolumeState_VOLUME_STATE_FAILED,
		VolumeCancelled: providerv1.VolumeState_VOLUME_STATE_CANCELLED,
	}
}

// statMessage is what the stats of backups and of restores have in common.
type statMessage interface {
	GetState() providerv1.VolumeState
	GetBytesDone() *wrapperspb.Int64Value
	GetBytesTotal() *wrapperspb.Int64Value
	GetError() *providerv1.VolumeError
	GetProgress() int64
}

// done is the percentage of what is finished.
const done = 100

// statFromProto returns the stat of a message.
func statFromProto(message statMessage) VolumeStat {
	stat := VolumeStat{
		BytesDone:  bytesFromProto(message.GetBytesDone()),
		BytesTotal: bytesFromProto(message.GetBytesTotal()),
		Percent:    int(min(max(message.GetProgress(), 0), done)),
		Err:        volumeErrorFromProto(message.GetError()),
	}
	for state, number := range states() {
		if number == message.GetState() {
			stat.State = state
		}
	}
	switch {
	case stat.State != "":
	case stat.Err != nil:
		stat.State = VolumeFailed
	case stat.Percent == done:
		stat.State = VolumeSucceeded
	default:
		stat.State = VolumeRunning
	}
	if stat.State == VolumeFailed && stat.Err == nil {
		stat.Err = errors.New("the driver does not say why it failed")
	}
	return stat
}

func bytesFromProto(value *wrapperspb.Int64Value) *int64 {
	if value == nil || value.GetValue() < 0 {
		return nil
	}
	bytes := value.GetValue()
	return &bytes
}

func bytesToProto(bytes *int64) *wrapperspb.Int64Value {
	if bytes == nil {
		return nil
	}
	return wrapperspb.Int64(*bytes)
}
