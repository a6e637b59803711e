package proc

import (
	"errors"
	"io/fs"

	"github.com/gofrs/flock"
)

// LockFree says whether no guard on this machine holds the lock file at path:
// every process of its run is dead then, and its lease may be adopted
// (invariant 8). A guard removes its file at the end, so none is free.
func LockFree(path string) (bool, error) {
	lock := flock.New(path, flock.SetFlag(0)) // O_RDONLY: never make the file
	free, err := lock.TryRLock()
	if errors.Is(err, fs.ErrNotExist) {
		return true, nil
	}
	if err != nil || !free {
		return false, err
	}
	return true, lock.Close()
}
