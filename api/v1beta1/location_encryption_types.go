package v1beta1

// LocationEncryption says who can read what is written to a location, and whose
// backups are restored from it.
type LocationEncryption struct {
	// recipients are the public keys, in the format of age, of those who can read:
	// age1... or, post-quantum, age1pq1... A recipient that is added can read what
	// is written from then on, and everything else where identitySecretRef opens
	// it. One that is removed keeps what it could read.
	// +required
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=20
	// +kubebuilder:validation:items:MaxLength=2500
	// +kubebuilder:validation:XValidation:rule="self.all(r, r.startsWith('age1'))",message="a recipient of age begins with age1: age-keygen -y shows it; what begins with AGE-SECRET-KEY is secret, and belongs in the Secret of identitySecretRef"
	Recipients []string `json:"recipients,omitempty"`

	// identitySecretRef is a Secret in Kahu's own namespace with identities of
	// recipients under the key identity, as age-keygen writes them. Without one, this
	// cluster writes backups and cannot read them: nothing can be restored, compared
	// or looked into from here.
	// +optional
	IdentitySecretRef SecretReference `json:"identitySecretRef,omitzero"`

	// trustedSigners are the clusters whose backups are restored from the location,
	// besides this one: status.encryption.signer of the location in that cluster.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=100
	// +kubebuilder:validation:items:MaxLength=64
	// +kubebuilder:validation:XValidation:rule="self.all(s, s.matches('^ed25519:[A-Za-z0-9+/]{43}=$'))",message="a signer is ed25519: and 44 characters: see status.encryption.signer of the location in the cluster that signs"
	TrustedSigners []string `json:"trustedSigners,omitempty"`
}

// LocationEncryptionStatus is how what is written to a location is encrypted and
// signed.
type LocationEncryptionStatus struct {
	// epoch is the id of the key with which this cluster encrypts now.
	// +optional
	// +kubebuilder:validation:MaxLength=32
	Epoch string `json:"epoch,omitempty"`

	// publicKey is the public half of that key. It is never taken from the store.
	// +optional
	// +kubebuilder:validation:MaxLength=2500
	PublicKey string `json:"publicKey,omitempty"`

	// signer is the public half of the key with which this cluster signs.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	Signer string `json:"signer,omitempty"`

	// epochs is how many keys the location has, of all clusters. Absent where the
	// driver cannot list.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Epochs *int32 `json:"epochs,omitempty"`

	// readableEpochs is how many of them the identities of this cluster open.
	// +optional
	// +kubebuilder:validation:Minimum=0
	ReadableEpochs *int32 `json:"readableEpochs,omitempty"`

	// recipients are those who can read what is written now.
	// +optional
	// +listType=map
	// +listMapKey=id
	// +kubebuilder:validation:MaxItems=20
	Recipients []LocationRecipient `json:"recipients,omitempty"`
}

// LocationRecipient is somebody who can read what is written to a location.
type LocationRecipient struct {
	// id names the recipient: it is in the names of the files with wrapped keys.
	// +required
	// +kubebuilder:validation:MaxLength=32
	ID string `json:"id,omitempty"`

	// recipient is its public key.
	// +optional
	// +kubebuilder:validation:MaxLength=2500
	Recipient string `json:"recipient,omitempty"`

	// digest is that of the file in which the present key is wrapped for it.
	// +optional
	// +kubebuilder:validation:MaxLength=71
	Digest string `json:"digest,omitempty"`

	// wrappedKey is that file: the secret half of the present key, encrypted to the
	// recipient. Nobody else can open it.
	// +optional
	// +kubebuilder:validation:MaxLength=16384
	WrappedKey []byte `json:"wrappedKey,omitempty"`

	// epochs is how many keys of the location it can open.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Epochs *int32 `json:"epochs,omitempty"`

	// identityInCluster tells whether this cluster has its identity.
	// +optional
	IdentityInCluster bool `json:"identityInCluster,omitempty"`
}
