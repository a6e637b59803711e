package sqlite

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"

	"github.com/mattn/go-sqlite3"

	"elt/internal/fault"
	"elt/internal/load"
	"elt/internal/row"
	"elt/internal/spec"
	"elt/internal/sqltarget"
	"elt/targets"
)

type target struct{}

// New is target-sqlite.
func New() targets.Target { return target{} }

func (target) Spec() spec.Spec {
	own := []spec.Setting{
		{Name: "database", Aliases: []string{"path", "path_to_db"}, Type: spec.String, Required: true,
			Help: "Path of the database file; .db is added to a name without extension.", Example: "output/warehouse.db"},
		{Name: "timestamp_column", Type: spec.String, Help: "Accepted for compatibility and ignored; see add_record_metadata."},
		{Name: "busy_timeout", Type: spec.Integer, Default: 60, Help: "Seconds to wait for another program that writes to the file."},
	}
	return spec.Spec{
		Name:         "target-sqlite",
		Summary:      "Loads streams into the tables of an SQLite file.",
		Capabilities: []string{"about", "schema-flattening", "validate-records", "hard-delete", "activate-version", "batch"},
		Settings:     slices.Concat(own, sqltarget.Settings(), load.Settings()),
		Replaces:     []spec.Replacement{{Package: "target-sqlite", Variant: "meltanolabs"}},
	}
}

type settings struct {
	sqltarget.Options
	Database    string `json:"database"`
	BusyTimeout int    `json:"busy_timeout"`
}

func decode(cfg spec.Config) (set settings, err error) {
	err = cfg.Decode(&set)
	if filepath.Ext(set.Database) == "" {
		set.Database += ".db"
	}
	return set, err
}

func (target) Open(ctx context.Context, cfg spec.Config) (targets.Sink, error) {
	set, err := decode(cfg)
	if err != nil {
		return nil, err
	}
	db, err := open(ctx, set.Database, set.BusyTimeout)
	if err != nil {
		return nil, err
	}
	return &sink{set: set, db: db, started: micros(), asides: map[string]bool{}}, nil
}

// Place implements targets.Placer.
func (target) Place(cfg spec.Config, schema *row.Schema) (targets.Place, error) {
	var set settings
	err := cfg.Decode(&set)
	return targets.Place{Table: naming().Ident(schema.Stream), Method: set.Options.Method(schema.Key)}, err
}

// Method says how a stream's rows meet those that are there.
func (s *sink) Method(schema *row.Schema) targets.Method { return s.set.Options.Method(schema.Key) }

// explain turns SQLite's answers that have to do with the file into the
// user's terms.
func explain(path string, err error) error {
	var lite sqlite3.Error
	code := sqlite3.ErrNo(0)
	var refused *refusal
	if errors.As(err, &lite) {
		code = lite.Code
	} else if errors.As(err, &refused) {
		code = refused.code
	}
	msg, hint, kind := "", "", fault.Kind("")
	switch code {
	case sqlite3.ErrFull:
		msg, hint, kind = "no space is left for %s; nothing of the last transaction was written", "free some space and run again", fault.KindLimit
	case sqlite3.ErrReadonly:
		msg, hint, kind = "%s cannot be written", "check the permissions of the file and of its folder, and that the file system is not mounted read-only", fault.KindPermission
	case sqlite3.ErrCantOpen:
		msg, hint, kind = "%s cannot be opened", "its folder must exist and be writable", fault.KindPath
		if fault.KindOf(lite.SystemErrno) == fault.KindPermission {
			kind = fault.KindPermission
		}
	case sqlite3.ErrNotADB:
		msg, hint, kind = "%s is no SQLite database", "give another path, or move the file away", fault.KindShape
	case sqlite3.ErrCorrupt:
		msg, hint, kind = "%s is damaged", "restore it from a backup, or move it away and load again with --full-refresh", fault.KindShape
	case sqlite3.ErrIoErr:
		msg, hint, kind = "%s could not be read or written", "the disk or the network drive it lies on may be full or failing", fault.KindServer
	case sqlite3.ErrBusy, sqlite3.ErrLocked:
		msg, hint, kind = "%s is in use by another program that writes to it", "wait until it is finished, or raise busy_timeout", fault.KindTimeout
	default:
		return err
	}
	return fault.Wrap(fault.Failed, err, "target-sqlite: %s", fmt.Sprintf(msg, path)).WithHint("%s", hint).WithKind(kind)
}
