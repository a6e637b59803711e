package sqlite

import (
	"context"
	"fmt"
	"slices"

	"elt/internal/row"
	"elt/internal/sqltarget"
	"elt/targets"
)

// loader loads one stream into one table: the final one, or an unpublished
// one that takes its place at the end.
type loader struct {
	lane   *lane
	sink   *sink
	schema *row.Schema
	final  sqltarget.Table // where the stream's rows are to be read (name only)
	at     *table          // where they go now

	keyed   bool
	unique  bool   // at has the constraint that ON CONFLICT needs
	aside   bool   // at is not published
	early   bool   // at has its final name, in this transaction only
	hidden  string // the name of an unpublished table
	covered bool   // a committed position covers rows of the unpublished table
	version bool   // rows carry TableVersion although metadata is off
	deletes bool   // some row was a delete
	blank   bool   // rows without a version came
	ended   bool

	encoder  *encoder
	variants map[string]*variant
	out      []byte
	mask     []byte
}

func (l *lane) Stream(ctx context.Context, schema *row.Schema) (targets.Loader, error) {
	ld := &loader{lane: l, sink: l.sink, variants: map[string]*variant{}}
	err := l.begin(ctx)
	if err == nil {
		err = ld.open(ctx, schema)
	}
	if err == nil && ld.keyed {
		err = l.exec(ctx, cacheLarge)
	}
	if err != nil {
		return nil, l.fail(fmt.Errorf("stream %q: %w", schema.Stream, err))
	}
	l.loaders = append(l.loaders, ld)
	return ld, nil
}

func (ld *loader) open(ctx context.Context, schema *row.Schema) error {
	found, name, err := tableOf(ctx, ld.lane.session, schema.Stream)
	if err != nil {
		return err
	}
	ld.final = sqltarget.Table{Name: name}
	if found != nil && ld.sink.set.LoadMethod != sqltarget.Overwrite {
		ld.at = found
		return ld.shape(ctx, schema, ld.sink.set.OnSchemaChange)
	}
	return ld.openAside(ctx, schema, found == nil)
}

// Schema evolves the table; rows written before are in it already.
func (ld *loader) Schema(ctx context.Context, schema *row.Schema) error {
	if ld.schema.Same(schema) {
		ld.schema, ld.encoder.schema = schema, schema
		return nil
	}
	err := ld.lane.begin(ctx)
	if err == nil {
		err = ld.shape(ctx, schema, ld.sink.set.OnSchemaChange)
	}
	if err != nil {
		return ld.lane.fail(fmt.Errorf("stream %q: %w", schema.Stream, err))
	}
	return nil
}

// versioned says that rows carry their table version.
func (ld *loader) versioned() bool {
	return slices.ContainsFunc(ld.encoder.columns, func(c sqltarget.Column) bool { return c.Name == sqltarget.TableVersion })
}

// keepsVersions says that rows which come with a version keep it, metadata or
// not: without it a purge, or a truncation at the source, could not tell them
// from those that came before.
func (ld *loader) keepsVersions() bool {
	return ld.sink.set.ActivateVersion && (ld.sink.set.HardDelete || ld.schema.Index(sqltarget.DeletedAt) >= 0)
}

// Activate makes rows of older versions dead in this transaction. Where this
// run brought rows without a version nobody could tell them from old ones, so
// all are left alone.
func (ld *loader) Activate(ctx context.Context, version int64) error {
	set := ld.sink.set
	if !set.ActivateVersion || set.LoadMethod == sqltarget.Overwrite || ld.blank {
		return nil
	}
	err := ld.lane.begin(ctx)
	if err == nil && ld.keepsVersions() && !ld.versioned() {
		ld.version = true
		err = ld.shape(ctx, ld.schema, set.OnSchemaChange)
	}
	if err == nil && ld.versioned() && (set.HardDelete || ld.at.Has(sqltarget.DeletedAt)) {
		now := "'" + string(row.AppendTimestampText(nil, micros(), true)) + "'"
		err = ld.lane.exec(ctx, ld.at.Activate(targets.VersionMillis(version), set.HardDelete, now))
	}
	if err != nil {
		return ld.lane.fail(fmt.Errorf("stream %q: activate version %d: %w", ld.schema.Stream, version, err))
	}
	return nil
}

// End completes the stream with the next Commit.
func (ld *loader) End(ctx context.Context) error {
	ld.ended = true
	return ld.lane.begin(ctx)
}
