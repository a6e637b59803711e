package proc

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"

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

// Running says whether there is a process with this id. A zombie, whose
// parent has not taken note of its end yet, runs no more.
func Running(pid int) bool {
	if err := syscall.Kill(pid, 0); errors.Is(err, syscall.ESRCH) {
		return false
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	_, rest, found := bytes.Cut(stat, []byte(") "))
	return err != nil || !found || !bytes.HasPrefix(rest, []byte("Z"))
}
