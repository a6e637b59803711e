package filesink

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"elt/internal/check"
	"elt/internal/fault"
	"elt/internal/objectstore"
)

// Check tries whether files can be written to the directory, or whether it
// could be made, or whether objects can be written to the bucket. It leaves nothing behind.
func Check(ctx context.Context, o Options, report *check.Report) {
	where := o.Dir
	if objectstore.IsURL(where) {
		report.Do(ctx, "write", func(ctx context.Context) (string, error) {
			b, err := openBucket(ctx, o)
			if err != nil {
				return "", err
			}
			defer b.store.Close()
			return where, b.try(ctx)
		})
		return
	}
	report.Do(ctx, "write", func(context.Context) (string, error) {
		at, detail, err := nearest(where)
		if err == nil {
			err = touch(at)
		}
		if err != nil {
			return "", fault.Wrap(fault.BadConfig, err, "the destination directory cannot be written").
				WithHint("files go to %s; check the path, who may write there, and that the disk is not read-only", where)
		}
		return detail, nil
	})
}

// nearest is the directory itself, or the one above it that is there.
func nearest(where string) (at, detail string, err error) {
	full, err := filepath.Abs(where)
	if err != nil {
		return "", "", err
	}
	for at = full; ; at = filepath.Dir(at) {
		info, err := os.Stat(at)
		switch {
		case errors.Is(err, fs.ErrNotExist) && at != filepath.Dir(at):
			continue
		case err != nil:
			return "", "", err
		case !info.IsDir():
			return "", "", &fs.PathError{Op: "open", Path: at, Err: syscall.ENOTDIR}
		case at == full:
			return at, where, nil
		}
		return at, where + ", which will be made", nil
	}
}

func touch(dir string) error {
	f, err := os.CreateTemp(dir, ".elt-check-*")
	if err != nil {
		return err
	}
	return errors.Join(f.Close(), os.Remove(f.Name()))
}
