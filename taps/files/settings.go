package files

import (
	"elt/internal/fault"
	"elt/internal/objectstore"
	"elt/internal/spec"
)

// Stream is one stream: what every tap over files wants to know of it.
type Stream struct {
	Entity string   `json:"entity"`
	Path   string   `json:"path"`
	Keys   []string `json:"keys"`

	access objectstore.Access
}

// Common is the part that all taps know, of an entry that may hold more.
func (s *Stream) Common() *Stream { return s }

// Entry is an entry of a tap's list of streams.
type Entry interface{ Common() *Stream }

// Set is the stream's files.
func (s *Stream) Set(tap, encoding string, suffixes ...string) Set {
	return Set{Tap: tap, Entity: s.Entity, Path: s.Path, Suffixes: suffixes, Encoding: encoding, Access: s.access}
}

// Settings are those that the taps have in common, besides their lists of
// entities.
type Settings struct {
	Stamp       bool   `json:"add_file_columns"`
	OnBadRow    string `json:"on_bad_row"`
	BadRowsPath string `json:"bad_rows_path"`
	MaxBadRows  int64  `json:"max_bad_rows"`
	objectstore.Access
}

// TextSpecs are Specs, for a kind of file that may hold bad rows.
func TextSpecs() []spec.Setting { return append(badRowSettings(), Specs()...) }

// Specs are the Settings for a Spec.
func Specs() []spec.Setting {
	return append([]spec.Setting{stampSetting()}, objectstore.Settings()...)
}

// Accept checks a tap's list of streams and completes its entries.
func Accept[E Entry](tap, example string, s Settings, list []E) error {
	if len(list) == 0 {
		return fault.New(fault.BadConfig, "%s: there are no files to read", tap).WithHint("set files, for example %s", example)
	}
	seen := map[string]bool{}
	for n, one := range list {
		e := one.Common()
		if e.Entity == "" || e.Path == "" {
			return fault.New(fault.BadConfig, "%s: entry %d of files lacks entity or path", tap, n+1)
		}
		if seen[e.Entity] {
			return fault.New(fault.BadConfig, "%s: two entries of files are called %q", tap, e.Entity).
				WithHint("give each its own entity, or one of them a path that matches all files")
		}
		seen[e.Entity], e.access = true, s.Access
	}
	return nil
}

// Shapeless says that settings cannot be decoded.
func Shapeless(tap, example string, err error) error {
	return fault.Wrap(fault.BadConfig, err, "%s: the settings do not have the expected shape", tap).WithHint("files is a list like %s", example)
}

// Names are the names of streams.
func Names[E Entry](list []E) (names []string) {
	for _, one := range list {
		names = append(names, one.Common().Entity)
	}
	return names
}
