package filesink

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"elt/internal/objectstore"
	"elt/internal/singer"
	"elt/targets"
)

const (
	journalPrefix = ".elt-journal"
	partPrefix    = ".elt-part-"
	backupPrefix  = ".elt-old-"
)

// journal is what the directory knows of one state id. The one without a
// state id belongs to runs without a claim.
type journal struct {
	Version   int             `json:"version"`
	StateID   string          `json:"state_id"`
	Epoch     int64           `json:"epoch"`
	Edit      int64           `json:"edit"`
	Seq       int64           `json:"seq"`
	Bookmarks json.RawMessage `json:"bookmarks,omitempty"`
	// Files hold rows that Bookmarks cover. One that is missing when a run
	// claims was deleted or moved away by hand.
	Files []string `json:"files,omitempty"`
	// Undo takes back the commit that is under way, last entry first.
	Undo []undo `json:"undo,omitempty"`
}

// undo is how one file becomes again what it was.
type undo struct {
	File string `json:"file"`
	// Op is "truncate" to Size, "remove", "restore" Backup; in a bucket
	// "withdraw" Staged, or "cancel" it.
	Op   string `json:"op"`
	Size int64  `json:"size,omitempty"`
	// Backup is a second name of what File was.
	Backup string              `json:"backup,omitempty"`
	Staged *objectstore.Staged `json:"staged,omitempty"`
}

func journalName(stateID string) string {
	if stateID == "" {
		return journalPrefix + ".json"
	}
	sum := sha256.Sum256([]byte(stateID))
	return journalPrefix + "-" + hex.EncodeToString(sum[:8]) + ".json"
}

func (j *journal) fence() targets.Fence {
	return targets.Fence{Found: j.Version > 0, Epoch: j.Epoch, Edit: j.Edit, Seq: j.Seq, Bookmarks: singer.NewBookmarks(j.Bookmarks)}
}

// readJournal reads a state id's journal; a zero one when there is none.
func (d *dir) readJournal(name string) (journal, error) {
	var j journal
	raw, err := d.root.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return j, nil
	}
	if err == nil {
		err = json.Unmarshal(raw, &j)
	}
	if err == nil && j.Version != 1 {
		err = fmt.Errorf("version %d is unknown to this release", j.Version)
	}
	if err != nil {
		return j, fmt.Errorf("read the journal %s: %w", d.path(name), err)
	}
	return j, nil
}

// writeJournal replaces a journal durably.
func (d *dir) writeJournal(j journal) error {
	d.step()
	j.Version = 1
	raw, err := json.Marshal(j)
	if err != nil {
		return err
	}
	name := journalName(j.StateID)
	if j.StateID == "" && len(j.Undo) == 0 {
		if err := d.root.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return d.syncDir(".")
	}
	tmp := name + ".tmp"
	f, err := d.root.OpenFile(tmp, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o666)
	if err != nil {
		return fmt.Errorf("write the journal: %w", err)
	}
	_, err = f.Write(append(raw, '\n'))
	if err == nil {
		err = f.Sync()
	}
	d.step()
	if err = errors.Join(err, f.Close()); err == nil {
		err = d.root.Rename(tmp, name)
	}
	if err != nil {
		return fmt.Errorf("write the journal %s: %w", d.path(name), err)
	}
	return d.syncDir(".")
}

// recover takes back what dead processes left half done, and removes their
// parts. The directory's lock is held, so no living one is in a commit.
func (d *dir) recover() error {
	names, err := d.hidden()
	if err != nil {
		return err
	}
	for _, name := range names {
		switch {
		case strings.HasPrefix(name, journalPrefix) && strings.HasSuffix(name, ".json"):
			j, err := d.readJournal(name)
			if err != nil {
				return err
			}
			if len(j.Undo) == 0 {
				continue
			}
			if err := d.takeBack(j); err != nil {
				return err
			}
		case strings.HasPrefix(name, partPrefix):
			d.removeAbandoned(name)
		}
	}
	for _, name := range names {
		if strings.HasPrefix(name, backupPrefix) { // of commits that came to their end
			d.root.Remove(name)
		}
	}
	return nil
}

// takeBack undoes a commit that did not come to its end.
func (d *dir) takeBack(j journal) error {
	for i := len(j.Undo) - 1; i >= 0; i-- {
		if err := d.undo(j.Undo[i]); err != nil {
			return fmt.Errorf("take back the unfinished commit to %s: %w", d.path(j.Undo[i].File), err)
		}
	}
	undone := j.Undo
	j.Undo = nil
	if err := d.writeJournal(j); err != nil {
		return err
	}
	d.dropBackups(undone)
	return nil
}

func (d *dir) undo(u undo) error {
	d.step()
	var err error
	switch u.Op {
	case "truncate":
		err = d.truncate(u.File, u.Size)
	case "remove":
		err = d.root.Remove(u.File)
	case "restore":
		err = d.root.Rename(u.Backup, u.File)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := d.syncDir(parent(u.File)); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil // the folder was not made yet
}

func (d *dir) truncate(name string, size int64) error {
	f, err := d.root.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil || info.Size() <= size {
		return err
	}
	if err := f.Truncate(size); err != nil {
		return err
	}
	return f.Sync()
}

// dropBackups removes second names that are of no more use.
func (d *dir) dropBackups(list []undo) {
	for _, u := range list {
		d.step()
		if u.Backup != "" {
			d.root.Remove(u.Backup)
		}
	}
}

// removeAbandoned deletes a part whose process is gone: a living one holds its lock.
func (d *dir) removeAbandoned(name string) {
	f, err := d.root.Open(name)
	if err != nil {
		return
	}
	defer f.Close()
	if tryLock(f) {
		d.root.Remove(name)
	}
}
