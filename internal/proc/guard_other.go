//go:build !linux

package proc

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/gofrs/flock"
)

// Guard is, where the system has no subreaper, this process itself: it holds
// the lock file and kills process groups when it stops, not when it is killed.
type Guard struct {
	Direct
	lock *flock.Flock
}

// GuardMain has nothing to do here.
func GuardMain([]string) int { return 2 }

// StartGuard takes the lock file at path, whose folder it makes.
func StartGuard(_, path string) (*Guard, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("make the folder of the run's lock file: %w", err)
	}
	lock := flock.New(path, flock.SetPermissions(0o600))
	held, err := lock.TryLock()
	if err == nil && !held {
		err = fmt.Errorf("held by another run")
	}
	if err != nil {
		return nil, fmt.Errorf("lock file %s: %w", path, err)
	}
	return &Guard{lock: lock}, nil
}

// Ready is always so here.
func (g *Guard) Ready() error { return nil }

// Lock is the path of the lock file.
func (g *Guard) Lock() string { return g.lock.Path() }

// Close drops the lock.
func (g *Guard) Close() error {
	os.Remove(g.lock.Path())
	return g.lock.Unlock()
}
