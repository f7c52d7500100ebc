package v1beta1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Provider is a storage driver that has registered with Kahu. The sidecar beside
// the driver creates it; nobody writes one by hand.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:path=providers,scope=Cluster,shortName=kprov,categories=kahu
// +kubebuilder:printcolumn:name="Version",type=string,JSONPath=`.spec.version`
// +kubebuilder:printcolumn:name="Type",type=string,JSONPath=`.spec.type`
// +kubebuilder:printcolumn:name="State",type=string,JSONPath=`.status.state`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type Provider struct {
	metav1.TypeMeta `json:",inline"`
	// metadata is the standard object metadata. The name is the one that the
	// driver gives itself.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitzero"`

	// spec is what the driver says about itself. Its only writer is the sidecar.
	// +optional
	Spec ProviderSpec `json:"spec,omitzero"`

	// status is where the driver can be reached and whether it is healthy.
	// +optional
	Status ProviderStatus `json:"status,omitzero"`
}

// ProviderList is a list of Providers.
//
// +kubebuilder:object:root=true
type ProviderList struct {
	metav1.TypeMeta `json:",inline"`
	// metadata is the standard list metadata.
	// +optional
	metav1.ListMeta `json:"metadata,omitzero"`
	// items are the Providers.
	Items []Provider `json:"items"`
}

// ProviderType says what a driver can hold.
//
// +kubebuilder:validation:Enum=MetadataProvider;VolumeProvider
type ProviderType string

const (
	// ProviderTypeMetadata stores named objects: bytes.
	ProviderTypeMetadata ProviderType = "MetadataProvider"
	// ProviderTypeVolume backs up volumes.
	ProviderTypeVolume ProviderType = "VolumeProvider"
)

// ProviderState says whether a driver can be used now.
//
// +kubebuilder:validation:Enum=Available;Unavailable
type ProviderState string

const (
	// ProviderStateAvailable is a driver whose sidecar renews its lease.
	ProviderStateAvailable ProviderState = "Available"
	// ProviderStateUnavailable is a driver that is not healthy, or whose sidecar
	// has gone silent.
	ProviderStateUnavailable ProviderState = "Unavailable"
)

// ProviderSpec is what a driver says about itself at registration.
type ProviderSpec struct {
	// version is the version of the driver, in the driver's own form.
	// +optional
	// +kubebuilder:validation:MaxLength=128
	Version string `json:"version,omitempty"`

	// type is MetadataProvider for a driver that stores named objects and
	// VolumeProvider for one that backs up volumes.
	// +optional
	Type ProviderType `json:"type,omitempty"`

	// manifest is what else the driver says about itself, as free pairs.
	// +optional
	// +mapType=atomic
	// +kubebuilder:validation:MaxProperties=128
	// +kubebuilder:validation:XValidation:rule="self.all(k, size(k) <= 253 && size(self[k]) <= 4096)",message="a key of spec.manifest has at most 253 characters and a value at most 4096: shorten it"
	Manifest map[string]string `json:"manifest,omitempty"`

	// capabilities are the functions that the driver has, by their names in the
	// provider contract. A capability that is absent is one that it lacks.
	// +optional
	// +mapType=atomic
	// +kubebuilder:validation:MaxProperties=128
	// +kubebuilder:validation:XValidation:rule="self.all(k, size(k) <= 253)",message="a key of spec.capabilities has at most 253 characters: shorten it"
	Capabilities map[string]bool `json:"capabilities,omitempty"`

	// supportedVolumeProvisioners are the names of the CSI drivers whose volumes
	// a VolumeProvider can back up. Empty means all.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=256
	// +kubebuilder:validation:items:MaxLength=253
	SupportedVolumeProvisioners []string `json:"supportedVolumeProvisioners,omitempty"`
}

// ProviderStatus is where a driver can be reached and whether it is healthy.
// The sidecar writes endpoint and leaseName; the manager writes the rest.
type ProviderStatus struct {
	// state is Available while the sidecar renews its lease and the driver is
	// healthy, and Unavailable otherwise. Written by the manager.
	// +optional
	State ProviderState `json:"state,omitempty"`

	// conditions say more about the state: Ready. Written by the manager.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=16
	Conditions []metav1.Condition `json:"conditions,omitempty"`

	// endpoint is where the sidecar serves the driver's objects. Written by the
	// sidecar. Trust comes from Kahu's certificate authority, never from here.
	// +optional
	Endpoint ProviderEndpoint `json:"endpoint,omitzero"`

	// leaseName is the name of the Lease in Kahu's namespace that the sidecar
	// renews while the driver is healthy. Written by the sidecar.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	LeaseName string `json:"leaseName,omitempty"`

	// lastHeartbeatTime is the last renewal of the lease that the manager had seen
	// when the state last changed.
	// +optional
	// +nullable
	LastHeartbeatTime *metav1.Time `json:"lastHeartbeatTime,omitempty"`

	// observedGeneration is the generation of the spec that the state is about.
	// +optional
	// +kubebuilder:validation:Minimum=0
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
}

// ProviderEndpoint is an address in the cluster and the name in its certificate.
type ProviderEndpoint struct {
	// address is host:port, over TCP with mutual TLS.
	// +optional
	// +kubebuilder:validation:MaxLength=512
	Address string `json:"address,omitempty"`

	// serverName is the DNS name that the server's certificate must carry.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	ServerName string `json:"serverName,omitempty"`
}
