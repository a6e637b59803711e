package filesink

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync"

	"elt/internal/fault"
	"elt/internal/hive"
)

// dir is the destination directory. Nothing outside of it can be touched.
type dir struct {
	where string
	root  *os.Root
	mu    sync.Mutex // with the file lock: one commit at a time
	// nameless: hidden files lose their names at once, so that a kill leaves
	// none of them behind.
	nameless bool
	point    func() // tests are told before every step that changes the disk; else nil
}

// step is a moment at which a kill must do no harm.
func (d *dir) step() {
	if d.point != nil {
		d.point()
	}
}

func openDir(where string) (*dir, error) {
	if err := os.MkdirAll(where, 0o777); err != nil {
		return nil, fault.Wrap(fault.BadConfig, err, "the destination directory cannot be made").
			WithHint("files go to %s; check the path and who may write there", where)
	}
	root, err := os.OpenRoot(where)
	if err != nil {
		return nil, fault.Wrap(fault.BadConfig, err, "the destination directory cannot be opened")
	}
	d := &dir{where: where, root: root}
	if err := d.probe(); err != nil {
		root.Close()
		return nil, fault.Wrap(fault.BadConfig, err, "the destination directory cannot be written").
			WithHint("files go to %s; check who may write there, and that the disk is not read-only", where)
	}
	if err := d.locked(d.recover); err != nil {
		root.Close()
		return nil, err
	}
	return d, nil
}

// probe finds a read-only directory before the tap starts.
func (d *dir) probe() error {
	name := fmt.Sprintf("%sprobe-%d", partPrefix, os.Getpid())
	f, err := d.root.OpenFile(name, os.O_CREATE|os.O_WRONLY, 0o666)
	if err != nil {
		return err
	}
	err = d.root.Remove(name)
	if errors.Is(err, fs.ErrNotExist) { // another run tidied up
		err = nil
	}
	return errors.Join(f.Close(), err)
}

// locked runs f while no other process and no other lane is in a commit.
func (d *dir) locked(f func() error) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	here, err := d.root.Open(".")
	if err != nil {
		return err
	}
	defer here.Close()
	if err := lock(here); err != nil {
		return fmt.Errorf("lock %s: %w", d.where, err)
	}
	return f()
}

// hidden lists our own files in the directory.
func (d *dir) hidden() ([]string, error) {
	here, err := d.root.Open(".")
	if err != nil {
		return nil, err
	}
	defer here.Close()
	all, err := here.Readdirnames(-1)
	if err != nil {
		return nil, err
	}
	var ours []string
	for _, name := range all {
		if strings.HasPrefix(name, ".elt-") {
			ours = append(ours, name)
		}
	}
	return ours, nil
}

// syncDir makes names in a directory durable. Not every system can.
func (d *dir) syncDir(name string) error {
	f, err := d.root.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := f.Sync(); err != nil && !errors.Is(err, errors.ErrUnsupported) && !isInvalid(err) {
		return fmt.Errorf("sync %s: %w", d.path(name), err)
	}
	return nil
}

// isInvalid: the file system has no fsync for directories.
func isInvalid(err error) bool { return strings.Contains(err.Error(), "invalid argument") }

func (d *dir) path(name string) string { return filepath.Join(d.where, name) }

func parent(name string) string { return path.Dir(filepath.ToSlash(name)) }

// standing separates files that are there from those that are not.
func (d *dir) standing(files []string) (there, gone []string, err error) {
	for _, name := range files {
		switch _, err := d.root.Stat(name); {
		case errors.Is(err, fs.ErrNotExist):
			gone = append(gone, name)
		case err != nil:
			return nil, nil, fmt.Errorf("look for %s: %w", d.path(name), err)
		default:
			there = append(there, name)
		}
	}
	return there, gone, nil
}

// makeFolder makes a folder, durably, and those above it.
func (d *dir) makeFolder(name string) error {
	var above []string // where new names stand
	for at := name; at != "."; at = parent(at) {
		if _, err := d.root.Stat(at); err == nil {
			break
		}
		above = append(above, parent(at))
	}
	if len(above) == 0 {
		return nil
	}
	if err := d.root.MkdirAll(name, 0o777); err != nil {
		return err
	}
	for _, at := range above {
		if err := d.syncDir(at); err != nil {
			return err
		}
	}
	return nil
}

// prune removes the folders of partitions that have lost their last file.
func (d *dir) prune(list []publication) {
	for _, p := range list {
		for at := parent(p.file); p.remove && hive.IsFolder(path.Base(at)); at = parent(at) {
			if d.root.Remove(at) != nil { // it is not empty
				break
			}
		}
	}
}
