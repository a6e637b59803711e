package postgres

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/maphash"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/rs/zerolog"

	"elt/internal/fault"
	"elt/internal/row"
	"elt/internal/sqltarget"
	"elt/targets"
)

// loader loads one stream into one table. Where rows go:
//
//   - a table of plain rows: COPY straight in;
//   - a keyed table: COPY into a stage, merged before each commit;
//   - a table that is not there yet, or is to be overwritten: COPY into an
//     unpublished table, which takes its place at the end;
//   - a keyed table that this run has made and published before its end: COPY
//     straight in, as long as no key comes twice (direct.go).
type loader struct {
	lane   *lane
	sink   *sink
	schema *row.Schema
	final  sqltarget.Table // where the stream's rows are to be read (names only)
	at     *table          // where they go now: the final table, or the unpublished one
	grants []string

	keyed   bool       // rows merge by key
	unique  bool       // at has the unique constraint that a merge needs
	aside   bool       // at is not published
	pending bool       // at is still to be made (fresh.go)
	held    *row.Batch // the first rows, while it is
	created bool       // at was made by this transaction, so COPY FREEZE is allowed
	direct  bool       // rows go straight into the keyed table, which has none but this run's
	steady  bool       // most rows of the last merge were in the table as they are
	counted bool       // at numbers its rows in orderColumn
	rows    int64
	version bool    // rows carry TableVersion although metadata is off
	shared  *shared // nil: every row carries its own metadata
	blank   bool    // rows without a version came
	mine    bool    // the published table has none but this run's rows
	ended   bool
	note    aside

	encoder *encoder
	out     []byte
	stage   *sqltarget.Stage // nil: none in this transaction
	first   string           // makes or empties the stage, before the next COPY into it
	staged  int
	ops     bool // stages carry operations from now on
	deletes bool // some row was a delete
	seed    maphash.Seed
	seen    map[uint64]struct{} // keys in a stage with operations
	folding folding
}

// orderColumn numbers the rows of an unpublished keyed table that outlives a
// transaction, because there COPY may fill gaps on earlier pages and ctid no
// longer tells which of two rows came last. It goes when the key comes.
const orderColumn = "_elt_n"

func (l *lane) Stream(ctx context.Context, schema *row.Schema) (targets.Loader, error) {
	if err := l.finishCopy(ctx); err != nil {
		return nil, l.fail(err)
	}
	ld := &loader{lane: l, sink: l.sink, seed: maphash.MakeSeed(), seen: map[uint64]struct{}{}}
	if err := ld.open(ctx, schema); err != nil {
		return nil, l.fail(fmt.Errorf("stream %q: %w", schema.Stream, plain(err)))
	}
	l.loaders = append(l.loaders, ld)
	return ld, nil
}

func (ld *loader) open(ctx context.Context, schema *row.Schema) error {
	s, l := ld.sink, ld.lane
	if s.set.KeyRequired && len(schema.Key) == 0 {
		return fault.New(fault.BadInput, "it has no key, and primary_key_required is set").WithHint("give the stream a key, or set primary_key_required: false to append its rows")
	}
	schemaName, name, grants, err := s.set.place(schema.Stream)
	if err != nil {
		return err
	}
	ld.grants = grants
	if err := s.schema(ctx, l.session, schemaName, grants); err != nil {
		return err
	}
	found, name, err := ld.find(ctx, schemaName, name, schema.Stream)
	if err != nil {
		return err
	}
	ld.final = sqltarget.Table{Schema: schemaName, Name: name}
	if found != nil && s.set.LoadMethod != sqltarget.Overwrite {
		ld.at = found
		return ld.shape(ctx, schema, ld.sink.set.OnSchemaChange)
	}
	return ld.openAside(ctx, schema, found != nil)
}

// find settles which table is the stream's. Two streams may come to one name
// (a-users and b-users): the table belongs to the stream in its comment, or
// to the first that asks in this run, and the other's name gets a suffix.
func (ld *loader) find(ctx context.Context, schema, name, stream string) (*table, string, error) {
	s, clash := ld.sink, ""
	for {
		var found *table
		if s.there(schema, name) {
			var err error
			if found, err = ld.lane.describe(ctx, schema, name); err != nil {
				return nil, "", err
			}
		}
		owner, commented := "", false
		if found != nil {
			owner, commented = strings.CutPrefix(found.comment, ownPrefix)
		}
		ref := sqltarget.Qualify(schema, name)
		s.mu.Lock()
		first, taken := s.streams[ref]
		if !taken && (!commented || owner == stream) {
			s.streams[ref], first, taken = stream, stream, true
		}
		s.mu.Unlock()
		if taken && first == stream && (!commented || owner == stream) {
			if clash != "" && found == nil { // said once, when the table is made
				zerolog.Ctx(ctx).Warn().Msg(clash)
			}
			return found, name, nil
		}
		suffixed := s.set.naming().Suffixed(stream)
		if suffixed == name {
			return nil, "", fault.New(fault.BadInput, "table %s belongs to another stream", ref)
		}
		if owner == "" {
			owner = first
		}
		clash = fmt.Sprintf("streams %q and %q both come to table %s: %q is loaded into %s (schema_mapping, or an empty default_target_schema, gives each source schema one of its own)",
			owner, stream, ref, stream, sqltarget.Qualify(schema, suffixed))
		name = suffixed
	}
}

// Schema evolves the table. Rows written before were encoded for the old
// shape; they are brought in first.
func (ld *loader) Schema(ctx context.Context, schema *row.Schema) error {
	if ld.schema.Same(schema) {
		ld.schema, ld.encoder.schema = schema, schema
		return nil
	}
	return ld.reshape(ctx, schema)
}

func (ld *loader) reshape(ctx context.Context, schema *row.Schema) error {
	err := ld.lane.begin(ctx)
	if err == nil {
		err = ld.make(ctx)
	}
	if err == nil {
		err = ld.lane.finishCopy(ctx)
	}
	if err == nil {
		err = ld.merge(ctx)
	}
	if err == nil {
		err = ld.dropStage(ctx)
	}
	if err == nil {
		err = ld.addShared(ctx)
	}
	if err == nil {
		err = ld.shape(ctx, schema, ld.sink.set.OnSchemaChange)
	}
	if err != nil {
		return ld.lane.fail(fmt.Errorf("stream %q: %w", schema.Stream, plain(err)))
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
	if ld.only(version) {
		ld.version = ld.version || ld.keepsVersions()
		return nil
	}
	err := ld.lane.begin(ctx)
	if err == nil {
		err = ld.make(ctx)
	}
	if err == nil {
		err = ld.lane.finishCopy(ctx)
	}
	if err == nil {
		err = ld.merge(ctx)
	}
	if err == nil && (ld.shared != nil || ld.keepsVersions() && !ld.versioned()) {
		ld.version = ld.version || ld.keepsVersions()
		err = ld.reshape(ctx, ld.schema)
	}
	if err == nil && ld.versioned() && (set.HardDelete || ld.at.Has(sqltarget.DeletedAt)) {
		err = ld.lane.exec(ctx, ld.at.Activate(targets.VersionMillis(version), set.HardDelete, "now()"))
	}
	if err != nil {
		return ld.lane.fail(fmt.Errorf("stream %q: activate version %d: %w", ld.schema.Stream, version, plain(err)))
	}
	return nil
}

// End completes the stream with the next Commit.
func (ld *loader) End(ctx context.Context) error {
	ld.ended = true
	if ld.pending {
		return ld.lane.broken
	}
	return ld.lane.begin(ctx)
}

// beforeCommit brings in what is staged and publishes what may be published.
func (ld *loader) beforeCommit(ctx context.Context, covered bool) error {
	// Where nobody keeps a claim, no later run could know what an unpublished
	// table holds, yet the position is about to be promised.
	promised := ld.sink.stateID == "" && covered && ld.sink.set.LoadMethod != sqltarget.Overwrite
	err := ld.settlePending(ctx, ld.ended || promised)
	if err == nil && !ld.pending {
		err = ld.merge(ctx)
	}
	if err == nil && !ld.pending && ld.shared != nil {
		err = ld.reshape(ctx, ld.schema)
	}
	if err == nil && ld.aside && !ld.pending {
		if err = ld.lane.begin(ctx); err != nil {
			return err
		}
		if ld.ended || promised {
			err = ld.publish(ctx)
			ld.direct = err == nil && ld.keyed && ld.unique && ld.mine
		} else {
			err = ld.remember(ctx, covered)
		}
	}
	return ld.named(err)
}

// named is an error that says of which stream it is, and no value.
func (ld *loader) named(err error) error {
	if err == nil || strings.HasPrefix(err.Error(), fmt.Sprintf("stream %q", ld.schema.Stream)) {
		return err // of a row
	}
	return fmt.Errorf("stream %q: %w", ld.schema.Stream, plain(err))
}

// remember writes into the unpublished table's comment whether a position
// covers rows of it.
func (ld *loader) remember(ctx context.Context, covered bool) error {
	ld.note.Covered, ld.note.Rows = ld.note.Covered || covered, ld.rows
	text, err := json.Marshal(ld.note)
	if err != nil {
		return err
	}
	return ld.lane.exec(ctx, "comment on table "+ld.at.Ref()+" is "+literal(asidePrefix+string(text)))
}

// committed forgets what belonged to the transaction.
func (ld *loader) committed() {
	ld.created, ld.stage, ld.staged, ld.first = false, nil, 0, ""
	clear(ld.seen)
}

// hint is for what is wrong with neither the rows nor the stream, "" for else.
func hint(pg *pgconn.PgError) string {
	switch {
	case pg.Code == "42501":
		return "the role needs create on the database (or a schema that is there, with usage and create on it), and select, insert, update and delete on tables that others made (to change their columns it must own them)"
	case pg.Code == "42704" && strings.HasPrefix(pg.Message, "role "):
		return "make the role, or take it out of default_target_schema_select_permission"
	case pg.Code == "55P03":
		return "another session holds a lock on the table for longer than the setting lock_timeout allows; look for it in pg_locks, or raise lock_timeout"
	case pg.Code == "57014" && strings.Contains(pg.Message, "statement timeout"):
		return "the setting statement_timeout is shorter than a merge or an index of this size takes; raise it, or lower batch_size_bytes"
	case pg.Code == "53100":
		return "the disk of the server is full; what was committed stays, and the next run goes on from there"
	}
	return ""
}

// plain keeps values out of a server's error.
func plain(err error) error {
	var pg *pgconn.PgError
	var shown *refusal
	if errors.As(err, &shown) || !errors.As(err, &pg) {
		return err
	}
	shown = &refusal{pg, beforeValue(pg.Message)}
	switch class, help := pg.Code[:min(2, len(pg.Code))], hint(pg); {
	case help != "":
		return fault.Wrap(fault.Failed, shown, "PostgreSQL refuses").WithHint("%s", help)
	case class != "22" && class != "23" && class != "54":
		return shown
	}
	e := fault.Wrap(fault.BadInput, shown, "PostgreSQL refused the rows")
	switch pg.Code {
	case "54000":
		e = e.WithHint(longKey)
	case "23502":
		e = e.WithHint("the table demands a value in column %q, which the stream does not bring: drop the column's NOT NULL or give it a default", pg.ColumnName)
	}
	return e
}
