package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strconv"
	"strings"

	"github.com/pressly/goose/v3"

	"elt/internal/fault"
)

// Schema is a store's migrations, numbered files that only go forward.
type Schema struct {
	Dialect goose.Dialect
	Files   fs.FS
	// Exists asks whether the version table is there.
	Exists  string
	Options []goose.ProviderOption
}

const versionTable = "elt_schema"

// Newest is the schema that this program makes.
func (s Schema) Newest() int64 {
	names, _ := fs.Glob(s.Files, "*.sql")
	newest := int64(0)
	for _, name := range names {
		number, _, _ := strings.Cut(path.Base(name), "_")
		if n, err := strconv.ParseInt(number, 10, 64); err == nil {
			newest = max(newest, n)
		}
	}
	return newest
}

// ErrNoVersion: the version table is there and empty, which nothing of ours leaves.
var ErrNoVersion = errors.New("its table " + versionTable + " is empty")

// Version is the schema that the database has; 0: none.
func (s Schema) Version(ctx context.Context, db *sql.DB) (int64, error) {
	var there bool
	if err := db.QueryRowContext(ctx, s.Exists).Scan(&there); err != nil || !there {
		return 0, err
	}
	var version sql.NullInt64
	err := db.QueryRowContext(ctx, `select max(version_id) from `+versionTable).Scan(&version)
	if err == nil && !version.Valid {
		err = ErrNoVersion
	}
	return version.Int64, err
}

// Up migrates to Newest.
func (s Schema) Up(ctx context.Context, db *sql.DB) error {
	options := append([]goose.ProviderOption{
		goose.WithTableName(versionTable), goose.WithDisableGlobalRegistry(true), goose.WithLogger(goose.NopLogger()),
	}, s.Options...)
	p, err := goose.NewProvider(s.Dialect, db, s.Files, options...)
	if err != nil {
		return err
	}
	if _, err := p.Up(ctx); err != nil {
		return fmt.Errorf("migrate the state store to schema %d: %w", s.Newest(), err)
	}
	return nil
}

// Understood says whether this program works on a store of a later release. A
// migration only adds; what is used no more goes one release later. So the
// next schema is as good as our own, and nothing is known of those after it.
func (s Schema) Understood(version int64) bool { return version <= s.Newest()+1 }

// TooNew is the refusal of a store that is not Understood.
func (s Schema) TooNew(uri string, version int64) error {
	return fault.New(fault.StoreSchema, "the state store %s has schema %d, this elt works up to %d", uri, version, s.Newest()+1).
		WithHint("a newer elt has migrated it; run that one, or restore the backup from before the migration")
}
