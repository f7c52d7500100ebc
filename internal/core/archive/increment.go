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
}

// The modes of an Increment.
const (
	ModeIncremental  = "Incremental"
	ModeDifferential = "Differential"
)

// IsZero tells that nothing was compared.
func (i Increment) IsZero() bool { return i == Increment{} }

// OwnSegments returns the number and the bytes of the segments that attempts at this backup wrote, and those of the ones
// that it refers to.
func (m *Manifest) OwnSegments(attempts ...string) (own, referred Volume) {
	of := map[string]bool{m.Attempt: true}
	for _, attempt := range attempts {
		of[attempt] = true
	}
	for _, file := range m.Segments {
		sum := &referred
		if id, ok := ParseSegmentName(file.Name); ok && of[id.Attempt] {
			sum = &own
		}
		sum.Segments++
		sum.Bytes += file.Size
	}
	return own, referred
}

// Volume is how many segments there are, and how many bytes they have.
type Volume struct{ Segments, Bytes int64 }

// checkIncrement returns core.ErrInvalid where what was taken over cannot be true.
func (m *Manifest) checkIncrement() error {
	i := m.Increment
	if i.IsZero() {
		return nil
	}
	if i.Unchanged < 0 || i.Read < 0 || i.Written < 0 {
		return invalid("%d objects unchanged, %d read, %d written", i.Unchanged, i.Read, i.Written)
	}
	if i.Base.ClusterID != m.ID.ClusterID || i.Base == m.ID {
		return invalid("backup %s cannot build on %s", clip(m.ID.String()), clip(i.Base.String()))
	}
	return i.Base.Check()
}
