package copies

import "github.com/soda-cdm/kahu/internal/engine"

// Source is the location at which the backup is.
type Source interface {
	engine.FileReader
	engine.FileLister
}

// Target is the location to which it is copied.
type Target interface {
	Source
	engine.FileHolder
	engine.FileCreator
	engine.FileRemover
}
