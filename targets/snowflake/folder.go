package snowflake

import (
	"os"
	"path/filepath"

	"elt/internal/fault"
	"elt/internal/filesink"
)

// folder is where a run's files lie; nobody else can read it (invariant 10).
// A lock file tells a living run's from a dead one's.
type folder struct {
	path string
	lock *os.File
}

const folderPrefix = "elt-snowflake-"

func newFolder(parent string) (*folder, error) {
	sweep(parent)
	wrong := func(err error) error {
		return fault.Wrap(fault.BadConfig, err, "target-snowflake: no folder for files can be made in %s", parent).
			WithHint("temp_dir names another place; it needs room for some files of file_size_mb")
	}
	path, err := os.MkdirTemp(parent, folderPrefix) // of mode 0700
	if err != nil {
		return nil, wrong(err)
	}
	lock, err := os.OpenFile(filepath.Join(path, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		os.RemoveAll(path)
		return nil, wrong(err)
	}
	filesink.TryLock(lock)
	return &folder{path, lock}, nil
}

// sweep removes what killed runs left.
func sweep(parent string) {
	left, _ := filepath.Glob(filepath.Join(parent, folderPrefix+"*"))
	for _, path := range left {
		lock, err := os.OpenFile(filepath.Join(path, "lock"), os.O_RDWR, 0o600)
		if err != nil {
			continue // just being made, or somebody else's
		}
		if filesink.TryLock(lock) {
			os.RemoveAll(path)
		}
		lock.Close()
	}
}

func (f *folder) remove() error {
	err := os.RemoveAll(f.path)
	f.lock.Close()
	return err
}
