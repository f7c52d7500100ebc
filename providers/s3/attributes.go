package s3

import (
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/encrypt"
	"github.com/minio/minio-go/v7/pkg/s3utils"

	"github.com/soda-cdm/kahu/provider"
)

// The attributes of a backup location. Those without a default may be absent where nothing else is said.
const (
	// AttributeBucket is the name of the bucket, which must be there. Required.
	AttributeBucket = "bucket"
	// AttributePrefix is put before every name, with a slash between them. At most 255 bytes.
	AttributePrefix = "prefix"
	// AttributeEndpoint is the address of the service, such as https://minio.example.org:9000. Absent means Amazon's.
	AttributeEndpoint = "endpoint"
	// AttributeRegion is the region of the bucket. Absent means us-east-1.
	AttributeRegion = "region"
	// AttributePathStyle is true where the bucket stands in the path of a request, and false where it stands in its
	// host name. Absent means false for Amazon and true for everybody else.
	AttributePathStyle = "pathStyle"
	// AttributeCACertificate is one or more certificates in PEM, which sign that of the service. Absent means those
	// that the machine trusts.
	AttributeCACertificate = "caCertificate"

	// AttributeAccessKeyID and AttributeSecretAccessKey are the credentials; AttributeSessionToken belongs to
	// temporary ones.
	AttributeAccessKeyID     = "accessKeyID"
	AttributeSecretAccessKey = "secretAccessKey"
	AttributeSessionToken    = "sessionToken"
	// AttributeRoleARN is the role that the driver takes with its web identity.
	AttributeRoleARN = "roleARN"
	// AttributeSTSEndpoint is where it asks for the role. Absent means Amazon's service in the region.
	AttributeSTSEndpoint = "stsEndpoint"

	// AttributeServerSideEncryption is AES256, aws:kms or customer. Absent means what the bucket does by itself.
	AttributeServerSideEncryption = "serverSideEncryption"
	// AttributeKMSKeyID is the key for aws:kms. Absent means the default one.
	AttributeKMSKeyID = "kmsKeyID"
	// AttributeCustomerKey is the key for customer: 32 bytes in base64. Who loses it loses what is stored.
	AttributeCustomerKey = "customerKey"
	// AttributeStorageClass is the storage class of new objects.
	AttributeStorageClass = "storageClass"
	// AttributeObjectLockMode is GOVERNANCE or COMPLIANCE, and AttributeObjectLockDays how long a new object cannot be
	// removed, from 1 to 36,500. The bucket must have been made with object lock.
	AttributeObjectLockMode = "objectLockMode"
	AttributeObjectLockDays = "objectLockDays"
	// AttributeChecksum is crc32c, which the service checks and keeps, or none, for services that refuse it. Absent
	// means crc32c.
	AttributeChecksum = "checksum"
)

const (
	amazon        = "s3.amazonaws.com"
	defaultRegion = "us-east-1"
	maxLockDays   = 36500
	// maxPrefixBytes leaves room for the longest name in a key, which has at most 1,024 bytes.
	maxPrefixBytes  = 255
	customerKeySize = 32
	encryptionOwn   = "customer"
	encryptionKMS   = "aws:kms"
)

// knownAttributes are all of them, the most common ones first.
func knownAttributes() []string {
	return []string{
		AttributeBucket, AttributePrefix, AttributeEndpoint, AttributeRegion, AttributePathStyle, AttributeCACertificate,
		AttributeAccessKeyID, AttributeSecretAccessKey, AttributeSessionToken, AttributeRoleARN, AttributeSTSEndpoint,
		AttributeServerSideEncryption, AttributeKMSKeyID, AttributeCustomerKey, AttributeStorageClass,
		AttributeObjectLockMode, AttributeObjectLockDays, AttributeChecksum,
	}
}

// location is what the attributes of a call say.
type location struct {
	bucket, prefix string

	host      string
	secure    bool
	region    string
	pathStyle bool
	trusted   string // certificates in PEM

	accessKey, secretKey, sessionToken string
	roleARN, stsEndpoint               string

	encryption   encrypt.ServerSide
	customer     string // its key, as it was given
	storageClass string
	lockMode     minio.RetentionMode
	lockTime     time.Duration
	checksum     bool
}

// problem says what is wrong with an attribute, and never its value, which may be a secret.
func problem(attribute, what string) error {
	return fmt.Errorf("the attribute %s %s: %w", attribute, what, provider.ErrInvalidArgument)
}

// parse reads the attributes of a call.
func parse(attributes provider.Attributes) (*location, error) {
	if err := attributes.Check(knownAttributes()...); err != nil {
		return nil, err
	}
	l := &location{
		bucket: attributes[AttributeBucket], region: attributes[AttributeRegion],
		accessKey: attributes[AttributeAccessKeyID], secretKey: attributes[AttributeSecretAccessKey],
		sessionToken: attributes[AttributeSessionToken], roleARN: attributes[AttributeRoleARN],
		storageClass: attributes[AttributeStorageClass], trusted: attributes[AttributeCACertificate],
		customer: attributes[AttributeCustomerKey],
	}
	if l.region == "" {
		l.region = defaultRegion
	}
	for _, read := range []func(provider.Attributes) error{
		l.readPlace, l.readEndpoint, l.readCredentials, l.readEncryption, l.readLock, l.readChecksum,
	} {
		if err := read(attributes); err != nil {
			return nil, err
		}
	}
	return l, nil
}

// readPlace reads where in the service the location is.
func (l *location) readPlace(attributes provider.Attributes) error {
	if l.bucket == "" {
		return problem(AttributeBucket, "is missing: it is the name of the bucket")
	}
	if err := s3utils.CheckValidBucketNameStrict(l.bucket); err != nil {
		return problem(AttributeBucket, "is not the name of a bucket: lower-case letters, digits, dots and hyphens, from 3 to 63")
	}
	prefix := strings.TrimSuffix(attributes[AttributePrefix], "/")
	if prefix == "" {
		return nil
	}
	if provider.ValidateName(prefix) != nil || len(prefix) > maxPrefixBytes {
		return problem(AttributePrefix, "is not like a folder: elements with slashes between them, at most 255 bytes, such as team/backups")
	}
	l.prefix = prefix + "/"
	return nil
}

// readEndpoint reads where the service is.
func (l *location) readEndpoint(attributes provider.Attributes) error {
	l.host, l.secure = amazon, true
	if given := attributes[AttributeEndpoint]; given != "" {
		endpoint, err := url.Parse(given)
		if err != nil || !isPlain(endpoint) {
			return problem(AttributeEndpoint, "is not of the form https://host or https://host:port")
		}
		l.host, l.secure = endpoint.Host, endpoint.Scheme == "https"
	}
	l.pathStyle = l.host != amazon
	if given := attributes[AttributePathStyle]; given != "" {
		style, err := strconv.ParseBool(given)
		if err != nil {
			return problem(AttributePathStyle, "is neither true nor false")
		}
		l.pathStyle = style
	}
	if block, _ := pem.Decode([]byte(l.trusted)); l.trusted != "" && (block == nil || block.Type != "CERTIFICATE") {
		return problem(AttributeCACertificate, "has no certificate in PEM, which begins with -----BEGIN CERTIFICATE-----")
	}
	return nil
}

// isPlain tells whether an address has a scheme and a host and nothing else that would be lost.
func isPlain(address *url.URL) bool {
	if address.Host == "" || address.Scheme != "https" && address.Scheme != "http" {
		return false
	}
	rest := *address
	rest.Scheme, rest.Host, rest.Path = "", "", strings.Trim(address.Path, "/")
	return rest == url.URL{}
}

// readCredentials checks that the credentials are of one sort.
func (l *location) readCredentials(attributes provider.Attributes) error {
	switch {
	case (l.accessKey == "") != (l.secretKey == ""):
		return problem(AttributeAccessKeyID, "goes together with "+AttributeSecretAccessKey+", and one of them is missing")
	case l.sessionToken != "" && l.accessKey == "":
		return problem(AttributeSessionToken, "belongs to an "+AttributeAccessKeyID+", which is missing")
	case l.roleARN != "" && l.accessKey != "":
		return problem(AttributeRoleARN, "and "+AttributeAccessKeyID+" are two ways to get at the bucket: remove one of them")
	}
	l.stsEndpoint = attributes[AttributeSTSEndpoint]
	if l.stsEndpoint == "" {
		l.stsEndpoint = "https://sts." + l.region + ".amazonaws.com"
	}
	if endpoint, err := url.Parse(l.stsEndpoint); err != nil || endpoint.Host == "" {
		return problem(AttributeSTSEndpoint, "is not of the form https://host")
	}
	return nil
}

// readEncryption reads how the service encrypts.
func (l *location) readEncryption(attributes provider.Attributes) error {
	kind := attributes[AttributeServerSideEncryption]
	for attribute, needs := range map[string]string{AttributeCustomerKey: encryptionOwn, AttributeKMSKeyID: encryptionKMS} {
		if attributes[attribute] != "" && kind != needs {
			return problem(attribute, "needs "+AttributeServerSideEncryption+" to be "+needs)
		}
	}
	switch kind {
	case "":
	case "AES256":
		l.encryption = encrypt.NewSSE()
	case encryptionKMS:
		encryption, err := encrypt.NewSSEKMS(attributes[AttributeKMSKeyID], nil)
		if err != nil {
			return problem(AttributeKMSKeyID, "cannot be used")
		}
		l.encryption = encryption
	case encryptionOwn:
		return l.readCustomerKey(attributes[AttributeCustomerKey])
	default:
		return problem(AttributeServerSideEncryption, "is none of AES256, aws:kms and customer")
	}
	return nil
}

// readCustomerKey reads the key that goes with every request.
func (l *location) readCustomerKey(key string) error {
	raw, err := base64.StdEncoding.DecodeString(key)
	if err != nil || len(raw) != customerKeySize {
		return problem(AttributeCustomerKey, "is not 32 bytes in base64")
	}
	if !l.secure {
		return problem(AttributeCustomerKey, "would be sent in plain text: use an https endpoint")
	}
	encryption, err := encrypt.NewSSEC(raw)
	if err != nil {
		return problem(AttributeCustomerKey, "cannot be used")
	}
	l.encryption = encryption
	return nil
}

// readLock reads for how long objects are locked.
func (l *location) readLock(attributes provider.Attributes) error {
	mode, days := attributes[AttributeObjectLockMode], attributes[AttributeObjectLockDays]
	if mode == "" && days == "" {
		return nil
	}
	l.lockMode = minio.RetentionMode(mode)
	if !l.lockMode.IsValid() {
		return problem(AttributeObjectLockMode, "is neither GOVERNANCE nor COMPLIANCE")
	}
	count, err := strconv.Atoi(days)
	if err != nil || count < 1 || count > maxLockDays {
		return problem(AttributeObjectLockDays, "is not a number of days from 1 to 36500")
	}
	l.lockTime = time.Duration(count) * 24 * time.Hour
	return nil
}

func (l *location) readChecksum(attributes provider.Attributes) error {
	given := attributes[AttributeChecksum]
	if !slices.Contains([]string{"", "crc32c", "none"}, given) {
		return problem(AttributeChecksum, "is neither crc32c nor none")
	}
	l.checksum = given != "none"
	return nil
}

// key returns the key of an object in the bucket.
func (l *location) key(name string) string { return l.prefix + name }

// customerKey returns the encryption that has to go with every request, also one that reads.
func (l *location) customerKey() encrypt.ServerSide { //nolint:ireturn // The library has only the interface.
	if l.encryption != nil && l.encryption.Type() == encrypt.SSEC {
		return l.encryption
	}
	return nil
}
