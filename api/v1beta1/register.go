package v1beta1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// GroupName is the API group of all kinds of Kahu.
const GroupName = "kahu.io"

var (
	// GroupVersion is the group and version of the kinds in this package.
	GroupVersion = schema.GroupVersion{Group: GroupName, Version: "v1beta1"}

	// SchemeBuilder collects the functions that add the kinds to a scheme.
	SchemeBuilder = runtime.NewSchemeBuilder(addKnownTypes)

	// AddToScheme adds the kinds of this package to a scheme.
	AddToScheme = SchemeBuilder.AddToScheme
)

// Resource qualifies a resource name, such as "backups", with the group.
func Resource(resource string) schema.GroupResource {
	return GroupVersion.WithResource(resource).GroupResource()
}

func addKnownTypes(scheme *runtime.Scheme) error {
	scheme.AddKnownTypes(GroupVersion,
		&Provider{}, &ProviderList{},
		&BackupLocation{}, &BackupLocationList{},
		&Backup{}, &BackupList{},
		&Restore{}, &RestoreList{},
		&Inspection{}, &InspectionList{},
		&TransformSet{}, &TransformSetList{},
		&VolumeBackupContent{}, &VolumeBackupContentList{},
		&VolumeRestoreContent{}, &VolumeRestoreContentList{},
	)
	metav1.AddToGroupVersion(scheme, GroupVersion)
	return nil
}
