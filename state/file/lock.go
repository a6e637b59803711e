package file

import (
	"context"
	"encoding/base64"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// lock takes Meltano's lock on a state id: a file with the Unix time, which
// is void once it is older than the lock timeout. The caller must unlock.
func (s *Store) lock(ctx context.Context, dir string) (unlock func(), err error) {
	path := filepath.Join(dir, "lock")
	for {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return nil, err
		}
		f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
		if err == nil {
			_, err = f.WriteString(strconv.FormatFloat(float64(time.Now().UnixMicro())/1e6, 'f', 6, 64))
			if err = errors.Join(err, f.Close()); err != nil {
				os.Remove(path)
				return nil, err
			}
			return func() {
				os.Remove(path)
				os.Remove(dir) // goes only when it is empty: the state was cleared
			}, nil
		}
		switch {
		case errors.Is(err, fs.ErrNotExist): // somebody removed the empty folder meanwhile
			continue
		case !errors.Is(err, fs.ErrExist):
			return nil, err
		case s.void(path):
			os.Remove(path)
			continue
		}
		timer := time.NewTimer(s.o.LockRetry)
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil, ctx.Err()
		case <-timer.C:
		}
	}
}

// void says that the lock at path is too old. One without a time in it is
// being written just now, or was left by a crash: its file's age counts.
func (s *Store) void(path string) bool {
	raw, err := os.ReadFile(path)
	if err != nil {
		return false
	}
	at := time.Time{}
	if seconds, err := strconv.ParseFloat(strings.TrimSpace(string(raw)), 64); err == nil {
		at = time.UnixMicro(int64(seconds * 1e6))
	} else if info, err := os.Stat(path); err == nil {
		at = info.ModTime()
	}
	return time.Since(at) > s.o.LockTimeout
}

// nameOf is a state id's folder; Windows has no colons in names, and Meltano
// encodes ids there.
func nameOf(stateID string) string {
	if runtime.GOOS == "windows" {
		return base64.URLEncoding.EncodeToString([]byte(stateID))
	}
	return stateID
}

func idOf(name string) (string, bool) {
	if runtime.GOOS == "windows" {
		id, err := base64.URLEncoding.DecodeString(name)
		return string(id), err == nil
	}
	return filepath.ToSlash(name), name != "."
}
