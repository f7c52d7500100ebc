package providerv1_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/reflect/protoreflect"

	providerv1 "github.com/soda-cdm/kahu/provider/v1"
)

// inherited is what drivers that exist speak: it never changes. A line is a message or an enum with its fields or
// values.
const inherited = `
GetProviderInfoRequest
GetProviderInfoResponse provider=1 version=2 manifest=3:map
GetProviderCapabilitiesRequest
GetProviderCapabilitiesResponse capabilities=1:repeated
ProviderCapability service=1 meta_backup_service=2 volume_backup_service=3
ProviderCapability.Service type=1
ProviderCapability.Service.Type UNKNOWN=0 META_BACKUP_SERVICE=1 VOLUME_BACKUP_SERVICE=2
ProviderCapability.MetaBackupServiceSupport type=1
ProviderCapability.MetaBackupServiceSupport.Type UNKNOWN=0 NEED_SNAPSHOT=1
ProviderCapability.VolumeBackupServiceSupport type=1
ProviderCapability.VolumeBackupServiceSupport.Type UNKNOWN=0 NEED_SNAPSHOT=1 NEED_VOLUME=2
ProbeRequest
ProbeResponse ready=1
UploadRequest info=1 chunk_data=2
FileInfo file_identifier=1 attributes=2:map
ObjectExistsRequest file_identifier=1 attributes=2:map
ObjectExistsResponse exists=1
DownloadRequest file_identifier=1 attributes=2:map
DownloadResponse info=1 chunk_data=2
DeleteRequest file_identifier=1 attributes=2:map
Empty
BackupIdentity backup_handle=1 backup_attributes=9:map
BackupIdentifier pv_name=1 backup_identity=2
Snapshot snapshot_handle=1 snapshot_attributes=9:map
VolBackup pv=1 snapshot=2
StartBackupRequest pv=1:repeated backup_content_name=2 backupInfo=3:repeated parameters=9:map
StartBackupResponse backup_info=1:repeated errors=9:repeated
DeleteBackupRequest backup_info=1:repeated backup_content_name=2 parameters=9:map
DeleteBackupResponse success=1 errors=9:repeated
CancelBackupRequest backup_info=1:repeated parameters=9:map
CancelBackupResponse success=1 errors=2:repeated
GetBackupStatRequest backup_info=1:repeated parameters=9:map
GetBackupStatResponse backup_stats=1:repeated
BackupStat backup_handle=1 progress=9
RestoreIdentifier pvc=1 backup_identity=2
RestoreVolumeIdentity volume_handle=1 volume_attributes=9:map
RestoreVolumeIdentifier pvc_name=1 volume_identity=2
CreateVolumeFromBackupRequest restore_info=1:repeated restore_content_name=2 parameters=9:map
CreateVolumeFromBackupResponse volume_identifiers=1:repeated errors=9:repeated
GetRestoreStatRequest restore_volume_identity=1:repeated parameters=2:map
GetRestoreStatResponse restore_volume_stat=1:repeated
RestoreStat restore_volume_handle=1 progress=9
CancelRestoreRequest restore_volume_identity=1:repeated parameters=9:map
CancelRestoreResponse success=1 errors=9:repeated
`

// grown are the messages that have new fields. Enums may grow; of messages only answers, in which a driver that exists leaves a
// new field out, and what is only asked of a driver that names a capability for it: any other new field would be ignored by it
// without a word.
const grown = `
GetProviderInfoResponse StartBackupResponse DeleteBackupResponse BackupStat RestoreVolumeIdentifier
CreateVolumeFromBackupResponse RestoreStat
StartBackupRequest VolBackup
`

func TestInheritedMessagesNeverChange(t *testing.T) {
	now := map[string][]string{}
	for _, file := range files() {
		describe(now, file.Messages(), file.Enums())
	}
	for line := range strings.SplitSeq(strings.TrimSpace(inherited), "\n") {
		words := strings.Fields(line)
		fields, found := now[words[0]]
		if !found {
			t.Errorf("%s is gone", words[0])
		}
		for _, field := range words[1:] {
			if !slices.Contains(fields, field) {
				t.Errorf("%s has no %s any more, only %s", words[0], field, strings.Join(fields, " "))
			}
		}
		if !strings.HasSuffix(words[0], ".Type") && !slices.Contains(strings.Fields(grown), words[0]) && len(fields) != len(words)-1 {
			t.Errorf("%s has new fields: %s", words[0], strings.Join(fields, " "))
		}
	}
}

func TestInheritedMethodsNeverChange(t *testing.T) {
	now := map[string]bool{}
	for _, file := range files() {
		for i := range file.Services().Len() {
			methods := file.Services().Get(i).Methods()
			for j := range methods.Len() {
				m := methods.Get(j)
				now[fmt.Sprintf("/%s/%s %v %v", m.Parent().FullName(), m.Name(), m.IsStreamingClient(), m.IsStreamingServer())] = true
			}
		}
	}
	for service, methods := range map[string]string{
		"Identity":   "GetProviderInfo GetProviderCapabilities Probe",
		"MetaBackup": "ObjectExists Delete Upload> Download<",
		"VolumeBackup": "StartBackup DeleteBackup CancelBackup GetBackupStat CreateVolumeFromBackup CancelRestore " +
			"GetRestoreStat",
	} {
		for method := range strings.FieldsSeq(methods) {
			name := strings.TrimRight(method, "<>")
			want := fmt.Sprintf("/kahu.providerservice.%s/%s %v %v", service, name,
				strings.HasSuffix(method, ">"), strings.HasSuffix(method, "<"))
			if !now[want] {
				t.Errorf("there is no method %s any more", want)
			}
		}
	}
}

func files() []protoreflect.FileDescriptor {
	return []protoreflect.FileDescriptor{
		providerv1.File_kahu_providerservice_v1_identity_proto,
		providerv1.File_kahu_providerservice_v1_metabackup_proto,
		providerv1.File_kahu_providerservice_v1_volumebackup_proto,
	}
}

// describe collects the fields and values of messages and enums, and of those inside them.
func describe(all map[string][]string, messages protoreflect.MessageDescriptors, enums protoreflect.EnumDescriptors) {
	name := func(full protoreflect.FullName) string {
		return strings.TrimPrefix(string(full), "kahu.providerservice.")
	}
	for i := range messages.Len() {
		message := messages.Get(i)
		fields := []string{}
		for j := range message.Fields().Len() {
			field := message.Fields().Get(j)
			text := fmt.Sprintf("%s=%d", field.Name(), field.Number())
			switch {
			case field.IsMap():
				text += ":map"
			case field.IsList():
				text += ":repeated"
			}
			fields = append(fields, text)
		}
		all[name(message.FullName())] = fields
		describe(all, message.Messages(), message.Enums())
	}
	for i := range enums.Len() {
		values := []string{}
		for j := range enums.Get(i).Values().Len() {
			value := enums.Get(i).Values().Get(j)
			values = append(values, fmt.Sprintf("%s=%d", value.Name(), value.Number()))
		}
		all[name(enums.Get(i).FullName())] = values
	}
}
