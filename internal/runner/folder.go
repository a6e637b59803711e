package runner

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/gofrs/flock"

	"elt/internal/fault"
	"elt/internal/proc"
)

// folder is a run's own directory: 0700, every file in it 0600, since configs
// hold secrets (invariant 10). Its guard's lock file lies in it, so that
// whoever comes later sees whether the run is alive.
type folder struct{ path string }

const lockName = "lock"

// newFolder makes root/RUNID.
func newFolder(root, runID string) (*folder, error) {
	f := &folder{filepath.Join(root, runID)}
	if err := os.MkdirAll(root, 0o700); err != nil {
		return nil, unwritable(err, root)
	}
	if err := os.Mkdir(f.path, 0o700); err != nil {
		return nil, unwritable(err, f.path)
	}
	return f, nil
}

func unwritable(err error, path string) error {
	return fault.Wrap(fault.Failed, err, "cannot make the run's folder %s", path).
		WithHint("the project's folder must be writable and its disk not full; MELTANO_SYS_DIR_ROOT names another folder for run files")
}

func (f *folder) lock() string { return filepath.Join(f.path, lockName) }

// write makes a file that nobody else could have put there.
func (f *folder) write(name string, content []byte) (string, error) {
	path := filepath.Join(f.path, name)
	file, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return "", unwritable(err, path)
	}
	_, err = file.Write(content)
	if err := errors.Join(err, file.Close()); err != nil {
		return "", unwritable(err, path)
	}
	return path, nil
}

func (f *folder) remove() error { return os.RemoveAll(f.path) }

// held takes the folder's lock in this process, for what runs without a
// guard: the lock is free once the process is dead.
func (f *folder) held() (release func() error, err error) {
	lock := flock.New(f.lock(), flock.SetPermissions(0o600))
	if ok, err := lock.TryLock(); err != nil || !ok {
		return nil, errors.Join(err, fmt.Errorf("lock %s", f.lock()))
	}
	return lock.Close, nil
}

// mark is in the environment of all that a run starts, so that what outlived
// both runner and guard is found (invariant 8).
func (f *folder) mark() string { return "ELT_RUN_LOCK=" + f.lock() }

// sweep ends what is left of runs that died and removes their folders: those
// whose lock file is free or gone. An empty folder younger than a minute may not have its lock yet;
// configs are written only after it is there.
func sweep(root string, now time.Time) error {
	entries, err := os.ReadDir(root)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("look for run folders of dead runs: %w", err)
	}
	var failed error
	for _, e := range entries {
		dir := filepath.Join(root, e.Name())
		info, err := e.Info()
		if err != nil || !e.IsDir() {
			continue
		}
		if files, err := os.ReadDir(dir); err != nil || len(files) == 0 && now.Sub(info.ModTime()) < time.Minute {
			continue
		}
		if free, err := proc.LockFree(filepath.Join(dir, lockName)); err != nil || !free {
			continue
		}
		left := &folder{dir}
		failed = errors.Join(failed, proc.KillLeft(left.mark()), left.remove())
	}
	return failed
}

// pathName is a state id as a file name: other characters than letters,
// digits and ._=@+-: are escaped, so that no two ids meet.
func pathName(id string) string {
	var b strings.Builder
	for i := range len(id) {
		c := id[i]
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', strings.IndexByte("_=@+-:", c) >= 0, c == '.' && i > 0:
			b.WriteByte(c)
		default:
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}
