// Package files is what taps over files share: which files an entity has, on
// the local disk or in a bucket, opening them whatever their compression and
// encoding, and a bookmark that says how far which file was read.
package files

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"elt/internal/fault"
	"elt/internal/objectstore"

	"github.com/bmatcuk/doublestar/v4"
)

// Set is the files of one entity.
type Set struct {
	Tap      string   // for messages: "tap-csv"
	Entity   string   // the stream
	Path     string   // a file, a folder, or a glob with **; on the disk, or a URL
	Suffixes []string // what counts in a folder, besides a compressed form: ".csv"
	Encoding string   // "" is UTF-8 unless a byte order mark says otherwise
	Access   objectstore.Access
}

const relative = "relative paths start at the project folder"

// Files are the path itself, the fitting files of a folder, or what a glob
// matches; sorted.
func (s Set) Files(ctx context.Context) (List, error) {
	if objectstore.IsURL(s.Path) {
		return s.inBucket(ctx)
	}
	paths, err := s.paths()
	if err != nil {
		return nil, err
	}
	out := make([]File, len(paths))
	for i, path := range paths {
		info, err := os.Stat(path)
		if err != nil {
			return nil, fault.Wrap(fault.BadConfig, err, "%s: a file of entity %q cannot be looked at", s.Tap, s.Entity)
		}
		out[i] = File{Path: path, Size: info.Size(), Modified: info.ModTime()}
	}
	return out, nil
}

func (s Set) paths() ([]string, error) {
	info, err := os.Stat(s.Path)
	switch {
	case err == nil && !info.IsDir():
		return []string{s.Path}, nil
	case err == nil:
		return s.inFolder()
	}
	found, globErr := doublestar.FilepathGlob(s.Path, doublestar.WithFilesOnly())
	if globErr != nil {
		return nil, s.badPattern(globErr)
	}
	found = slices.DeleteFunc(found, func(path string) bool { return ours(filepath.Base(path)) })
	if len(found) == 0 {
		if isGlob(s.Path) {
			return nil, s.nothing()
		}
		return nil, fault.Wrap(fault.BadConfig, err, "%s: the file of entity %q cannot be read", s.Tap, s.Entity).WithHint(relative)
	}
	slices.Sort(found)
	return found, nil
}

func isGlob(path string) bool { return strings.ContainsAny(path, "*?[{") }

// ours are the files that targets keep beside those that they write.
func ours(name string) bool {
	return strings.HasPrefix(name, ".elt-") || strings.HasPrefix(name, "_elt_rejects")
}

func (s Set) badPattern(err error) error {
	return fault.Wrap(fault.BadConfig, err, "%s: the path %q of entity %q is no valid pattern", s.Tap, s.Path, s.Entity)
}

func (s Set) nothing() error {
	return fault.New(fault.BadConfig, "%s: no file matches %q of entity %q", s.Tap, s.Path, s.Entity).WithKind(fault.KindPath).WithHint(relative)
}

func (s Set) emptyFolder() error {
	return fault.New(fault.BadConfig, "%s: the folder %s of entity %q holds no %s file", s.Tap, s.Path, s.Entity, strings.Join(s.Suffixes, " or ")).WithKind(fault.KindPath)
}

func (s Set) inFolder() ([]string, error) {
	entries, err := os.ReadDir(s.Path)
	if err != nil {
		return nil, fault.Wrap(fault.BadConfig, err, "%s: the folder of entity %q cannot be read", s.Tap, s.Entity)
	}
	var found []string
	for _, entry := range entries {
		if !entry.IsDir() && s.fits(entry.Name()) {
			found = append(found, filepath.Join(s.Path, entry.Name()))
		}
	}
	if len(found) == 0 {
		return nil, s.emptyFolder()
	}
	return found, nil
}

// fits says whether a file of a folder is one of the entity's.
func (s Set) fits(name string) bool {
	plain := strings.TrimSuffix(strings.TrimSuffix(strings.ToLower(name), ".gz"), ".zst")
	return !ours(name) && slices.ContainsFunc(s.Suffixes, func(suffix string) bool { return strings.HasSuffix(plain, suffix) })
}

// inBucket is Files for a URL. Its listing begins where the pattern's first
// special character stands, and no earlier.
func (s Set) inBucket(ctx context.Context) (found List, err error) {
	at, err := objectstore.Parse(s.Path)
	if err != nil {
		return nil, err
	}
	store, err := objectstore.Open(ctx, at, s.Access)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			store.Close()
		}
	}()
	file := func(o objectstore.Object) File {
		return File{Path: at.URL(o.Key), Size: o.Size, Modified: o.Modified, Version: o.Version, store: store, key: o.Key}
	}
	if isGlob(at.Key) {
		if !doublestar.ValidatePattern(at.Key) {
			return nil, s.badPattern(doublestar.ErrBadPattern)
		}
		prefix := at.Key[:strings.IndexAny(at.Key, `*?[{\`)]
		found, err = s.list(ctx, store, prefix, file, func(key string) bool {
			fits, _ := doublestar.Match(at.Key, key) // it is valid
			return fits && !ours(path.Base(key))
		})
		if err == nil && len(found) == 0 {
			err = s.nothing()
		}
		return found, err
	}
	if at.Key != "" && !strings.HasSuffix(at.Key, "/") {
		one, err := store.Stat(ctx, at.Key)
		if err == nil {
			return List{file(one)}, nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		at.Key += "/"
	}
	found, err = s.list(ctx, store, at.Key, file, func(key string) bool {
		name := strings.TrimPrefix(key, at.Key)
		return !strings.Contains(name, "/") && s.fits(name)
	})
	if err == nil && len(found) == 0 {
		err = s.emptyFolder()
	}
	return found, err
}

func (s Set) list(ctx context.Context, store objectstore.Store, prefix string, file func(objectstore.Object) File, fits func(key string) bool) (found List, err error) {
	err = store.List(ctx, prefix, func(o objectstore.Object) error {
		if fits(o.Key) && !strings.HasSuffix(o.Key, "/") {
			found = append(found, file(o))
		}
		return nil
	})
	slices.SortFunc(found, func(a, b File) int { return cmp.Compare(a.Path, b.Path) })
	return found, err
}
