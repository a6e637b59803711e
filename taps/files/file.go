package files

import (
	"context"
	"io"
	"os"
	"time"

	"elt/internal/objectstore"
)

// File is one file of a Set, as it was when the files were listed.
type File struct {
	Path     string // as bookmarks and messages name it: a path, or a URL
	Size     int64
	Modified time.Time
	Version  string            // of an object, else ""
	store    objectstore.Store // nil: on the disk
	key      string
}

// List is the files of a Set.
type List []File

// Close closes connections to the bucket that the files are in.
func (l List) Close() {
	if len(l) > 0 && l[0].store != nil {
		l[0].store.Close()
	}
}

func (f File) object() objectstore.Object {
	return objectstore.Object{Key: f.key, Size: f.Size, Modified: f.Modified, Version: f.Version}
}

// open reads the bytes as they are stored.
func (f File) open(ctx context.Context) (io.ReadCloser, error) {
	if f.store != nil {
		return objectstore.NewReader(ctx, f.store, f.object()), nil
	}
	return os.Open(f.Path)
}

// Random is a file whose bytes are read in any order.
type Random struct {
	io.ReaderAt
	Size   int64
	Remote bool // each read is a request
	close  func() error
}

// Close closes the file.
func (r *Random) Close() error { return r.close() }

// Random opens the file for reads in any order.
func (f File) Random(ctx context.Context) (*Random, error) {
	if f.store != nil {
		return &Random{objectstore.NewReaderAt(ctx, f.store, f.object()), f.Size, true, func() error { return nil }}, nil
	}
	file, err := os.Open(f.Path)
	if err != nil {
		return nil, err
	}
	info, err := file.Stat()
	if err != nil {
		file.Close()
		return nil, err
	}
	return &Random{file, info.Size(), false, file.Close}, nil
}
