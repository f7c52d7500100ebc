package archive

// FormatVersion is the version of the format that this package writes, and the newest that it reads. A change that
// an older reader would misunderstand raises it; an addition that an older reader may ignore does not.
const FormatVersion = 1

// SealedVersion is the version of manifests of encrypted backups, which are signed. Readers of version 1 refuse them.
const SealedVersion = 2

// The limits of both versions. Writers refuse to exceed them and readers refuse what does. Sizes are in bytes.
const (
	// MaxObjectSize bounds the JSON of one object. API servers accept requests of at most 3 MiB, so a larger object
	// could be read and never be created again.
	MaxObjectSize = 8 << 20
	// MaxFrameSize bounds a frame after decompression: one object of the greatest size, or many small ones.
	MaxFrameSize = MaxObjectSize + 1<<20
	// MaxSegmentSize bounds a segment file, and so a compressed frame too.
	MaxSegmentSize = 16 << 20
	// MaxLineSize bounds a line of an index or a report after decompression.
	MaxLineSize = MaxFrameSize
	// MaxManifestSize bounds a manifest. Every segment takes about 200 bytes of it.
	MaxManifestSize = 8 << 20
	// MaxSmallFileSize bounds the marker, the owner file and an intent.
	MaxSmallFileSize = 64 << 10
	// MaxKinds bounds the number of kinds in one backup.
	MaxKinds = 10_000
	// MaxMissing bounds the rows of what is missing in a manifest; the whole list is in the report.
	MaxMissing = 100
	// MaxMessageSize bounds a text for people in a manifest or a report; longer ones are cut when written.
	MaxMessageSize = 4 << 10
	// MaxAttempts bounds the attempts at one backup.
	MaxAttempts = 100
	// MaxUses bounds the attempts of whose segments an incremental backup names some, besides its own. A base with more
	// of them is too torn to build upon: the run is a full one.
	MaxUses = 1000
	// MaxNameSize bounds an object's name.
	MaxNameSize = 1024
)

// The sizes that a Packer aims at unless it is told otherwise, in bytes.
const (
	// FrameSize is the length of a frame before compression.
	FrameSize = 1 << 20
	// SegmentSize is the length of a segment file that is not exceeded.
	SegmentSize = MaxSegmentSize
)

// sealRoom is left for encryption in a segment, in bytes: a header, and 16 for each 65,536.
const sealRoom = 16 << 10

// windowSize is the zstd window of everything that is written as a stream. It bounds the memory of readers.
const windowSize = 1 << 20

// maxWindowSize is the largest window that is accepted when a stream is read: what every zstd decoder must support.
const maxWindowSize = 8 << 20
