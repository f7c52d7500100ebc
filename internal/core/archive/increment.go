package archive

// Increment says what a backup took over from an earlier one. The records of what was taken over point straight at the
// segments of whoever wrote them, and the manifest names these: a reader need not know of it.
type Increment struct {
	// Mode is Incremental or Differential.
	Mode string `json:"mode"`
	// Base is the backup that it was compared with.
	Base BackupID `json:"base"`
	// Unchanged objects were not read, Read ones were read, and Written are those of them whose content was new.
	Unchanged int64 `json:"unchanged"`
	Read      int64 `json:"read"`
	Written   int64 `json:"written"`
	// WrittenBytes is the length of the segments that the backup wrote itself.
	WrittenBytes int64 `json:"writtenBytes"`
}

// The modes of an Increment.
const (
	ModeIncremental  = "Incremental"
	ModeDifferential = "Differential"
)

// IsZero tells that nothing was compared.
func (i Increment) IsZero() bool { return i == Increment{} }

// checkIncrement returns core.ErrInvalid where what was taken over cannot be true.
func (m *Manifest) checkIncrement() error {
	i := m.Increment
	if i.IsZero() {
		return nil
	}
	if i.Unchanged < 0 || i.Read < 0 || i.Written < 0 || i.WrittenBytes < 0 {
		return invalid("%d objects unchanged, %d read, %d written in %d bytes", i.Unchanged, i.Read, i.Written, i.WrittenBytes)
	}
	if i.Base.ClusterID != m.ID.ClusterID || i.Base == m.ID {
		return invalid("backup %s cannot build on %s", clip(m.ID.String()), clip(i.Base.String()))
	}
	return i.Base.Check()
}
